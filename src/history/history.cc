#include <meterhub/history/history.h>

#include <algorithm>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

#include "role.h"

namespace meterhub::history {
namespace {

using namespace std::chrono_literals;
namespace logging = base::logging;

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr auto kRetryAfter = 1s;
constexpr unsigned kTicksPerSweep = 3;

// Runs its task when the last of those that share it is done.
struct AtLast {
  base::Task task;
  ~AtLast() { task(); }
};

base::Timestamp next_at(base::Timestamp now, std::chrono::seconds of_day) {
  const base::Timestamp today = std::chrono::floor<std::chrono::days>(now) + of_day;
  return today > now ? today : today + std::chrono::days(1);
}

}  // namespace

History::Role::Role(log::Log& log, base::Executor& executor, base::Metrics& metrics, Options options,
                    std::unique_ptr<lake::Writer> writer, base::TopicId topic)
    : log_(log),
      executor_(executor),
      options_(std::move(options)),
      writer_(std::move(writer)),
      topic_(topic),
      counters_{
          metrics.counter("meterhub_history_rows_total", "Readings written to the lake"),
          metrics.counter("meterhub_history_malformed_total", "Readings kept without values: no whole document"),
          metrics.counter("meterhub_history_failures_total", "Writes to the lake that failed and are tried again"),
          metrics.counter("meterhub_history_hours_total", "Hours of a partition closed or tidied"),
          metrics.gauge("meterhub_history_waiting_rows", "Readings read and not yet in the lake")},
      next_fold_(next_at(executor.clock().now(), options_.fold_at)) {}

History::Role::~Role() { executor_.cancel(tick_timer_); }

base::Result<void> History::Role::join() {
  membership_ = MH_TRY(log_.join(log::groups::kArchive, {topic_}, {}, executor_, *this));
  tick_timer_ = executor_.after(options_.tidy_every, [this] { tick(); });
  return {};
}

void History::Role::leave(base::Task stopped) {
  if (!membership_) return executor_.post(std::move(stopped));
  membership_->leave(std::move(stopped));
}

void History::Role::assigned(std::vector<log::Assignment> partitions) {
  for (const auto& assignment : partitions) {
    assigned_[assignment.partition.partition] = assignment.epoch;
    if (auto adopted = adopt(assignment); !adopted) {
      failed(adopted.error());
      executor_.after(kRetryAfter, [this, assignment, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        const auto partition = assignment.partition.partition;
        const auto ours = assigned_.find(partition);
        if (ours != assigned_.end() && ours->second == assignment.epoch && !archives_.contains(partition)) {
          assigned({assignment});
        }
      });
    }
  }
}

// Goes on where the manifest ends: what it has is never written again.
base::Result<void> History::Role::adopt(const log::Assignment& assignment) {
  const lake::Owner owner{assignment.partition.partition, log_.partitions(topic_), assignment.epoch};
  MH_TRY_VOID(writer_->take_over(owner));
  base::Offset next(UINT64_MAX);
  for (const auto shard : owner.shards()) next = std::min(next, writer_->state().shards[shard.value].next);
  const log::Bounds bounds = MH_TRY(log_.bounds(assignment.partition));
  if (next > bounds.next) {
    return base::fail(base::Errc::kPrecondition, "the lake is ahead of log readings, partition " +
                                                     std::to_string(owner.partition.value) +
                                                     ": they do not belong together");
  }
  auto cursor = MH_TRY(log_.open(assignment.partition, std::max(next, bounds.first)));
  const auto& archive =
      archives_.emplace(owner.partition, Archive(assignment, owner.partitions, std::move(cursor))).first->second;
  // A crash may have come between the manifest and the offset; with no more readings nobody would make up for it.
  const auto committed = MH_TRY(log_.committed(log::groups::kArchive, assignment.partition));
  if (committed.value_or(base::Offset(0)) < archive.from()) commit(archive, nullptr);
  executor_.post([this, partition = owner.partition, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) pump(partition);
  });
  return {};
}

void History::Role::forget(base::PartitionId partition) {
  assigned_.erase(partition);
  if (writer_->busy() && tidied_ == partition) writer_->abandon();
  std::erase_if(work_, [&](const Work& work) { return work.partition == partition; });
  const auto found = archives_.find(partition);
  if (found == archives_.end()) return;
  executor_.cancel(found->second.flush_timer);
  archives_.erase(found);
}

void History::Role::revoked(std::vector<log::TopicPartition> partitions, base::Task drained) {
  const auto drain = std::make_shared<AtLast>(std::move(drained));
  for (const auto& partition : partitions) {
    const auto found = archives_.find(partition.partition);
    // What fails here, the next owner reads again.
    if (found != archives_.end()) (void)flush(found->second, drain);
    forget(partition.partition);
  }
}

