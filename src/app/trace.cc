#include "trace.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace meterhub::app {
namespace {

constexpr std::size_t kScanBytes = 1024 * 1024;
// Behind telemetry, which knows no meters.
constexpr std::string_view kLater[] = {log::topics::kDecoded,    log::topics::kReadings, log::topics::kStatus,
                                       log::topics::kDeadletter, log::topics::kNoise,    log::topics::kRetry,
                                       log::topics::kJoins};

// Keeps the newest hops of all that come.
class Newest {
 public:
  explicit Newest(std::size_t most) : most_(most) {}
  void add(Hop hop) {
    const std::tuple key(hop.time, hop.log, hop.partition, hop.offset);
    hops_.emplace(key, std::move(hop));
    if (hops_.size() > most_) hops_.erase(hops_.begin());
  }
  std::vector<Hop> take() {
    std::vector<Hop> out;
    out.reserve(hops_.size());
    for (auto& [key, hop] : hops_) out.push_back(std::move(hop));
    return out;
  }
  const auto& hops() const { return hops_; }

 private:
  const std::size_t most_;
  std::map<std::tuple<base::Timestamp, std::string, base::PartitionId, base::Offset>, Hop> hops_;
};

Hop hop_of(std::string_view log, base::PartitionId partition, const log::RecordView& record) {
  return {record.enqueued, std::string(log), partition, record.offset, std::string(record.key), record.properties};
}

bool concerns(const TraceQuery& query, std::string_view log, const log::RecordView& record) {
  const auto& properties = record.properties;
  if (query.meter.value != 0) return properties.meter == query.meter;
  return properties.gateway == query.gateway || (log == log::topics::kTelemetry && record.key == query.gateway);
}

// Logs by meter hold one meter in one partition.
bool may_hold(const TraceQuery& query, std::string_view log, base::PartitionId partition, std::uint32_t partitions) {
  if (query.meter.value == 0 || (log != log::topics::kDecoded && log != log::topics::kReadings)) return true;
  return partition == base::partition_of(base::shard_of(query.meter), partitions);
}

base::Result<void> search(log::Log& log, std::string_view name, const TraceQuery& query, Newest& found) {
  const auto topic = log.topic(name);
  if (!topic) return {};  // never declared here
  const auto partitions = log.partitions(*topic);
  for (std::uint32_t number = 0; number < partitions; ++number) {
    const base::PartitionId partition(number);
    if (!may_hold(query, name, partition, partitions)) continue;
    MH_TRY_VOID(scan(log, {*topic, partition}, query.since, [&](const log::RecordView& record) {
      if (concerns(query, name, record)) found.add(hop_of(name, partition, record));
      return true;
    }));
  }
  return {};
}

// The deliveries that the hops found came in.
base::Result<void> add_origins(log::Log& log, Newest& found) {
  std::set<std::tuple<std::string, base::PartitionId, base::Offset>> origins;
  for (const auto& [key, hop] : found.hops()) {
    const auto& origin = hop.properties.origin;
    if (!origin.log.empty()) origins.emplace(origin.log, origin.partition, origin.offset);
  }
  for (const auto& [name, partition, offset] : origins) {
    const auto topic = log.topic(name);
    if (!topic) continue;
    const auto cursor = MH_TRY(log.open({*topic, partition}, offset));
    const auto batch = cursor->next(1);
    if (!batch || batch->records.empty() || batch->records.front().offset != offset) continue;  // retention took it
    found.add(hop_of(name, partition, batch->records.front()));
  }
  return {};
}

}  // namespace

base::Result<void> scan(log::Log& log, log::TopicPartition partition, base::Timestamp since,
                        const std::function<bool(const log::RecordView&)>& visit) {
  const auto from = MH_TRY(log.offset_for_time(partition, since));
  const auto end = MH_TRY(log.bounds(partition)).next;  // what comes meanwhile is for the next one
  const auto cursor = MH_TRY(log.open(partition, from));
  while (cursor->position() < end) {
    const auto batch = cursor->next(kScanBytes);
    if (!batch && batch.error().code == base::Errc::kNotFound) {
      cursor->seek(cursor->position());
      continue;
    }
    if (!batch) return std::unexpected(batch.error());
    if (batch->records.empty()) return {};
    for (const auto& record : batch->records) {
      if (record.offset >= end || !visit(record)) return {};
    }
  }
  return {};
}

base::Result<std::vector<Hop>> trace(log::Log& log, const TraceQuery& query) {
  Newest found(query.hops_max);
  for (const auto name : kLater) MH_TRY_VOID(search(log, name, query, found));
  if (query.meter.value != 0) {
    MH_TRY_VOID(add_origins(log, found));
  } else {
    MH_TRY_VOID(search(log, log::topics::kTelemetry, query, found));
  }
  return found.take();
}

}  // namespace meterhub::app
