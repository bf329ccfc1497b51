// Writes the lake: fresh files, closed hours, late files. Each step commits by one
// manifest record; a crash between any two leaves every reading there exactly once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/lake/manifest.h>
#include <meterhub/lake/plan.h>
#include <meterhub/lake/reading.h>

namespace meterhub::lake {

struct WriterOptions {
  std::string directory;                       // the lake's; made when there is none
  std::uint64_t memory_limit = 512ull << 20;   // bytes, of the DuckDB instance
  unsigned threads = 1;
};

// One thread.
class Writer {
 public:
  static base::Result<std::unique_ptr<Writer>> open(base::Disk& disk, WriterOptions options);
  ~Writer();

  const State& state() const;
  // Takes in what others committed and shuts out the owners before, puts committed files in
  // their place and removes what older owners of these shards left behind. Call when a partition is assigned; the
  // shards' `next` then says where to go on.
  base::Result<void> take_over(const Owner& owner);

  // Adds the log's readings of [from, to). `rows` may hold offsets the lake already has:
  // they are left out. Durable when it succeeds. kFenced: somebody newer owns the shards.
  base::Result<void> append(const Owner& owner, base::Offset from, base::Offset to, std::span<const Reading> rows);

  // Starts tidying an hour (plan.h); step() until it is false. Each step writes one
  // shard's file, the last one commits. One at a time; append() may come between.
  base::Result<void> begin(const Owner& owner, Hour hour, bool fold);
  base::Result<bool> step();
  bool busy() const;
  // Forgets an unfinished hour; its files are removed.
  void abandon();

  // Removes files whose drop was committed before `keep` sweeps ago, so that queries
  // that are reading them can end. Call about every 30 s.
  base::Result<void> sweep();

 private:
  struct State_;
  explicit Writer(std::unique_ptr<State_> state);
  std::unique_ptr<State_> state_;
};

// Closes every hour with fresh rows, open ones too, and folds late files in, for all
// shards. Nobody else may be writing this lake. Returns the number of objects written.
base::Result<std::uint64_t> compact(base::Disk& disk, const WriterOptions& options);

}  // namespace meterhub::lake
