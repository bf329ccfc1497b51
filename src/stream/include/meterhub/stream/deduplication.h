// The deduplication stage: reads `decoded`, gives each reading out once to `readings`,
// writes later copies and heartbeats to `status`, and conflicts to `deadletter`.
// Design part 4, stream; spec/lorawan-ns.md section 6.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

namespace meterhub::stream {

struct DeduplicationOptions {
  // One shard's snapshot is written this often, in turn; a restart replays what is newer.
  std::chrono::milliseconds snapshot_pause{10'000};
  // How many meters' expired blocks are looked for with each snapshot.
  std::uint32_t sweep_meters = 2'000;
  std::size_t batch_bytes = 256 * 1024;
  // A partition rests this long after a batch that was not full: fewer commits, here and of all who read `readings`.
  std::chrono::milliseconds linger{0};
};

// Told when a meter's high counter word changed, about every 22 days a meter: goes into
// the session feed (spec 2.1).
using HighWordChanged = std::function<void(base::MeterNumber, base::SessionNumber, std::uint16_t high_word)>;

// Executor's thread, but for create(). Several instances may share a log's partitions.
class Deduplication {
 public:
  // kPrecondition when `decoded` and `readings` have different numbers of partitions: a
  // reading stays in the partition that its copies came through.
  static base::Result<std::unique_ptr<Deduplication>> create(log::Log& log, const registry::Directory& directory,
                                                             base::Executor& executor, base::Metrics& metrics,
                                                             DeduplicationOptions options, HighWordChanged high_word,
                                                             std::function<void(base::Error)> fatal);
  virtual ~Deduplication() = default;
  virtual void drain(base::Task done) = 0;
};

}  // namespace meterhub::stream
