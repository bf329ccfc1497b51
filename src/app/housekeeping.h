// Throws away what has had its time, a little at a time: rows of database tables past their retention, notes of
// changes that every follower has read, keys of sessions that no packet can need any more.
#pragma once

#include <chrono>
#include <cstdint>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/registry/store.h>
#include <meterhub/tables/database.h>

namespace meterhub::app {

struct HousekeepingOptions {
  std::chrono::seconds rows_every{1};
  std::size_t rows_at_once = 2'000;        // of each table; more a second than alerts come
  std::chrono::seconds registry_every{3'600};
  std::chrono::seconds changes_kept = std::chrono::days(7);
  std::chrono::seconds sessions_kept = std::chrono::days(60);  // after they were replaced
};

// On the executor's thread, which is the store's.
class Housekeeping {
 public:
  // All outlive it.
  Housekeeping(registry::Store& store, tables::Database& database, base::Executor& executor, base::Metrics& metrics,
               const HousekeepingOptions& options);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;
  void stop(base::Task done);

 private:
  void expire_rows();
  void tidy_registry();

  registry::Store& store_;
  tables::Database& database_;
  base::Executor& executor_;
  const HousekeepingOptions options_;
  base::Counter& rows_;
  base::Counter& sessions_;
  base::Executor::TimerId rows_timer_ = base::Executor::TimerId::kNone;
  base::Executor::TimerId registry_timer_ = base::Executor::TimerId::kNone;
};

}  // namespace meterhub::app
