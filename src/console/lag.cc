#include "lag.h"

#include <algorithm>

namespace meterhub::console {
namespace {

std::chrono::microseconds age_of(log::Log& log, log::TopicPartition partition, base::Offset offset, base::Timestamp now) {
  const auto cursor = log.open(partition, offset);
  if (!cursor) return {};
  const auto batch = (*cursor)->next(1);
  if (!batch || batch->records.empty()) return {};
  return std::max(now - batch->records.front().enqueued, base::Duration::zero());
}

using Positions = std::map<log::TopicPartition, base::Offset>;

void add_partition(log::Log& log, const std::string& group, const Positions& positions, log::TopicPartition partition,
                   base::Timestamp now, StageLag& out) {
  const auto bounds = log.bounds(partition);
  const auto committed = log.committed(group, partition);
  if (!bounds || !committed) return;
  const auto at = positions.find(partition);
  const auto next = std::max(at != positions.end() ? at->second : committed->value_or(bounds->first), bounds->first);
  if (next >= bounds->next) return;
  out.records += bounds->next.value - next.value;
  out.oldest = std::max(out.oldest, age_of(log, partition, next, now));
}

}  // namespace

std::vector<StageLag> measure_lag(log::Log& log, const std::vector<Stage>& stages, base::Timestamp now) {
  std::vector<StageLag> out;
  for (const auto& stage : stages) {
    auto& lag = out.emplace_back();
    lag.name = stage.name;
    const auto positions = stage.positions ? stage.positions() : Positions();
    for (const auto& name : stage.logs) {
      const auto topic = log.topic(name);
      if (!topic) continue;
      for (std::uint32_t p = 0; p < log.partitions(*topic); ++p) {
        add_partition(log, stage.group, positions, {*topic, base::PartitionId(p)}, now, lag);
      }
    }
  }
  return out;
}

std::vector<Stage> platform_stages() {
  const auto text = [](std::string_view name) { return std::string(name); };
  namespace topics = log::topics;
  namespace groups = log::groups;
  return {{"connector", text(groups::kConnector), {text(topics::kTelemetry), text(topics::kRetry)}},
          {"deduplication", text(groups::kDeduplication), {text(topics::kDecoded)}},
          {"archive", text(groups::kArchive), {text(topics::kReadings)}}};
}

}  // namespace meterhub::console
