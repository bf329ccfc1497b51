#include "housekeeping.h"

#include <meterhub/base/logging.h>

namespace meterhub::app {
namespace {

template <class T>
void tell(const base::Result<T>& outcome) {
  if (!outcome) base::logging::warn("housekeeping_failed", {{"error", outcome.error().text}});
}

}  // namespace

Housekeeping::Housekeeping(registry::Store& store, tables::Database& database, base::Executor& executor, base::Metrics& metrics,
                           const HousekeepingOptions& options)
    : store_(store),
      database_(database),
      executor_(executor),
      options_(options),
      rows_(metrics.counter("meterhub_app_rows_expired_total", "Rows of database tables past their retention.")),
      sessions_(metrics.counter("meterhub_app_sessions_purged_total", "Replaced sessions whose keys were thrown away.")) {
  expire_rows();
  tidy_registry();
}

Housekeeping::~Housekeeping() {
  executor_.cancel(rows_timer_);
  executor_.cancel(registry_timer_);
}

void Housekeeping::stop(base::Task done) {
  executor_.cancel(rows_timer_);
  executor_.cancel(registry_timer_);
  done();
}

void Housekeeping::expire_rows() {
  const auto removed = database_.expire(options_.rows_at_once);
  tell(removed);
  rows_.add(static_cast<std::uint64_t>(removed.value_or(0)));
  rows_timer_ = executor_.after(options_.rows_every, [this] { expire_rows(); });
}

void Housekeeping::tidy_registry() {
  const auto now = executor_.clock().now();
  const auto purged = store_.purge_sessions(now - options_.sessions_kept);
  tell(purged);
  sessions_.add(static_cast<std::uint64_t>(purged.value_or(0)));
  tell(store_.prune_changes(now - options_.changes_kept));
  registry_timer_ = executor_.after(options_.registry_every, [this] { tidy_registry(); });
}

}  // namespace meterhub::app
