// Roll-ups of consumption, beside the archive in the role `history`: closed hours of the lake -> sums of gas used and
// peak flows of tenants, districts and pressure zones in database.sqlite (docs/usage.md).
//
// It follows the lake's manifest. An hour is rolled up when all partitions have closed it, again when late readings
// have joined it, and so are the few hours that follow from it. Each hour is one transaction; a restart goes on with
// the next.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/database.h>

namespace meterhub::history {

struct RollupOptions {
  std::string lake;  // its directory
  // How often the manifest is looked at.
  std::chrono::seconds look_every{60};
  // An hour that changed is not rolled up again sooner: late readings come in many small portions.
  std::chrono::seconds late_pause{3'600};
  // How long five minutes, and what can change an hour, are kept.
  std::chrono::days keep{62};
  // Of one core, at most, where there is much to do.
  double share = 0.25;
  std::uint64_t memory_limit = 256ull << 20;  // bytes, of DuckDB
  std::uint64_t rows_at_once = 250'000;       // that are in memory, of an hour; three times as many are read
};

struct RollupStatus {
  base::Timestamp computed_to{};  // every hour that ended up to then is in
  std::uint64_t waiting = 0;      // hours to be rolled up
  std::string problem;            // of the last attempt; empty: fine
};

// Everything happens on `executor`, construction and destruction too; DuckDB and the database block it for some tenths
// of a second at a time, so it should be a thread of its own. All it is given outlives it.
class Rollup {
 public:
  // The lake is made when there is none.
  static base::Result<std::unique_ptr<Rollup>> start(base::Disk& disk, const registry::Directory& directory,
                                                     tables::Database& database, base::Executor& executor,
                                                     base::Metrics& metrics, RollupOptions options);
  ~Rollup();

  // Leaves what is half done; the next start does it again.
  void stop(base::Task stopped);
  RollupStatus status() const;

 private:
  class Role;
  explicit Rollup(std::unique_ptr<Role> role);
  std::unique_ptr<Role> role_;
};

}  // namespace meterhub::history
