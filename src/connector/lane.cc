#include "lane.h"

#include <algorithm>
#include <utility>

#include <meterhub/base/assert.h>
#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

namespace meterhub::connector {
namespace {

// Pause before a batch is tried again after the log refused it.
constexpr std::chrono::milliseconds kRewindPause{500};
// Pause before asking again with sessions that were older than the packet.
constexpr std::chrono::milliseconds kAskAgainPause{100};
// What a reading comes to, about: less memory is taken piece by piece.
constexpr std::size_t kDecodedBytes = 640;

bool is_key_error(const lorawan::Answer& answer) {
  return answer.kind == lorawan::AnswerKind::kError &&
         (answer.error == lorawan::PacketError::kUnknownDevaddr || answer.error == lorawan::PacketError::kMic);
}

// `sent`: the packet is not younger.
bool is_verdict(const Opened& opened, base::Timestamp sent) {
  if (!opened.fresh_as_of || *opened.fresh_as_of >= sent) return true;
  for (const auto& answer : opened.answers) {
    if (is_key_error(answer)) return false;
  }
  return true;
}

// The network server may hear of a new meter before we do.
bool names_stranger(const Opened& opened, const registry::Directory::View& view) {
  return std::ranges::any_of(opened.answers, [&](const lorawan::Answer& answer) {
    if (answer.kind != lorawan::AnswerKind::kApp && answer.kind != lorawan::AnswerKind::kMote) return false;
    return (answer.meter.value != 0 ? view.meter(answer.meter) : view.meter(answer.device)) == nullptr;
  });
}

// Its views point into the record.
Source source_of(const log::RecordView& record, const LaneContext& context, log::TopicPartition from, const std::string& topic) {
  Source source;
  auto& delivery = source.delivery;
  delivery.origin = record.properties.origin;
  if (delivery.origin.log.empty()) {
    delivery.origin = {topic, from.partition, record.offset, 0, record.enqueued};
  }
  source.redo = context.from_retry_topic(from.topic);
  source.reason = record.properties.reason;
  delivery.gateway_id = record.properties.gateway;
  delivery.enqueued = delivery.origin.enqueued;
  delivery.body = record.body;
  return source;
}

}  // namespace

Lane::Lane(LaneContext& context, log::Assignment assignment, Start start)
    : context_(context), assignment_(assignment), start_(start) {}

log::From Lane::first_position() const {
  if (const auto* time = std::get_if<base::Timestamp>(&start_)) return *time;
  if (std::holds_alternative<log::Earliest>(start_)) return log::Earliest{};
  const auto committed = context_.log.committed(log::groups::kConnector, assignment_.partition);
  if (committed && committed->has_value()) return **committed;
  return log::Earliest{};
}

void Lane::start() {
  auto cursor = context_.log.open(assignment_.partition, first_position());
  if (!cursor) {
    base::logging::error("connector_cannot_read", {{"partition", assignment_.partition.partition.value}, {"error", cursor.error().text}});
    rewind();
    return;
  }
  cursor_ = std::move(*cursor);
  pump();
}

void Lane::pump() {
  if (stopped_ || waiting_ || drained_ || !cursor_) return;
  while (batches_.size() < context_.options.batches_in_flight) {
    if (!read_one()) return;
  }
}

// False when there is nothing to read now.
bool Lane::read_one() {
  auto read = cursor_->next(context_.options.batch_bytes);
  if (!read && read.error().code == base::Errc::kNotFound) return true;  // retention: goes on at what is left
  if (!read) {
    base::logging::error("connector_cannot_read", {{"partition", assignment_.partition.partition.value}, {"error", read.error().text}});
    rewind();
    return false;
  }
  if (read->records.empty()) {
    wait_for_records();
    return false;
  }
  auto batch = std::make_shared<Batch>();
  batch->records = std::move(*read);
  batch->next = cursor_->position();
  const auto topic = context_.log.topic_name(assignment_.partition.topic);
  batch->sources.reserve(batch->records.records.size());
  for (const auto& record : batch->records.records) {
    batch->sources.push_back(source_of(record, context_, assignment_.partition, topic));
  }
  batch->opened.resize(batch->sources.size());
  batch->first_asked = context_.executor.clock().monotonic();
  batch->read = context_.executor.clock().now();
  context_.packets.add(batch->sources.size());
  batches_.push_back(batch);
  std::vector<std::size_t> closed;  // what a network server has to open
  for (std::size_t i = 0; i < batch->sources.size(); ++i) {
    if (!batch->sources[i].is_document()) closed.push_back(i);
  }
  if (!closed.empty()) {
    ask(batch, std::move(closed));
  } else {
    batch->ready = true;
    commit_front();
  }
  return true;
}

void Lane::wait_for_records() {
  watch_ = context_.log.watch(assignment_.partition, cursor_->position(), context_.executor,
                              [weak = weak_from_this()] {
                                if (const auto lane = weak.lock()) lane->pump();
                              });
}

void Lane::ask(const BatchPtr& batch, std::vector<std::size_t> which) {
  Block block;
  block.storage = batch;
  block.deliveries.reserve(which.size());
  {
    const auto view = context_.directory.view();
    for (const auto i : which) {
      Delivery& delivery = block.deliveries.emplace_back(batch->sources[i].delivery);
      const auto& gateway = view.gateway(delivery.gateway_id);
      if (gateway == nullptr) continue;
      delivery.gateway = gateway->eui.value_or(base::Eui64());
      if (gateway->ns_plugin.empty()) continue;
      delivery.plugin = gateway->ns_plugin;
      batch->gateways.push_back(gateway);
    }
  }
  context_.transport.open(std::move(block), [weak = weak_from_this(), batch, which = std::move(which), run = run_](
                                                std::vector<Opened> opened) {
    const auto lane = weak.lock();
    if (lane && lane->run_ == run && !lane->stopped_) lane->answered(batch, which, std::move(opened));
  });
}

void Lane::answered(const BatchPtr& batch, const std::vector<std::size_t>& which, std::vector<Opened> opened) {
  MH_ASSERT(opened.size() == which.size());
  const bool patient = context_.executor.clock().monotonic() - batch->first_asked < context_.options.stale_sessions_wait;
  std::vector<std::size_t> again;
  const auto current_to = context_.directory.current_to();  // before the view, which may be newer
  std::optional<registry::Directory::View> view(context_.directory.view());
  for (std::size_t i = 0; i < which.size(); ++i) {
    // After the clock was put back, packets bear times to come, which no sessions reach for as long.
    const auto sent = std::min(batch->sources[which[i]].delivery.enqueued, batch->read);
    const bool registered_later = current_to < sent && names_stranger(opened[i], *view);
    if (patient && (registered_later || !is_verdict(opened[i], sent))) {
      again.push_back(which[i]);
    } else {
      batch->opened[which[i]] = std::move(opened[i]);
    }
  }
  view.reset();
  if (!again.empty()) {
    context_.asked_again.add(again.size());
    context_.executor.after(kAskAgainPause, [weak = weak_from_this(), batch, again = std::move(again), run = run_]() mutable {
      const auto lane = weak.lock();
      if (lane && lane->run_ == run && !lane->stopped_) lane->ask(batch, std::move(again));
    });
    return;
  }
  batch->ready = true;
  commit_front();
}

void Lane::commit_front() {
  if (committing_ || batches_.empty() || !batches_.front()->ready) return;
  auto& batch = *batches_.front();
  log::Transaction transaction;
  transaction.owners.push_back({std::string(log::groups::kConnector), assignment_.partition, assignment_.epoch});
  transaction.appends.reserve(batch.sources.size(), batch.sources.size() * kDecodedBytes);
  context_.sorter.sort(batch.sources, batch.opened, transaction.appends);
  transaction.offsets.push_back({std::string(log::groups::kConnector), assignment_.partition, batch.next});
  committing_ = true;
  base::commit_point("connector.before_commit");
  context_.log.transact(std::move(transaction), context_.executor, [weak = weak_from_this(), run = run_](base::Result<log::Committed> result) {
    const auto lane = weak.lock();
    if (!lane) return;
    lane->committing_ = false;
    if (lane->run_ == run) lane->committed(std::move(result));
  });
}

void Lane::committed(base::Result<log::Committed> result) {
  if (!result) {
    const auto code = result.error().code;
    base::logging::warn("connector_commit_failed",
                        {{"partition", assignment_.partition.partition.value}, {"error", result.error().text}});
    if (code == base::Errc::kIo) context_.fatal(std::move(result).error());
    if (code == base::Errc::kIo || code == base::Errc::kFenced || code == base::Errc::kCancelled) {
      stop();
      finish_drain();
    } else {
      rewind();
    }
    return;
  }
  start_ = FromCommitted{};
  base::commit_point("connector.after_commit");
  batches_.pop_front();
  commit_front();
  if (!committing_ && drained_ && batches_.empty()) finish_drain();
  pump();
}

// Begins again at the committed offset, after a pause: what was read ahead is dropped.
void Lane::rewind() {
  ++run_;
  context_.rewinds.add();
  batches_.clear();
  watch_.reset();
  cursor_.reset();
  if (drained_) {
    finish_drain();
    return;
  }
  waiting_ = true;
  start_later();
}

// A transaction still under way decides where the committed offset stands: wait for it.
void Lane::start_later() {
  context_.executor.after(kRewindPause, [weak = weak_from_this()] {
    const auto lane = weak.lock();
    if (!lane || lane->stopped_) return;
    if (lane->committing_) return lane->start_later();
    lane->waiting_ = false;
    lane->start();
  });
}

void Lane::drain(base::Task drained) {
  drained_ = std::move(drained);
  watch_.reset();
  if (batches_.empty() || stopped_) finish_drain();
}

void Lane::finish_drain() {
  if (!drained_) return;
  auto drained = std::exchange(drained_, std::nullopt);
  (*drained)();
}

void Lane::stop() {
  stopped_ = true;
  ++run_;
  batches_.clear();
  watch_.reset();
  cursor_.reset();
}

}  // namespace meterhub::connector
