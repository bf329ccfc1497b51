#include "gwmp_port.h"

#include <algorithm>

namespace meterhub::hub {
namespace {

constexpr std::size_t kHeader = 12;  // version, token, type, EUI
constexpr std::uint8_t kPushData = 0;
constexpr std::uint8_t kPushAck = 1;
constexpr std::uint8_t kPullData = 2;
constexpr std::uint8_t kPullAck = 4;

base::Eui64 eui_of(base::BytesView datagram) {
  std::uint64_t value = 0;
  for (std::size_t i = 4; i < kHeader; ++i) value = value << 8 | datagram[i];
  return base::Eui64(value);
}

std::array<std::uint8_t, 4> ack_for(base::BytesView datagram, std::uint8_t type) {
  return {datagram[0], datagram[1], datagram[2], type};
}

}  // namespace

base::Result<void> GwmpPort::bind(net::EventLoop& loop, const net::Address& at) {
  socket_ = MH_TRY(net::UdpSocket::bind(loop, at, {}, *this));
  return {};
}

void GwmpPort::on_datagrams(std::span<const net::Datagram> block) {
  for (const auto& datagram : block) host_.metrics().gwmp(take(datagram));
}

bool GwmpPort::heard(const net::Address& from) const {
  return std::ranges::any_of(host_.options().gwmp_networks, [&](const auto& network) { return network.contains(from); });
}

// Returns what became of it, for the counter. No ack for what is malformed or unknown.
std::string_view GwmpPort::take(const net::Datagram& datagram) {
  const auto bytes = datagram.bytes;
  if (!heard(datagram.peer)) return "network";
  if (bytes.size() < kHeader) return "malformed";
  if (bytes[0] != 1 && bytes[0] != 2) return "malformed";
  if (bytes[3] != kPushData && bytes[3] != kPullData) return "type";
  const auto gateway = host_.gateways().find(eui_of(bytes));
  if (!gateway || !gateway->enabled) return "unknown_gateway";
  if (bytes[3] == kPushData) return push(datagram, *gateway);
  socket_->send(datagram.peer, ack_for(bytes, kPullAck));
  return "pull";
}

std::string_view GwmpPort::push(const net::Datagram& datagram, const Gateway& gateway) {
  if (!host_.granting()) return "overload";
  const auto now = host_.clock().monotonic();
  auto& rate = bucket(gateway.id);
  if (rate.limited() && rate.tokens(now) < 1) return "throttled";
  rate.take(1, now);
  log::Properties properties;
  properties.gateway = gateway.id;
  const log::RecordParts record{gateway.id, properties, {}, base::as_text(datagram.bytes)};
  const Ticket ticket{0, next_++};
  waiting_.emplace(ticket.delivery, Ack{datagram.peer, ack_for(datagram.bytes, kPushAck)});
  host_.intake().add(gateway.id, {&record, 1}, weak_from_this(), ticket, true);
  return "push";
}

void GwmpPort::stored(Ticket ticket) {
  const auto node = waiting_.extract(ticket.delivery);
  if (node) socket_->send(node.mapped().to, node.mapped().bytes);
}

// The forwarder never resends: no ack tells it that the link is bad.
void GwmpPort::refused(Ticket ticket, const base::Error& /*error*/) { waiting_.erase(ticket.delivery); }

TokenBucket& GwmpPort::bucket(const std::string& gateway) {
  const auto& options = host_.options();
  return buckets_
      .try_emplace(gateway, options.device_rate, options.device_burst, host_.clock().monotonic())
      .first->second;
}

void GwmpPort::sweep() {
  const auto now = host_.clock().monotonic();
  std::erase_if(buckets_, [&](const auto& entry) { return entry.second.is_full(now); });
}

}  // namespace meterhub::hub