void History::Role::lost(std::vector<log::TopicPartition> partitions) {
  for (const auto& partition : partitions) forget(partition.partition);
}

void History::Role::pump(base::PartitionId partition) {
  const auto found = archives_.find(partition);
  if (found == archives_.end()) return;
  Archive& archive = found->second;
  if (archive.rows().size() >= options_.flush_rows) {
    archive.flush_due = true;
    return flush_due();
  }
  std::uint64_t malformed = 0;
  const auto read = archive.read(reader_, kBlockBytes, malformed);
  counters_.malformed.add(malformed);
  if (!read) {
    failed(read.error());
    executor_.after(kRetryAfter, [this, partition, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) pump(partition);
    });
    return;
  }
  archive.caught_up = !*read;
  if (archive.caught_up) return wait_for_records(archive);
  start_flush_timer(archive);
  executor_.post([this, partition, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) pump(partition);
  });
}

void History::Role::wait_for_records(Archive& archive) {
  archive.watch = log_.watch(archive.partition(), archive.to(), executor_,
                             [this, partition = archive.owner().partition, alive = std::weak_ptr(alive_)] {
                               if (!alive.expired()) pump(partition);
                             });
}

void History::Role::start_flush_timer(Archive& archive) {
  if (archive.flush_timer != base::Executor::TimerId::kNone) return;
  archive.flush_timer = executor_.after(options_.flush_after,
                                        [this, partition = archive.owner().partition, alive = std::weak_ptr(alive_)] {
                                          if (alive.expired()) return;
                                          const auto found = archives_.find(partition);
                                          if (found == archives_.end()) return;
                                          found->second.flush_timer = base::Executor::TimerId::kNone;
                                          found->second.flush_due = true;
                                          flush_due();
                                        });
}

// A full partition stops reading until it is written; then it reads on.
void History::Role::flush_due() {
  bool again = false;
  for (auto& [partition, archive] : archives_) {
    if (!archive.flush_due) continue;
    const bool was_full = archive.rows().size() >= options_.flush_rows;
    if (const auto done = flush(archive); !done) {
      failed(done.error());
      again = true;
      continue;
    }
    if (!was_full) continue;
    executor_.post([this, p = partition, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) pump(p);
    });
  }
  if (!again) return;
  executor_.after(kRetryAfter, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) flush_due();
  });
}

base::Result<void> History::Role::flush(Archive& archive, std::shared_ptr<void> committed) {
  archive.flush_due = archive.pending();
  if (!archive.pending()) return {};
  MH_TRY_VOID(writer_->append(archive.owner(), archive.from(), archive.to(), archive.rows()));
  base::commit_point("history.lake_before_offset");
  counters_.rows.add(archive.rows().size());
  archive.flush_due = false;
  archive.written();
  problem_.clear();
  counters_.waiting.set(static_cast<double>(waiting()));
  commit(archive, std::move(committed));
  return {};
}

// The lake is the truth; the offset only lets retention go on. A failure is the next
// owner's to find out.
void History::Role::commit(const Archive& archive, std::shared_ptr<void> committed) {
  log::Transaction transaction;
  transaction.owners.push_back(archive.ownership(std::string(log::groups::kArchive)));
  transaction.offsets.push_back({std::string(log::groups::kArchive), archive.partition(), archive.from()});
  log_.transact(std::move(transaction), executor_,
                [committed = std::move(committed)](base::Result<log::Committed> done) {
                  base::commit_point("history.after_offset");
                  if (!done) logging::warn("history_commit_failed", {{"reason", done.error().text}});
                });
}

void History::Role::failed(const base::Error& error) {
  problem_ = error.text;
  counters_.failures.add();
  logging::warn("history_failed", {{"class", base::error_class(error.code).name}, {"reason", error.text}});
}

base::Timestamp History::Role::watermark(const Archive& archive) const {
  return archive.caught_up && !archive.pending() ? executor_.clock().now() : archive.written_to();
}

std::size_t History::Role::waiting() const {
  std::size_t rows = 0;
  for (const auto& [partition, archive] : archives_) rows += archive.rows().size();
  return rows;
}

void History::Role::tick() {
  tick_timer_ = executor_.after(options_.tidy_every, [this] { tick(); });
  counters_.waiting.set(static_cast<double>(waiting()));
  if (held_) return;
  if (work_.empty() && !writer_->busy()) {
    queue_folds();
    queue_due_hours();
    work_on();
  }
  if (++ticks_ % kTicksPerSweep != 0) return;
  if (const auto swept = writer_->sweep(); !swept) failed(swept.error());
}

