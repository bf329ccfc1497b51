// The role `history`: the archive. Reads log `readings` as group `archive`, writes the
// lake, closes hours. Each reading is in the lake exactly once: the manifest says up to
// which offset it has what, and a restart goes on there.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/lake/manifest.h>
#include <meterhub/log/log.h>

namespace meterhub::history {

struct Options {
  std::string directory;                     // the lake's
  // Rows become readable after this long, or this many of one partition, whichever is first.
  std::chrono::milliseconds flush_after{10'000};
  std::size_t flush_rows = 50'000;
  // How often hours are looked at, and how often rows that came after closing are placed.
  std::chrono::seconds tidy_every{10};
  std::chrono::seconds late_every{600};
  // Late files are folded into their objects once a day at this time (UTC).
  std::chrono::seconds fold_at{std::chrono::hours(19)};
  std::uint64_t memory_limit = 512ull << 20;  // bytes, of DuckDB
};

// For the status page.
struct Status {
  std::uint64_t rows = 0;           // archived since start
  std::uint64_t waiting = 0;        // read and not yet durable in the lake
  std::uint32_t partitions = 0;     // owned now
  base::Timestamp archived_to{};    // enqueue time that every owned partition has reached
  std::string problem;              // of the last write; empty = fine
};

// Everything happens on `executor`, construction and destruction too. DuckDB work blocks
// it: a flush some tens of milliseconds, one shard of a closing hour up to seconds at
// full rate, so it should be a thread of its own.
class History {
 public:
  // Declares nothing: log `readings` must exist (kNotFound). `disk` is where DuckDB writes
  // too, so a POSIX disk or one that passes on to it.
  static base::Result<std::unique_ptr<History>> start(log::Log& log, base::Executor& executor, base::Disk& disk,
                                                      base::Metrics& metrics, Options options);
  ~History();

  // Writes and commits what was read, gives the partitions back, then calls `stopped`.
  void stop(base::Task stopped);
  // Flushes, then closes every hour of the owned partitions, open ones too. `done` runs
  // with the first error or, when all is written, without one.
  void compact(std::move_only_function<void(base::Result<void>)> done);
  Status status() const;

  // For a backup: from now until release_files() no file of the returned state is replaced or
  // removed. New readings go on being added; hours are closed afterwards.
  lake::State hold_files();
  void release_files();

 private:
  class Role;
  explicit History(std::unique_ptr<Role> role);
  std::unique_ptr<Role> role_;
};

}  // namespace meterhub::history
