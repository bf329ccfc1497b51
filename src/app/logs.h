// The platform's logs: which engine, how many partitions, how long each is kept.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include <meterhub/base/clock.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/settings.h>
#include <meterhub/log/log.h>

#include "data_directory.h"

namespace meterhub::app {

// Opens the engine that log.engine names and declares the platform's logs. `failed` is called
// once, on any thread, when nothing can be settled any more. All that is passed outlives the log.
base::Result<std::unique_ptr<log::Log>> open_logs(const base::Settings& settings, const DataPaths& paths,
                                                  const base::Clock& clock, base::Executor& writer,
                                                  base::Metrics& metrics, std::function<void(base::Error)> failed);

// The logs as they are at one moment, as a store of their own in `directory`, which must not exist
// yet. kNotImplemented by an engine that keeps nothing on disk.
base::Result<void> checkpoint_logs(const log::Log& log, const std::string& directory);

// How far a group is behind on one log, over all partitions.
struct Backlog {
  std::uint64_t records = 0;
  // Age of the oldest record that the group has still to do; zero when it has done all.
  base::Duration age{0};
};
using Positions = std::map<log::TopicPartition, base::Offset>;
// `positions`: where the group reads, of one that commits less often; other partitions count from what is committed.
base::Result<Backlog> backlog(log::Log& log, std::string_view group, std::string_view topic, base::Timestamp now,
                              const Positions& positions = {});

// Who reads `telemetry`: our connector, or one outside (connector.enabled = false), of which is not known how far it is.
enum class TelemetryReader : std::uint8_t { kConnector, kOutside };
TelemetryReader telemetry_reader(const base::Settings& settings);

// A time up to which everything that the hub took has come to `readings`; nothing while a stage
// before still has something to read. Any thread.
std::optional<base::Timestamp> complete_until(log::Log& log, TelemetryReader reader = TelemetryReader::kConnector);
// Up to when all that the hub took is in log `readings`, also while packets are on their way: the time of the oldest
// one, or now.
base::Timestamp caught_up_to(log::Log& log, TelemetryReader reader = TelemetryReader::kConnector);

}  // namespace meterhub::app