void History::Role::queue_due_hours() {
  const base::MonotonicTime now = executor_.clock().monotonic();
  for (auto& [partition, archive] : archives_) {
    const bool late_too = now - archive.late_placed >= options_.late_every;
    for (const auto hour : lake::due_hours(writer_->state(), archive.owner(), watermark(archive))) {
      const auto known = writer_->state().hours.find(hour);
      const bool closed =
          known != writer_->state().hours.end() &&
          std::ranges::any_of(known->second.base, [&](const auto& file) { return archive.owner().owns(file.first); });
      if (!closed || late_too) work_.push_back({partition, hour, false});
    }
    if (late_too) archive.late_placed = now;
  }
}

void History::Role::queue_folds() {
  if (executor_.clock().now() < next_fold_) return;
  next_fold_ = next_at(executor_.clock().now(), options_.fold_at);
  for (const auto& [partition, archive] : archives_) {
    for (const auto hour : lake::untidy_hours(writer_->state(), archive.owner())) {
      if (lake::end_of(hour) + lake::kCloseAfter <= watermark(archive)) work_.push_back({partition, hour, true});
    }
  }
}

// One shard's file a task, so that reading and flushing go on between them.
void History::Role::work_on() {
  working_ = false;
  if (held_) return;  // release_files() goes on
  while (!writer_->busy() && !work_.empty()) {
    const Work next = work_.front();
    work_.pop_front();
    const auto found = archives_.find(next.partition);
    if (found == archives_.end()) continue;
    tidied_ = next.partition;
    if (const auto begun = writer_->begin(found->second.owner(), next.hour, next.fold); !begun) {
      failed(begun.error());
      work_.clear();
      return finish_compactions(begun);
    }
    counters_.hours.add();
  }
  if (!writer_->busy()) return finish_compactions({});
  if (const auto stepped = writer_->step(); !stepped) {
    failed(stepped.error());
    work_.clear();
    return finish_compactions(std::unexpected(stepped.error()));
  }
  if (working_) return;
  working_ = true;
  executor_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) work_on();
  });
}

void History::Role::compact(std::move_only_function<void(base::Result<void>)> done) {
  for (auto& [partition, archive] : archives_) {
    if (auto flushed = flush(archive); !flushed) return done(std::move(flushed));
    for (const auto hour : lake::untidy_hours(writer_->state(), archive.owner()))
      work_.push_back({partition, hour, true});
  }
  compactions_.push_back(std::move(done));
  if (!working_) work_on();
}

lake::State History::Role::hold_files() {
  held_ = true;
  return writer_->state();
}

void History::Role::release_files() {
  held_ = false;
  const bool waits = writer_->busy() || !work_.empty() || !compactions_.empty();
  if (waits && !working_) work_on();
}

void History::Role::finish_compactions(base::Result<void> result) {
  for (auto& done : std::exchange(compactions_, {})) done(result);
}

Status History::Role::status() const {
  Status status;
  status.rows = counters_.rows.value();
  status.waiting = waiting();
  status.partitions = static_cast<std::uint32_t>(archives_.size());
  status.problem = problem_;
  bool first = true;
  for (const auto& [partition, archive] : archives_) {
    const base::Timestamp at = watermark(archive);
    status.archived_to = first ? at : std::min(status.archived_to, at);
    first = false;
  }
  return status;
}

History::History(std::unique_ptr<Role> role) : role_(std::move(role)) {}
History::~History() = default;

base::Result<std::unique_ptr<History>> History::start(log::Log& log, base::Executor& executor, base::Disk& disk,
                                                      base::Metrics& metrics, Options options) {
  const base::TopicId topic = MH_TRY(log.topic(log::topics::kReadings));
  auto writer = MH_TRY(
      lake::Writer::open(disk, {.directory = options.directory, .memory_limit = options.memory_limit, .threads = 1}));
  auto role = std::make_unique<Role>(log, executor, metrics, std::move(options), std::move(writer), topic);
  MH_TRY_VOID(role->join());
  return std::unique_ptr<History>(new History(std::move(role)));
}

void History::stop(base::Task stopped) { role_->leave(std::move(stopped)); }
void History::compact(std::move_only_function<void(base::Result<void>)> done) { role_->compact(std::move(done)); }
Status History::status() const { return role_->status(); }
lake::State History::hold_files() { return role_->hold_files(); }
void History::release_files() { role_->release_files(); }

}  // namespace meterhub::history
