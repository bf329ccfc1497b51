// Every hop of a meter's or gateway's packets, found by reading the logs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/log/log.h>

namespace meterhub::app {

// Exactly one of meter and gateway is set.
struct TraceQuery {
  base::MeterNumber meter;     // 0 = not asked for
  std::string gateway;
  base::Timestamp since{};
  std::size_t hops_max = 1000;  // the newest ones
};

// A record that a packet left in a log.
struct Hop {
  base::Timestamp time{};  // enqueued
  std::string log;
  base::PartitionId partition;
  base::Offset offset;
  std::string key;
  log::Properties properties;
};

// In order of time. Blocks; costs a read of everything since then in the logs that may hold it.
base::Result<std::vector<Hop>> trace(log::Log& log, const TraceQuery& query);

// Reads a partition from a time on, record by record, until `visit` returns false.
base::Result<void> scan(log::Log& log, log::TopicPartition partition, base::Timestamp since,
                        const std::function<bool(const log::RecordView&)>& visit);

}  // namespace meterhub::app
