#include "intake.h"

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>
#include <meterhub/hub/hub.h>

namespace meterhub::hub {
namespace {

// A transaction may hold 64 MiB; smaller ones become durable sooner.
constexpr std::size_t kBlockBytes = 4 * 1024 * 1024;

}  // namespace

Intake::Intake(net::EventLoop& loop, log::Log& log, HubMetrics& metrics, base::TopicId telemetry,
               std::size_t in_flight_max, std::function<void(base::Error)> fatal)
    : loop_(loop), log_(log), metrics_(metrics), telemetry_(telemetry), partitions_(log.partitions(telemetry)),
      in_flight_max_(in_flight_max), fatal_(std::move(fatal)) {}

void Intake::add(std::string_view gateway, std::span<const log::RecordParts> records, std::weak_ptr<Sender> sender,
                 Ticket ticket, bool answered) {
  if (failed_) return;
  const log::TopicPartition to{telemetry_, telemetry_partition(gateway, partitions_)};
  const auto first = block_.appends.size();
  for (const auto& record : records) {
    metrics_.received_bytes.add(record.body.size());
    block_.appends.add(to, record);
  }
  metrics_.received.add(records.size());
  close_message(first, {std::move(sender), ticket, answered}, metrics_.settled);
}

void Intake::add_events(log::TopicPartition to, std::span<const log::RecordParts> events, Answer answer) {
  if (failed_) return;
  const auto first = block_.appends.size();
  for (const auto& event : events) {
    metrics_.event_bytes.add(event.body.size());
    block_.appends.add(to, event);
  }
  metrics_.events.add(events.size());
  close_message(first, std::move(answer), metrics_.events_settled);
}

void Intake::add_each(std::size_t count, const std::function<void(std::size_t part, log::Appends& out)>& write, Answer answer) {
  if (failed_) return;
  const auto first = block_.appends.size();
  for (std::size_t part = 0; part < count; ++part) write(part, block_.appends);
  metrics_.events.add(count);
  close_message(first, std::move(answer), metrics_.events_settled);
}

void Intake::close_message(std::size_t first, Answer answer, base::Counter& settled) {
  std::size_t bytes = 0;
  for (std::size_t i = first; i < block_.appends.size(); ++i) bytes += block_.appends.bytes(i);
  block_.waiting.push_back({std::move(answer.sender), answer.ticket, answer.wanted, &settled});
  block_.bytes += bytes;
  in_flight_ += bytes;
  if (block_.bytes < kBlockBytes) return;
  full_blocks_.push_back(std::exchange(block_, {}));
  submit();
}

void Intake::submit() {
  while (!failed_ && at_log_ <= in_flight_max_ / 2) {
    if (!full_blocks_.empty()) {
      auto block = std::move(full_blocks_.front());
      full_blocks_.pop_front();
      hand_over(std::move(block));
    } else if (!block_.waiting.empty()) {
      hand_over(std::exchange(block_, {}));
    } else {
      return;
    }
  }
}

void Intake::hand_over(Block block) {
  at_log_ += block.bytes;
  log::Transaction transaction;
  transaction.writer = log::Writer::kOutside;
  transaction.appends = std::move(block.appends);
  metrics_.transactions.add();
  metrics_.in_flight.set(static_cast<double>(in_flight_));
  base::commit_point("hub.taken_before_stored");
  log_.transact(std::move(transaction), loop_,
                [weak = weak_from_this(), waiting = std::move(block.waiting),
                 bytes = block.bytes](base::Result<log::Committed> result) mutable {
                  if (const auto self = weak.lock()) self->done(std::move(waiting), bytes, result);
                });
}

void Intake::done(std::vector<Waiting> waiting, std::size_t bytes, const base::Result<log::Committed>& result) {
  in_flight_ -= bytes;
  at_log_ -= bytes;
  metrics_.in_flight.set(static_cast<double>(in_flight_));
  if (failed_) return;
  if (!result && (result.error().code == base::Errc::kIo || result.error().code == base::Errc::kCancelled)) {
    // What is on disk is not known (or the log closes): nobody gets an answer, all resend.
    failed_ = true;
    base::logging::error("hub_log_failed", {{"error", result.error().text}});
    if (result.error().code == base::Errc::kIo) fatal_(result.error());
    return;
  }
  base::commit_point("hub.stored_before_settled");
  for (auto& one : waiting) {
    if (!one.answered) continue;
    const auto sender = one.sender.lock();
    if (!sender) {
      metrics_.unanswered.add();
    } else if (result) {
      one.settled->add();
      sender->stored(one.ticket);
    } else {
      metrics_.rejected(base::error_class(result.error().code).name);
      sender->refused(one.ticket, result.error());
    }
  }
}

}  // namespace meterhub::hub
