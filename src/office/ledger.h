// What the office writes into the database: one transaction after another, each repeated until it succeeds.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/alarm/episode.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/log/log.h>
#include <meterhub/tables/database.h>

namespace meterhub::office {

using Work = std::function<base::Result<void>(db::Connection&)>;

// Effects of readings up to `positions` (of log `readings`, by partition).
struct Effects {
  alarm::Changes changes;
  std::vector<base::Offset> positions;
  std::vector<Work> also{};  // other rows of the same transaction; may run again after a failure
};

// Inside the transaction: messages that the changes cause.
using WithChanges = std::function<base::Result<void>(db::Connection&, const alarm::Changes&)>;

// Lives on `loop`; the work is done on `writer`, a thread that can wait.
class Ledger {
 public:
  Ledger(tables::Database& database, base::Executor& loop, base::Executor& writer, base::Metrics& metrics, WithChanges with_changes);
  ~Ledger();

  // One at a time: not while busy(). `committed` runs on the loop when all of it is on disk.
  void write(Effects effects, std::move_only_function<void(const alarm::Changes&)> committed);
  bool busy() const { return busy_; }
  // The last try failed: what comes meanwhile should wait where it is.
  bool failing() const { return failing_; }

  // Other rows, in a transaction of their own: a failure is counted and told to `done`, not repeated.
  using Work = office::Work;
  using Done = std::move_only_function<void(bool written)>;
  void write_rows(Work work, Done done);
  // A file, after all that was given to write() before it, and not if that failed: `work` on the writer's thread.
  void after_effects(std::move_only_function<base::Result<void>()> work, base::Task done);

 private:
  struct Shared;
  void try_write();
  void written(base::Result<void> result);

  base::Executor& loop_;
  base::Executor& writer_;
  base::Counter& failures_;
  std::shared_ptr<Shared> shared_;
  std::move_only_function<void(const alarm::Changes&)> committed_;
  bool busy_ = false;
  bool failing_ = false;
  base::Executor::TimerId again_{};
  std::shared_ptr<Ledger*> self_;
};

// "office", and the log whose positions it keeps.
inline constexpr std::string_view kReader = "office";

}  // namespace meterhub::office
