#include "logs.h"

#include <algorithm>

#include <meterhub/hub/hub.h>
#include <meterhub/log/embedded.h>
#include <meterhub/log/memory.h>

#include "event_hubs.h"

namespace meterhub::app {
namespace {

// Shares of the quota, in percent (design part 4, log).
constexpr std::uint64_t kLargeShare = 30;
constexpr std::uint64_t kSmallShare = 5;
constexpr double kUsableShare = 0.9;  // of what a disk has, when no quota is set

base::Result<std::uint64_t> quota_of(const base::Settings& settings, const base::Disk& disk, const DataPaths& paths) {
  if (const auto set = settings.bytes("log.quota"); set != 0) return set;
  const auto space = MH_TRY(disk.space(paths.root));
  return static_cast<std::uint64_t>(kUsableShare * static_cast<double>(space.available));
}

std::chrono::seconds seconds(const base::Settings& settings, std::string_view name) {
  return std::chrono::duration_cast<std::chrono::seconds>(settings.duration(name));
}

std::vector<log::TopicSpec> specs(const base::Settings& settings, std::uint64_t quota) {
  const auto many = static_cast<std::uint32_t>(settings.integer("log.partitions"));
  const auto large = quota / 100 * kLargeShare;
  const auto small = quota / 100 * kSmallShare;
  const auto letters = seconds(settings, "log.deadletter_retention");
  const auto telemetry = seconds(settings, "log.telemetry_retention");
  const auto text = [](std::string_view name) { return std::string(name); };
  namespace topics = log::topics;
  namespace groups = log::groups;
  // A connector that is not ours says nothing of how far it has read.
  std::vector<std::string> readers_of_telemetry;
  if (settings.flag("connector.enabled")) readers_of_telemetry.push_back(text(groups::kConnector));
  std::vector<log::TopicSpec> out{
      {text(topics::kTelemetry), many, telemetry, large, readers_of_telemetry},
      {text(topics::kDecoded), many, std::chrono::hours(1), 0, {text(groups::kDeduplication)}},
      {text(topics::kReadings), many, seconds(settings, "log.readings_retention"), large, {text(groups::kArchive), text(groups::kDeduplication)}},
      {text(topics::kStatus), many, telemetry, small, {}},
      {text(topics::kJoins), 1, telemetry, small, {text(groups::kJoins)}},
      {text(topics::kRetry), 1, telemetry, small, {text(groups::kConnector)}},
      {text(topics::kDeadletter), many, letters, small, {}},
      {text(topics::kNoise), many, letters, small, {}},
      // A little longer than the longest message waits.
      {text(hub::kDeviceboundLog), 1, hub::kDeviceboundExpiryMax + std::chrono::hours(1), small, {text(hub::kDeviceboundGroup)}},
  };
  std::ranges::move(event_hub_logs(settings, quota), std::back_inserter(out));
  return out;
}

// Offsets of a log that is gone with the process would mean other records after a restart.
base::Result<void> check_memory_engine(const base::Disk& disk, const DataPaths& paths) {
  if (!MH_TRY(disk.exists(base::join_path(paths.lake(), "_manifest")))) return {};
  return base::fail(base::Errc::kPrecondition,
                    paths.root + " holds a lake; log.engine = \"memory\" needs a new directory");
}

base::Result<std::unique_ptr<log::Log>> open_engine(const base::Settings& settings, const DataPaths& paths,
                                                    const base::Disk& disk, const base::Clock& clock,
                                                    base::Executor& writer, base::Metrics& metrics,
                                                    std::function<void(base::Error)> failed) {
  if (settings.text("log.engine") == "memory") {
    MH_TRY_VOID(check_memory_engine(disk, paths));
    return std::make_unique<log::MemoryLog>(clock, log::MemoryOptions{settings.bytes("log.quota")});
  }
  log::EmbeddedOptions options;
  options.directory = paths.store();
  options.quota_bytes = settings.bytes("log.quota");
  options.segment_bytes = settings.bytes("log.segment");
  options.group_window = settings.duration("log.group_window");
  options.on_failure = std::move(failed);
  return MH_TRY(log::EmbeddedLog::open(std::move(options), clock, writer, metrics));
}

// When a record was appended; the newest one's time, when retention took it meanwhile.
base::Result<base::Timestamp> enqueued_at(log::Log& log, log::TopicPartition partition, base::Offset offset) {
  const auto cursor = MH_TRY(log.open(partition, offset));
  const auto batch = cursor->next(1);
  if (!batch || batch->records.empty()) return MH_TRY(log.bounds(partition)).last_enqueued;
  return batch->records.front().enqueued;
}

}  // namespace

base::Result<std::unique_ptr<log::Log>> open_logs(const base::Settings& settings, const DataPaths& paths,
                                                  const base::Clock& clock, base::Executor& writer,
                                                  base::Metrics& metrics, std::function<void(base::Error)> failed) {
  const base::PosixDisk disk;
  const auto quota = MH_TRY(quota_of(settings, disk, paths));
  auto log = MH_TRY(open_engine(settings, paths, disk, clock, writer, metrics, std::move(failed)));
  for (const auto& spec : specs(settings, quota)) {
    if (const auto declared = log->declare(spec); !declared) {
      return base::fail(declared.error().code, "log " + spec.name + ": " + declared.error().text);
    }
  }
  return log;
}

base::Result<void> checkpoint_logs(const log::Log& log, const std::string& directory) {
  const auto* embedded = dynamic_cast<const log::EmbeddedLog*>(&log);
  if (embedded != nullptr) return embedded->checkpoint(directory);
  return base::fail(base::Errc::kNotImplemented, "this engine of the logs (log.engine) keeps nothing on disk that could be backed up");
}

base::Result<Backlog> backlog(log::Log& log, std::string_view group, std::string_view topic, base::Timestamp now,
                              const Positions& positions) {
  Backlog out;
  const auto id = MH_TRY(log.topic(topic));
  for (std::uint32_t number = 0; number < log.partitions(id); ++number) {
    const log::TopicPartition partition{id, base::PartitionId(number)};
    const auto bounds = MH_TRY(log.bounds(partition));
    const auto at = positions.find(partition);
    const auto done = at != positions.end() ? at->second : MH_TRY(log.committed(group, partition)).value_or(bounds.first);
    if (done >= bounds.next) continue;
    out.records += bounds.next.value - done.value;
    out.age = std::max(out.age, now - MH_TRY(enqueued_at(log, partition, std::max(done, bounds.first))));
  }
  return out;
}

TelemetryReader telemetry_reader(const base::Settings& settings) {
  return settings.flag("connector.enabled") ? TelemetryReader::kConnector : TelemetryReader::kOutside;
}

std::optional<base::Timestamp> complete_until(log::Log& log, TelemetryReader reader) {
  // The time comes first: what the hub takes while this looks is later. What it has taken and the disk has not is
  // earlier than now, and no stage knows of it.
  const auto now = log.complete_until();
  const auto empty = [&](std::string_view group, std::string_view topic) {
    const auto behind = backlog(log, group, topic, now);
    return behind && behind->records == 0;
  };
  const bool read = reader == TelemetryReader::kOutside || empty(log::groups::kConnector, log::topics::kTelemetry);
  const bool complete = read && empty(log::groups::kDeduplication, log::topics::kDecoded);
  return complete ? std::optional(now) : std::nullopt;
}

base::Timestamp caught_up_to(log::Log& log, TelemetryReader reader) {
  // The time comes first, as above.
  const auto now = log.complete_until();
  base::Duration age{};
  const std::pair<std::string_view, std::string_view> stages[] = {{log::groups::kConnector, log::topics::kTelemetry},
                                                                  {log::groups::kDeduplication, log::topics::kDecoded}};
  for (const auto& [group, topic] : stages) {
    if (topic == log::topics::kTelemetry && reader == TelemetryReader::kOutside) continue;
    const auto behind = backlog(log, group, topic, now);
    if (behind) age = std::max(age, std::chrono::duration_cast<base::Duration>(behind->age));
  }
  return now - age;
}

}  // namespace meterhub::app
