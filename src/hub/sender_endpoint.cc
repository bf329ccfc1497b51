#include "sender_endpoint.h"

#include <algorithm>

#include "session.h"

namespace meterhub::hub {
namespace {

// Half-taken and waiting messages of one link: with large batches it has credit for fewer.
constexpr std::size_t kLinkBytesMax = 16 * 1024 * 1024;
// A larger event counts as several against the rate, as in Azure's throughput units.
constexpr std::size_t kCountedBytes = 4096;
constexpr std::string_view kIdempotent = "com.microsoft:idempotent-producer";

std::uint32_t window_of(const HubOptions& options) {
  const auto fitting = kLinkBytesMax / std::max<std::size_t>(1, options.batch_max);
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(fitting, 1, options.link_credit));
}

}  // namespace

SenderEndpoint::SenderEndpoint(Session& session, amqp::LinkId link, const EventHub& hub, const LinkAddress& address)
    : session_(session),
      link_(link),
      hub_(hub),
      partition_name_(address.partition),
      partition_(address.partition.empty() ? std::nullopt : hub.partition(address.partition)),
      turn_(session.host().next_turn()) {}

// Azure keeps a producer's last numbers for idempotent producers. This hub does not, and promises nothing that it does not keep.
std::optional<amqp::ErrorView> SenderEndpoint::objection(const EventHub& hub, const LinkAddress& address,
                                                         const amqp::PeerAttach& attach) {
  if (!attach.peer_sends) return amqp::ErrorView{"amqp:not-allowed", "events are read from NAME/ConsumerGroups/GROUP/Partitions/N"};
  if (hub.takes == Takes::kNothing) return amqp::ErrorView{"amqp:not-allowed", "nobody outside sends to this event hub"};
  if (!address.partition.empty() && !hub.partition(address.partition))
    return amqp::ErrorView{"com.microsoft:argument-out-of-range", "the event hub has no partition of this number"};
  if (attach.fields.desired_capabilities.contains_symbol(kIdempotent))
    return amqp::ErrorView{"amqp:not-implemented", "idempotent producers are not offered"};
  return std::nullopt;
}

bool SenderEndpoint::permitted() const {
  return session_.may({.node = Node::kEventHub, .event_hub = hub_.name, .partition = partition_name_});
}

void SenderEndpoint::update_window() {
  auto& host = session_.host();
  const auto& bucket = host.pace(hub_);
  open_window_ = host.granting() && (!bucket.limited() || bucket.tokens(host.clock().monotonic()) >= 1);
  if (host.granting() && !open_window_) session_.note_throttled();
  session_.engine().set_window(link_, open_window_ ? window_of(host.options()) : 0);
}

void SenderEndpoint::on_delivery(const amqp::Delivery& delivery) {
  auto& metrics = session_.host().metrics();
  if (delivery.settled) metrics.presettled.add();
  const auto taken = take(delivery);
  if (taken) return;
  metrics.rejected("malformed");
  if (delivery.settled) return;
  session_.engine().settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kRejected,
                           {base::error_class(taken.error().code).amqp_condition, taken.error().text});
}

base::Result<void> SenderEndpoint::take(const amqp::Delivery& delivery) {
  return hub_.takes == Takes::kDocuments ? take_documents(delivery) : take_events(delivery);
}

base::Result<void> SenderEndpoint::take_events(const amqp::Delivery& delivery) {
  auto& host = session_.host();
  const auto batch = MH_TRY(host.event_records().read(delivery.payload, delivery.message_format));
  if (partition_ && !batch.partition_key.empty())
    return base::fail(base::Errc::kInvalidArgument, "a partition key has no meaning where the address names the partition");
  host.intake().add_events({hub_.topic, partition_for(batch.partition_key)}, batch.events, answer_of(delivery));
  count_rate(batch.events.size(), delivery.payload.size());
  return {};
}

// What they become is for the platform to say, and where: deduplication places readings by their meter.
base::Result<void> SenderEndpoint::take_documents(const amqp::Delivery& delivery) {
  auto& host = session_.host();
  static const log::Properties kNone;
  const auto documents = MH_TRY(host.records().read(delivery.payload, delivery.message_format, kNone));
  host.intake().add_each(
      documents.size(), [&](std::size_t i, log::Appends& out) { host.documents().append(documents[i].body, out); }, answer_of(delivery));
  count_rate(documents.size(), delivery.payload.size());
  return {};
}

base::PartitionId SenderEndpoint::partition_for(std::string_view key) {
  if (partition_) return *partition_;
  return key.empty() ? base::PartitionId(turn_++ % hub_.partitions) : key_partition(key, hub_.partitions);
}

// Like a device that sends too fast, a sender is slowed and not refused; all senders of an event hub share its rate.
void SenderEndpoint::count_rate(std::size_t events, std::size_t bytes) {
  auto& host = session_.host();
  auto& bucket = host.pace(hub_);
  if (!bucket.limited()) return;
  const auto now = host.clock().monotonic();
  bucket.take(static_cast<double>(std::max(events, bytes / kCountedBytes)), now);
  if (bucket.tokens(now) >= 1 || !open_window_) return;
  open_window_ = false;
  session_.note_throttled();
  session_.engine().let_window_close(link_, 0);
  host.metrics().throttled.add();
}

Answer SenderEndpoint::answer_of(const amqp::Delivery& delivery) const {
  return {session_.weak_from_this(), {static_cast<std::uint64_t>(delivery.session), delivery.id}, !delivery.settled};
}

}  // namespace meterhub::hub
