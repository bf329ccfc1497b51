#include "devicebound.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/logging.h>

namespace meterhub::hub {
namespace {

constexpr std::chrono::seconds kCommitEvery{10};
constexpr std::size_t kReadAtOnce = 1u << 20;
constexpr std::size_t kRecordsAtOnce = 4096;  // of one transaction

DeviceboundLimits limits_of(const DeviceboundOptions& options) {
  DeviceboundLimits out;
  out.bytes_max = options.memory;
  return out;
}

}  // namespace

Devicebound::Devicebound(const HubWorld& world, HubMetrics& metrics, const DeviceboundOptions& options,
                         log::TopicPartition partition, std::function<void(base::Error)> fatal)
    : loop_(world.loop),
      log_(world.log),
      gateways_(world.gateways),
      metrics_(metrics),
      fatal_(std::move(fatal)),
      partition_(partition),
      queues_(limits_of(options)) {}

base::Result<std::shared_ptr<Devicebound>> Devicebound::create(const HubWorld& world, HubMetrics& metrics,
                                                               const DeviceboundOptions& options,
                                                               std::function<void(base::Error)> fatal) {
  const auto topic = MH_TRY(world.log.topic(kDeviceboundLog));
  const log::TopicPartition partition{topic, base::PartitionId(0)};
  std::shared_ptr<Devicebound> out(new Devicebound(world, metrics, options, partition, std::move(fatal)));
  MH_TRY_VOID(out->read_log());
  out->membership_ = MH_TRY(world.log.join(kDeviceboundGroup, {topic}, {}, world.loop, *out));
  out->gateway_changed({});
  out->show();
  return out;
}

// ---- the log ----

// All before the committed offset has ended and was heard of: retention waits for it, whatever its age.
base::Result<void> Devicebound::read_log() {
  const auto bounds = MH_TRY(log_.bounds(partition_));
  committed_ = MH_TRY(log_.committed(kDeviceboundGroup, partition_)).value_or(bounds.first);
  const auto cursor = MH_TRY(log_.open(partition_, std::max(committed_, bounds.first)));
  while (true) {
    const auto batch = MH_TRY(cursor->next(kReadAtOnce));
    if (batch.records.empty()) break;
    for (const auto& record : batch.records) MH_TRY_VOID(restore(record));
  }
  read_to_ = cursor->position();
  return {};
}

base::Result<void> Devicebound::restore(const log::RecordView& record) {
  auto logged = read_record(record);
  if (!logged)
    return base::fail(logged.error().code,
                      "log devicebound, record " + std::to_string(record.offset.value) + ": " + logged.error().text);
  if (auto* message = std::get_if<DeviceboundMessage>(&*logged)) {
    queues_.add(std::move(*message));
  } else if (auto* end = std::get_if<LoggedEnd>(&*logged)) {
    queues_.forget(end->message);
    if (end->feedback) feedback_.add(std::move(end->record));
  } else {
    for (const auto number : std::get<LoggedHeard>(*logged).feedback) feedback_.forget(number);
  }
  return {};
}

bool Devicebound::is_fatal(const base::Error& error) {
  if (error.code != base::Errc::kIo && error.code != base::Errc::kCancelled) return false;
  if (!std::exchange(failed_, true) && error.code == base::Errc::kIo) fatal_(error);
  return true;
}

void Devicebound::write() {
  if (writing_ || failed_ || unwritten_.empty()) return;
  std::vector<Unwritten> batch;
  log::Transaction transaction;
  for (; !unwritten_.empty() && batch.size() < kRecordsAtOnce; unwritten_.pop_front()) {
    transaction.appends.add(partition_, log::parts_of(unwritten_.front().record));
    batch.push_back(std::move(unwritten_.front()));
  }
  writing_ = true;
  log_.transact(
      std::move(transaction), loop_,
      [weak = weak_from_this(), batch = std::move(batch)](const base::Result<log::Committed>& result) mutable {
        if (const auto self = weak.lock()) self->written(std::move(batch), result);
      });
}

// A log that is full takes them later: sweep() tries again.
void Devicebound::written(std::vector<Unwritten> batch, const base::Result<log::Committed>& result) {
  writing_ = false;
  if (!result) {
    if (is_fatal(result.error())) return;
    base::logging::warn("devicebound_not_written", {{"records", batch.size()}, {"error", result.error().text}});
    unwritten_.insert(unwritten_.begin(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& place = result->places[i];
    read_to_ = std::max(read_to_, base::Offset(place.offset.value + 1));
    if (!batch[i].feedback) continue;
    batch[i].feedback->number = place.offset;
    batch[i].feedback->at = place.enqueued;
    if (feedback_.add(std::move(*batch[i].feedback))) metrics_.feedback_dropped.add();
  }
  write();
  tell({});
}

// Lets retention have what is over.
void Devicebound::commit() {
  const auto at = loop_.clock().monotonic();
  if (!owned_ || failed_ || writing_ || !unwritten_.empty() || at - committed_at_ < kCommitEvery) return;
  const auto next = std::min({queues_.oldest().value_or(read_to_), feedback_.oldest().value_or(read_to_), read_to_});
  if (next <= committed_) return;
  committed_at_ = at;
  committed_ = next;
  log::Transaction transaction;
  transaction.owners.push_back({std::string(kDeviceboundGroup), partition_, *owned_});
  transaction.offsets.push_back({std::string(kDeviceboundGroup), partition_, next});
  log_.transact(std::move(transaction), loop_, [weak = weak_from_this()](const base::Result<log::Committed>& result) {
    const auto self = weak.lock();
    if (self && !result) self->is_fatal(result.error());  // others: the next one says it again
  });
}

void Devicebound::assigned(std::vector<log::Assignment> partitions) { owned_ = partitions.front().epoch; }

void Devicebound::revoked(std::vector<log::TopicPartition> /*partitions*/, base::Task drained) {
  owned_.reset();
  drained();
}

void Devicebound::lost(std::vector<log::TopicPartition> /*partitions*/) { owned_.reset(); }

// ---- messages ----

base::Result<void> Devicebound::enqueue(DeviceboundMessage message, std::weak_ptr<Sender> sender, Ticket ticket,
                                        bool answered) {
  if (failed_) return {};  // nobody gets an answer any more
  switch (queues_.reserve(message.device, message.bytes())) {
    case DeviceboundQueues::Room::kQueueFull:
      return base::fail(base::Errc::kResourceExhausted, "as many messages wait for the device as may");
    case DeviceboundQueues::Room::kMemoryFull:
      return base::fail(base::Errc::kResourceExhausted,
                        "the messages that wait for devices fill hub.devicebound_memory");
    case DeviceboundQueues::Room::kGiven: break;
  }
  ++on_the_way_;
  log::Transaction transaction;
  transaction.writer = log::Writer::kOutside;
  transaction.appends.push_back({partition_, record_of(message)});
  auto done = [weak = weak_from_this(), message = std::move(message), sender = std::move(sender), ticket,
               answered](const base::Result<log::Committed>& result) mutable {
    const auto self = weak.lock();
    if (!self) return;
    --self->on_the_way_;
    self->queues_.release(message.device, message.bytes());
    if (!result && self->is_fatal(result.error())) return;
    if (result) self->stored(std::move(message), result->places.front());
    const auto waits = answered ? sender.lock() : nullptr;
    if (!waits) return;
    result ? waits->stored(ticket) : waits->refused(ticket, result.error());
  };
  log_.transact(std::move(transaction), loop_, std::move(done));
  return {};
}

void Devicebound::stored(DeviceboundMessage message, const log::Committed::Place& place) {
  metrics_.devicebound_taken.add();
  read_to_ = std::max(read_to_, base::Offset(place.offset.value + 1));
  message.number = place.offset;
  message.enqueued = place.enqueued;
  const auto device = message.device;
  queues_.add(std::move(message));
  gateway_changed(device);  // it may have been removed meanwhile
  tell(device);
}

std::optional<DeviceboundQueues::Taken> Devicebound::take(const std::string& device) {
  if (failed_) return std::nullopt;
  auto out = queues_.take(device, loop_.clock().now(), loop_.clock().monotonic());
  if (out) metrics_.devicebound_delivered.add();
  return out;
}

void Devicebound::end(DeliveryLock lock, Fate fate) {
  auto message = queues_.end(lock, fate);
  if (!message) return metrics_.devicebound_late.add();
  ended(std::move(*message));
  write();
}

void Devicebound::give_back(DeliveryLock lock) {
  const auto device = queues_.device_of(lock);
  if (device.empty()) return metrics_.devicebound_late.add();
  if (auto message = queues_.give_back(lock)) {
    ended(std::move(*message));
    return write();
  }
  tell(device);
}

void Devicebound::ended(EndedMessage message) {
  metrics_.devicebound_ended(fate_text(message.fate));
  Unwritten out{record_of(message), std::nullopt};
  if (wants_feedback(message.ack, message.fate))
    out.feedback = Feedback{{}, std::move(message.device), std::move(message.id), message.fate, {}};
  unwritten_.push_back(std::move(out));
}

std::size_t Devicebound::purge(const std::string& device) {
  auto gone = queues_.purge(device);
  const auto count = gone.size();
  for (auto& message : gone) ended(std::move(message));
  write();
  return count;
}

void Devicebound::gateway_changed(const std::string& device) {
  const auto devices = device.empty() ? queues_.devices() : std::vector<std::string>{device};
  for (const auto& one : devices)
    if (gateways_.find(one) == nullptr) purge(one);
}

// ---- feedback ----

std::optional<FeedbackQueue::Batch> Devicebound::take_feedback() {
  if (failed_) return std::nullopt;
  return feedback_.take(loop_.clock().monotonic());
}

void Devicebound::feedback_heard(DeliveryLock lock) {
  heard(feedback_.end(lock));
  write();
}

void Devicebound::give_feedback_back(DeliveryLock lock) {
  const auto gone = feedback_.give_back(lock);
  metrics_.feedback_dropped.add(gone.size());
  heard(gone);
  write();
}

void Devicebound::heard(const std::vector<base::Offset>& feedback) {
  if (!feedback.empty()) unwritten_.push_back({record_of_heard(feedback), std::nullopt});
}

// ---- time and readers ----

void Devicebound::sweep() {
  const auto now = loop_.clock().now();
  const auto at = loop_.clock().monotonic();
  for (auto& message : queues_.sweep(now, at)) ended(std::move(message));
  const auto gone = feedback_.sweep(now, at);
  metrics_.feedback_dropped.add(gone.size());
  heard(gone);
  write();
  commit();
  show();
}

void Devicebound::show() {
  metrics_.devicebound_waiting.set(static_cast<double>(queues_.messages()));
  metrics_.devicebound_bytes.set(static_cast<double>(queues_.bytes()));
  metrics_.feedback_waiting.set(static_cast<double>(feedback_.records()));
}

void Devicebound::unwatch(const std::string& device, DeviceboundReader& reader) {
  const auto [begin, end] = readers_.equal_range(device);
  const auto at = std::find_if(begin, end, [&](const auto& entry) { return entry.second == &reader; });
  if (at != end) readers_.erase(at);
}

// The calls end no reader.
void Devicebound::tell(const std::string& device) {
  const auto [begin, end] = readers_.equal_range(device);
  for (auto at = begin; at != end; ++at) at->second->ready();
}

}  // namespace meterhub::hub
