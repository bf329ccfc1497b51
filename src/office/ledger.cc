#include "ledger.h"

#include <atomic>

#include <meterhub/base/logging.h>
#include <meterhub/tables/episodes.h>
#include <meterhub/tables/positions.h>

namespace meterhub::office {
namespace {

constexpr std::chrono::seconds kAgain{1};

}  // namespace

// What the writer's thread reads; outlives the ledger while a task of it is under way.
struct Ledger::Shared {
  Shared(tables::Database& d, WithChanges w) : database(d), with_changes(std::move(w)) {}

  tables::Database& database;
  WithChanges with_changes;
  Effects effects;
  std::atomic<bool> failed = false;

  base::Result<void> write();
};

base::Result<void> Ledger::Shared::write() {
  return database.transact([this](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(tables::write_episodes(connection, effects.changes));
    if (with_changes) MH_TRY_VOID(with_changes(connection, effects.changes));
    for (const auto& work : effects.also) MH_TRY_VOID(work(connection));
    for (std::uint32_t number = 0; number < effects.positions.size(); ++number) {
      const tables::Position of{kReader, log::topics::kReadings, base::PartitionId(number)};
      MH_TRY_VOID(tables::set_position(connection, of, effects.positions[number]));
    }
    return {};
  });
}

Ledger::Ledger(tables::Database& database, base::Executor& loop, base::Executor& writer, base::Metrics& metrics,
               WithChanges with_changes)
    : loop_(loop),
      writer_(writer),
      failures_(metrics.counter("meterhub_office_write_errors_total", "Transactions of the office that failed.")),
      shared_(std::make_shared<Shared>(database, std::move(with_changes))),
      self_(std::make_shared<Ledger*>(this)) {}

Ledger::~Ledger() { loop_.cancel(again_); }

void Ledger::write(Effects effects, std::move_only_function<void(const alarm::Changes&)> committed) {
  busy_ = true;
  shared_->effects = std::move(effects);
  committed_ = std::move(committed);
  try_write();
}

void Ledger::try_write() {
  writer_.post([shared = shared_, &loop = loop_, weak = std::weak_ptr(self_)] {
    auto result = shared->write();
    shared->failed = !result.has_value();
    loop.post([weak, result = std::move(result)]() mutable {
      if (const auto self = weak.lock()) (*self)->written(std::move(result));
    });
  });
}

void Ledger::written(base::Result<void> result) {
  failing_ = !result.has_value();
  if (failing_) {
    failures_.add();
    base::logging::warn("office_not_written", {{"error", result.error().text}, {"again_s", kAgain.count()}});
    again_ = loop_.after(kAgain, [this] { try_write(); });
    return;
  }
  busy_ = false;
  const auto effects = std::exchange(shared_->effects, {});
  if (auto committed = std::exchange(committed_, {})) committed(effects.changes);
}

void Ledger::write_rows(Work work, Done done) {
  writer_.post([shared = shared_, &loop = loop_, weak = std::weak_ptr(self_), work = std::move(work), done = std::move(done)]() mutable {
    const auto result = shared->database.transact(work);
    loop.post([weak, error = result ? std::string() : result.error().text, done = std::move(done)]() mutable {
      const auto self = weak.lock();
      if (!self) return;
      if (!error.empty()) {
        (*self)->failures_.add();
        base::logging::warn("office_rows_not_written", {{"error", error}});
      }
      done(error.empty());
    });
  });
}

void Ledger::after_effects(std::move_only_function<base::Result<void>()> work, base::Task done) {
  writer_.post([shared = shared_, &loop = loop_, weak = std::weak_ptr(self_), work = std::move(work), done = std::move(done)]() mutable {
    const auto result = shared->failed ? base::Result<void>() : work();
    if (!result) base::logging::warn("fleet_snapshot_not_written", {{"error", result.error().text}});
    loop.post([weak, done = std::move(done)]() mutable {
      if (weak.lock()) done();
    });
  });
}

}  // namespace meterhub::office
