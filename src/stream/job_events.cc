#include "job_events.h"

#include <meterhub/log/replay.h>

namespace meterhub::stream {
namespace {

constexpr std::size_t kDroppedTextMax = 500;

}  // namespace

engine::Event event_of(const JobSpec& spec, const log::RecordView& record, base::PartitionId partition) {
  engine::Event event;
  event.body = record.body;
  // The hub's time, from origin: the same whenever the reading came through (stream-sql 5.1).
  event.arrival = record.properties.origin.log.empty() ? record.enqueued : record.properties.origin.enqueued;
  event.partition = partition;
  event.offset = record.offset;
  event.device = record.properties.gateway;
  event.tenant = record.properties.tenant.value;
  event.late = record.properties.late;
  const bool foreign = spec.tenant.value != 0 && record.properties.tenant != spec.tenant;
  event.stale = record.properties.stale || foreign || log::is_replay(record.properties);
  return event;
}

bool is_letter(engine::DropReason reason) {
  return reason != engine::DropReason::kEarly && reason != engine::DropReason::kLate && reason != engine::DropReason::kOutOfOrder;
}

log::NewRecord letter_of(const std::string& job, const log::RecordView& record, engine::DropReason reason) {
  log::NewRecord letter;
  letter.key = record.key;
  letter.properties = record.properties;
  letter.properties.reason = "job." + job + "." + std::string(engine::drop_reason_name(reason));
  letter.body = record.body;
  return letter;
}

std::string dropped_text(const engine::Dropped& dropped) {
  return std::string(engine::drop_reason_name(dropped.reason)) + " at " + std::to_string(dropped.partition.value) + "/" +
         std::to_string(dropped.offset.value) + ": " + std::string(dropped.text.substr(0, kDroppedTextMax));
}

}  // namespace meterhub::stream
