#include <meterhub/history/rollup.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <meterhub/base/logging.h>
#include <meterhub/lake/plan.h>

#include "rollup_hour.h"

namespace meterhub::history {
namespace {

namespace logging = base::logging;

// An hour that some partition does not close is taken as it is: what comes later is late.
constexpr std::chrono::hours kPatience{2};

base::Timestamp begin_of(lake::Hour hour) { return lake::end_of(hour) - std::chrono::hours(1); }

std::uint64_t newest_record(const lake::State::HourFiles& files) {
  std::uint64_t out = 0;
  for (const auto& [shard, file] : files.base) out = std::max(out, file.record);
  for (const auto& file : files.late) out = std::max(out, file.record);
  return out;
}

std::set<base::Shard> shards_of(const lake::State::HourFiles& files) {
  std::set<base::Shard> out;
  for (const auto& [shard, file] : files.base) out.insert(shard);
  for (const auto& file : files.late) out.insert(file.shard);
  return out;
}

}  // namespace

class Rollup::Role {
 public:
  Role(const registry::Directory& directory, tables::Database& database, base::Executor& executor,
       base::Metrics& metrics, RollupOptions options, lake::Manifest manifest, LakeRows rows)
      : directory_(directory),
        database_(database),
        executor_(executor),
        options_(std::move(options)),
        manifest_(std::move(manifest)),
        rows_(std::move(rows)),
        readings_(metrics.counter("meterhub_history_rollup_readings_total", "Readings read to roll up consumption")),
        hours_(metrics.counter("meterhub_history_rollup_hours_total", "Hours rolled up, repeated ones too")),
        failures_(metrics.counter("meterhub_history_rollup_failures_total",
                                  "Attempts to roll up an hour that failed and are made again")),
        too_late_(metrics.counter("meterhub_history_rollup_too_late_total",
                                  "Hours of a shard that changed when they were too old to be rolled up again")) {}
  ~Role() { stop(); }

  base::Result<void> load();
  void begin() { look(); }
  void stop() {
    executor_.cancel(look_timer_);
    executor_.cancel(work_timer_);
    alive_.reset();
    pass_.reset();
  }
  RollupStatus status() const { return {computed_to_, due_.size() + (pass_ ? 1 : 0), problem_}; }

 private:
  void look();
  void scan();
  void scan_hour(lake::Hour hour, const lake::State::HourFiles& files, bool ready);
  bool is_ready(lake::Hour hour, const lake::State::HourFiles& files) const;
  void work_soon(std::chrono::nanoseconds after);
  void work();
  base::Result<bool> piece();
  base::Result<void> commit();
  base::Timestamp computed_to_after(lake::Hour hour) const;
  base::Result<bool> expire();
  void failed(const base::Error& error);

  const registry::Directory& directory_;
  tables::Database& database_;
  base::Executor& executor_;
  const RollupOptions options_;
  lake::Manifest manifest_;
  LakeRows rows_;
  base::Counter& readings_;
  base::Counter& hours_;
  base::Counter& failures_;
  base::Counter& too_late_;

  UnitMarks marks_;
  base::Timestamp cutoff_{}, computed_to_{};
  std::optional<std::uint64_t> scanned_;          // the manifest's newest record that was looked at
  std::map<lake::Hour, std::set<base::Shard>> due_;
  std::set<lake::Hour> again_;                    // to be looked at whatever the manifest says
  std::set<lake::Hour> never_;                    // with units that were never computed
  std::unique_ptr<HourPass> pass_;
  bool expiring_ = false;
  bool working_ = false;
  std::string problem_;
  base::Executor::TimerId look_timer_ = base::Executor::TimerId::kNone;
  base::Executor::TimerId work_timer_ = base::Executor::TimerId::kNone;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // posted tasks of a stopped role do nothing
};

base::Result<void> Rollup::Role::load() {
  return database_.read([&](db::Connection& connection) -> base::Result<void> {
    for (auto& mark : MH_TRY(tables::usage_units(connection))) marks_.put(std::move(mark));
    const auto state = MH_TRY(tables::usage_state(connection));
    cutoff_ = state.cutoff;
    computed_to_ = state.computed_to;
    return {};
  });
}

void Rollup::Role::look() {
  look_timer_ = executor_.after(options_.look_every, [this] { look(); });
  // While an hour is computed the state it is computed from stays.
  if (pass_) return;
  if (const auto refreshed = manifest_.refresh(); !refreshed) return failed(refreshed.error());
  scan();
  if (!working_) work_soon({});
}

bool Rollup::Role::is_ready(lake::Hour hour, const lake::State::HourFiles& files) const {
  if (executor_.clock().now() >= lake::end_of(hour) + kPatience) return true;
  const auto partitions = std::max<std::uint32_t>(1, manifest_.state().partitions);
  return std::ranges::none_of(manifest_.state().fresh, [&](const auto& fresh) {
    return fresh.second.hour == hour && std::ranges::none_of(files.base, [&](const auto& placed) {
             return base::partition_of(placed.first, partitions) == fresh.second.partition;
           });
  });
}

// What the manifest says of hours against what was computed.
void Rollup::Role::scan() {
  const auto& state = manifest_.state();
  const auto again = std::exchange(again_, {});
  for (const auto& [hour, files] : state.hours) {
    if (scanned_ && newest_record(files) <= *scanned_ && !again.contains(hour)) continue;
    scan_hour(hour, files, is_ready(hour, files));
  }
  scanned_ = state.sequence;
}

void Rollup::Role::scan_hour(lake::Hour hour, const lake::State::HourFiles& files, bool ready) {
  const auto now = executor_.clock().now();
  for (const auto shard : shards_of(files)) {
    const auto* const mark = marks_.find(hour, shard);
    const bool changed = mark == nullptr || mark->files != files_text(manifest_.state(), hour, shard);
    if (!changed && !mark->marked) continue;
    if (mark == nullptr) never_.insert(hour);
    const bool waits = mark == nullptr ? !ready : !mark->marked && now < mark->computed + options_.late_pause;
    if (waits) {
      again_.insert(hour);
    } else {
      due_[hour].insert(shard);
    }
  }
}

void Rollup::Role::work_soon(std::chrono::nanoseconds after) {
  working_ = true;
  if (after >= std::chrono::milliseconds(1)) {
    work_timer_ = executor_.after(after, [this] { work(); });
    return;
  }
  executor_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) work();
  });
}

