#include "wire_request.h"

#include <algorithm>
#include <bit>

#include <meterhub/base/encoding.h>
#include <meterhub/decrypt/plugin_opener.h>
#include <meterhub/lorawan/gwmp.h>

namespace meterhub::connector {
namespace {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::PacketError;

constexpr std::size_t kHeader = 12;
// {"a":"01a2b3c4","f":4294967295}, and the array around all of them.
constexpr std::size_t kHintSize = 34;
constexpr std::size_t kHintsFrame = 11;
// Less JSON than this is not worth a datagram of its own.
constexpr std::size_t kMembersMin = 256;
// Datagrams are padded to a multiple of it.
constexpr std::size_t kSizeStep = 64;

Answer error_answer(PacketError error, const Delivery& delivery, std::optional<std::uint32_t> index = {}) {
  Answer out;
  out.kind = AnswerKind::kError;
  out.error = error;
  out.gateway = delivery.gateway;
  out.index = index;
  return out;
}

lorawan::RequestExtra extra_of(const Delivery& delivery, const WirePart& part, const WireEnvelope& envelope) {
  lorawan::RequestExtra out;
  out.rid = envelope.rid;
  out.time = base::precise(delivery.enqueued);
  out.first_index = part.first_index;
  out.answer_to = envelope.answer_to;
  if (part.raw) out.plugin = delivery.plugin;
  return out;
}

std::string extra_text(const Delivery& delivery, const WirePart& part, const WireEnvelope& envelope) {
  std::string out;
  lorawan::append_extra(out, extra_of(delivery, part, envelope));
  return out;
}

// Bytes around a part's members, without hints.
std::size_t overhead(const Delivery& delivery, std::string_view answer_to, bool raw) {
  WirePart part;
  part.first_index = 9999;
  part.raw = raw;
  const WireEnvelope envelope{{}, request_id(delivery.origin, 9999, 9999, UINT64_MAX), answer_to, {}, 0};
  return kHeader + extra_text(delivery, part, envelope).size() + 3;
}

// Addresses of the data frames: whom to give hints for.
std::vector<base::DevAddr> addresses_in(std::string_view members, lorawan::ReportReader& reader) {
  std::vector<base::DevAddr> out;
  lorawan::Report report;
  if (reader.read("{" + std::string(members) + "}", lorawan::ExtraPolicy::kIgnore, report) != PacketError::kNone) return out;
  for (const auto& packet : report.packets) {
    if (packet.phy.size() < 5) continue;
    const auto& phy = packet.phy;
    const base::DevAddr address(std::uint32_t{phy[4]} << 24 | std::uint32_t{phy[3]} << 16 | std::uint32_t{phy[2]} << 8 | phy[1]);
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
  return out;
}

CutDelivery cut_raw(const Delivery& delivery, std::string_view answer_to) {
  CutDelivery out;
  if (delivery.body.empty()) {
    out.errors.push_back(error_answer(PacketError::kBadLength, delivery));
    return out;
  }
  WirePart part;
  part.raw = true;
  part.count = decrypt::PluginOpener::kReadingsMax;
  part.members = R"("raw":")" + base::base64_encode(base::as_bytes(delivery.body)) + '"';
  if (overhead(delivery, answer_to, true) + part.members.size() > kDatagramMax) {
    out.errors.push_back(error_answer(PacketError::kBodySize, delivery));
  } else {
    out.parts.push_back(std::move(part));
  }
  return out;
}

}  // namespace

std::size_t WirePart::lines_max() const { return std::size_t{count} + 1; }

CutDelivery cut_delivery(const Delivery& delivery, std::size_t datagram_max, std::string_view answer_to,
                         lorawan::ReportReader& reader) {
  if (!delivery.plugin.empty()) return cut_raw(delivery, answer_to);
  CutDelivery out;
  const auto body = lorawan::parse_gateway_body(base::as_bytes(delivery.body), delivery.gateway);
  const auto around = overhead(delivery, answer_to, false);
  const auto room = datagram_max > around ? datagram_max - around : 0;
  // A sixth is left to hints.
  const auto parts = body ? lorawan::split_report(base::as_text(body->json), std::max(kMembersMin, room / 6 * 5))
                          : std::unexpected(body.error());
  if (!parts) {
    out.errors.push_back(error_answer(parts.error(), delivery));
    return out;
  }
  for (const auto& part : *parts) {
    if (around + part.members.size() > kDatagramMax) {
      out.errors.push_back(error_answer(PacketError::kBodySize, delivery, part.first_index));
      continue;
    }
    WirePart cut;
    cut.number = static_cast<std::uint32_t>(out.parts.size());
    cut.first_index = part.first_index;
    cut.count = part.count;
    cut.members = part.members;
    cut.addresses = addresses_in(part.members, reader);
    out.parts.push_back(std::move(cut));
  }
  return out;
}

std::vector<WirePart> cut_single(const WirePart& part, lorawan::ReportReader& reader) {
  std::vector<WirePart> out;
  const auto singles = lorawan::split_report("{" + part.members + "}", 1);
  if (!singles) return out;
  for (const auto& single : *singles) {
    WirePart cut;
    cut.number = part.number;
    cut.first_index = part.first_index + single.first_index;
    cut.count = single.count;
    cut.members = single.members;
    cut.addresses = addresses_in(single.members, reader);
    out.push_back(std::move(cut));
  }
  return out;
}

std::string request_id(const log::Origin& origin, std::uint32_t part, std::uint32_t attempt, std::uint64_t random) {
  std::string out(origin.log);
  for (const std::uint64_t number : {std::uint64_t{origin.partition.value}, origin.offset.value, std::uint64_t{part}, std::uint64_t{attempt}}) {
    out += '-';
    out += std::to_string(number);
  }
  const auto bytes = std::bit_cast<std::array<std::uint8_t, 8>>(random);
  out += '-';
  base::append_hex(out, bytes);
  return out;
}

std::string build_datagram(const Delivery& delivery, const WirePart& part, const WireEnvelope& envelope) {
  auto extra = extra_of(delivery, part, envelope);
  const auto bare = kHeader + 3 + part.members.size() + extra_text(delivery, part, envelope).size() + kHintsFrame;
  const auto room = bare < envelope.datagram_max ? (envelope.datagram_max - bare) / kHintSize : 0;
  const auto hints = envelope.hints.first(std::min(room, envelope.hints.size()));
  extra.hints.assign(hints.begin(), hints.end());
  // `x` first: a reader that gives up on a later member still knows what to answer to.
  std::string json = "{";
  lorawan::append_extra(json, extra);
  if (!part.members.empty()) json += ',';
  json += part.members;
  // Few different sizes, so that many datagrams follow each other with the same (net/udp.h).
  const auto size = kHeader + json.size() + 1;
  const auto padded = (size + kSizeStep - 1) / kSizeStep * kSizeStep;
  if (padded <= envelope.datagram_max) json.append(padded - size, ' ');
  json += '}';
  return lorawan::build_push_data(envelope.token, delivery.gateway, json);
}

}  // namespace meterhub::connector