void Rollup::Role::work() {
  const auto begun = executor_.clock().monotonic();
  const auto read_before = rows_.rows_read();
  const auto more = piece();
  readings_.add(rows_.rows_read() - read_before);
  working_ = false;
  if (!more) failed(more.error());
  if (more && !*more) return;
  const auto took = executor_.clock().monotonic() - begun;
  work_soon(std::chrono::duration_cast<std::chrono::nanoseconds>(took * ((1 - options_.share) / options_.share)));
}

// One range, one commit, or one portion of what is thrown away. False: there is nothing to do.
base::Result<bool> Rollup::Role::piece() {
  if (!pass_) {
    if (MH_TRY(expire())) return true;
    if (due_.empty()) return false;
    const auto [hour, shards] = *due_.begin();
    due_.erase(due_.begin());
    pass_ = std::make_unique<HourPass>(
        HourWorld{database_, rows_, manifest_.state(), marks_, options_.rows_at_once, cutoff_}, directory_, hour,
        std::vector(shards.begin(), shards.end()));
  }
  auto stepped = pass_->step();
  if (!stepped) {
    again_.insert(pass_->hour());  // as the manifest of the next look has it
    return std::unexpected(std::move(stepped).error());
  }
  if (*stepped) return true;
  MH_TRY_VOID(commit());
  return true;
}

// Until when all is in, with this hour.
base::Timestamp Rollup::Role::computed_to_after(lake::Hour hour) const {
  auto out = std::max(computed_to_, lake::end_of(hour));
  for (const auto other : never_) {
    if (other != hour || again_.contains(hour)) return std::min(out, begin_of(other));
  }
  return out;
}

base::Result<void> Rollup::Role::commit() {
  const auto pass = std::exchange(pass_, nullptr);
  const auto hour = pass->hour();
  const auto to = computed_to_after(hour);
  auto outcome = pass->commit(executor_.clock().now(), to);
  if (!outcome) {
    again_.insert(hour);
    return std::unexpected(std::move(outcome).error());
  }
  for (auto& unit : outcome->units) marks_.put(std::move(unit));
  for (const auto& key : outcome->concerned) {
    const lake::Hour at(key.hour);
    const base::Shard shard(key.shard);
    marks_.find(at, shard)->marked = true;
    due_[at].insert(shard);
  }
  if (!again_.contains(hour)) {
    never_.erase(hour);
    problem_.clear();
  }
  computed_to_ = to;
  hours_.add();
  too_late_.add(outcome->too_late);
  return {};
}

// True: there may be more to throw away.
base::Result<bool> Rollup::Role::expire() {
  const base::Timestamp cutoff = std::chrono::floor<std::chrono::days>(executor_.clock().now() - options_.keep);
  if (cutoff <= cutoff_ && !expiring_) return false;
  expiring_ = true;
  std::int64_t removed = 0;
  const auto remove = [&](db::Connection& connection) -> base::Result<void> {
    removed = MH_TRY(tables::expire_usage(connection, cutoff));
    return {};
  };
  MH_TRY_VOID(database_.transact(remove));
  cutoff_ = std::max(cutoff_, cutoff);
  expiring_ = removed > 0;
  // What lost its contribution cannot change any more.
  if (!expiring_) marks_.freeze(cutoff_);
  return true;
}

void Rollup::Role::failed(const base::Error& error) {
  problem_ = error.text;
  failures_.add();
  logging::warn("rollup_failed", {{"class", base::error_class(error.code).name}, {"reason", error.text}});
}

Rollup::Rollup(std::unique_ptr<Role> role) : role_(std::move(role)) {}
Rollup::~Rollup() = default;

base::Result<std::unique_ptr<Rollup>> Rollup::start(base::Disk& disk, const registry::Directory& directory,
                                                    tables::Database& database, base::Executor& executor,
                                                    base::Metrics& metrics, RollupOptions options) {
  auto manifest = MH_TRY(lake::Manifest::open(disk, options.lake));
  auto rows = MH_TRY(LakeRows::open(disk, options.lake, options.memory_limit));
  auto role = std::make_unique<Role>(directory, database, executor, metrics, std::move(options), std::move(manifest),
                                     std::move(rows));
  MH_TRY_VOID(role->load());
  role->begin();
  return std::unique_ptr<Rollup>(new Rollup(std::move(role)));
}

void Rollup::stop(base::Task stopped) {
  role_->stop();
  stopped();
}
RollupStatus Rollup::status() const { return role_->status(); }

}  // namespace meterhub::history
