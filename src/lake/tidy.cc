// Closing an hour, folding, and what a crash may have left of it.
//
// The order that makes every crash harmless: new files are staged and synced; one record
// says that they count and the old ones do not; only then are they renamed into place.
// The record decides: before it the staged files are orphans, after it whoever takes over
// finishes the renames.
#include <algorithm>

#include <meterhub/base/commit_point.h>

#include "writer_state.h"

namespace meterhub::lake {
namespace {

constexpr std::string_view kOrder = " ORDER BY DeviceID, DateTime, Session, Generation, Seq";

// Fresh rows of the shard whose identity is not in the files beside which they go.
std::string beside_sql(const HourPlan& plan, const HourPlan::ShardInput& input) {
  std::string fresh = readings_sql({}, plan.fresh, {}, input.shard);
  if (input.placed.empty()) return fresh;
  return "SELECT " + column_list() + " FROM (" + fresh + ") ANTI JOIN (" + readings_sql(input.placed, {}, {}, {}) +
         ") USING (DeviceID, Session, Generation, Seq)";
}

}  // namespace

base::Result<void> Writer::begin(const Owner& owner, Hour hour, bool fold) {
  State_& self = *state_;
  if (self.tidying) return base::fail(base::Errc::kAlreadyExists, "another hour is being tidied");
  MH_TRY_VOID(self.refresh_if_uncertain());
  MH_TRY_VOID(self.put_in_place(owner));
  HourPlan plan = plan_hour(state(), owner, hour, fold);
  const auto absolute = [&](std::string& path) { path = self.full(path); };
  std::ranges::for_each(plan.fresh, absolute);
  std::ranges::for_each(plan.fresh_by_identity, absolute);
  for (auto& input : plan.shards) std::ranges::for_each(input.placed, absolute);
  if (!plan.shards.empty()) self.tidying = Tidying{.owner = owner, .plan = std::move(plan), .done = 0, .written = {}};
  return {};
}

bool Writer::busy() const { return state_->tidying.has_value(); }

void Writer::abandon() {
  if (!state_->tidying) return;
  // What cannot be removed now is an orphan for the next owner.
  for (const auto& file : state_->tidying->written) (void)state_->disk.remove(state_->full(file.staged));
  state_->tidying.reset();
}

base::Result<bool> Writer::step() {
  if (!state_->tidying) return false;
  const bool staged_all = state_->tidying->done == state_->tidying->plan.shards.size();
  auto done = staged_all ? state_->finish_hour() : state_->stage_next();
  if (!done) {
    // After an uncertain commit the staged files may count: only a refresh can tell.
    if (state_->uncertain) state_->tidying.reset();
    abandon();
    return std::unexpected(std::move(done).error());
  }
  return busy();
}

base::Result<void> Writer::State_::stage_next() {
  Tidying& work = *tidying;
  const HourPlan& plan = work.plan;
  const HourPlan::ShardInput& input = plan.shards[work.done];
  const bool replace = plan.merge == Merge::kReplace;
  const std::string select =
      replace ? readings_sql(input.placed, plan.fresh, plan.fresh_by_identity, input.shard) : beside_sql(plan, input);
  PlacedFile file{.path = replace ? base_path(plan.hour, input.shard)
                                  : late_path(plan.hour, input.shard, manifest.state().sequence + 1),
                  .hour = plan.hour,
                  .shard = input.shard,
                  .rows = 0,
                  .staged = "staging/" + unique_name(work.owner)};
  file.rows = MH_TRY(copy("SELECT * FROM (" + select + ")" + std::string(kOrder), file.staged));
  ++work.done;
  if (file.rows > 0) {
    work.written.push_back(std::move(file));
    return {};
  }
  return disk.remove(full(file.staged));
}

base::Result<void> Writer::State_::finish_hour() {
  const Tidying& work = *tidying;
  MH_TRY_VOID(disk.sync_directory(full("staging")));
  Record record{.owner = work.owner, .from = {}, .to = {}, .fresh = {}, .base = {}, .late = {}, .drop = work.plan.drop};
  (work.plan.merge == Merge::kReplace ? record.base : record.late) = work.written;
  base::commit_point("lake.staged_files_before_manifest");
  MH_TRY_VOID(commit(record));
  base::commit_point("lake.manifest_before_rename");
  const Owner owner = work.owner;
  tidying.reset();
  MH_TRY_VOID(put_in_place(owner));
  base::commit_point("lake.manifest_before_delete");
  for (const auto& path : record.drop) {
    if (path.starts_with("readings/")) {
      MH_TRY_VOID(disk.remove(full(path)));  // at once: a glob must not see its rows twice
    } else {
      garbage.push_back(path);
    }
  }
  return {};
}

base::Result<void> Writer::State_::put_in_place(const PlacedFile& file) {
  const std::string staged = full(file.staged);
  if (!MH_TRY(disk.exists(staged))) return {};
  const std::string path = full(file.path);
  MH_TRY_VOID(disk.make_directories(base::parent_path(path)));
  MH_TRY_VOID(disk.rename(staged, path));
  return disk.sync_directory(base::parent_path(path));
}

base::Result<void> Writer::State_::put_in_place(const Owner& owner) {
  for (const auto& [hour, files] : manifest.state().hours) {
    for (const auto& [shard, file] : files.base) {
      if (owner.owns(shard) && !file.staged.empty()) MH_TRY_VOID(put_in_place(file));
    }
    for (const auto& file : files.late) {
      if (owner.owns(file.shard) && !file.staged.empty()) MH_TRY_VOID(put_in_place(file));
    }
  }
  return {};
}

// A crash between a commit and the removals leaves late files whose rows are in the object.
base::Result<void> Writer::State_::remove_dropped_late(const Owner& owner) {
  for (const auto& [hour, files] : manifest.state().hours) {
    const std::string folder = hour_directory(hour);
    const auto entries = disk.list(full(folder));
    if (!entries && entries.error().code == base::Errc::kNotFound) continue;
    if (!entries) return std::unexpected(entries.error());
    for (const auto& entry : *entries) {
      const std::string path = folder + "/" + entry.name;
      const bool listed = std::ranges::find(files.late, path, &PlacedFile::path) != files.late.end();
      const bool owned = std::ranges::any_of(owner.shards(), [&](base::Shard shard) {
        return path.starts_with(late_path(hour, shard, 0).substr(0, folder.size() + 9));  // "/late-NN-"
      });
      if (owned && !listed) MH_TRY_VOID(disk.remove(full(path)));
    }
  }
  return {};
}

base::Result<std::uint64_t> compact(base::Disk& disk, const WriterOptions& options) {
  auto writer = MH_TRY(Writer::open(disk, options));
  const State start = writer->state();
  std::uint64_t written = 0;
  for (std::uint32_t p = 0; p < start.partitions; ++p) {
    Owner owner{.partition = base::PartitionId(p), .partitions = start.partitions, .epoch = {}};
    for (const base::Shard shard : owner.shards()) owner.epoch = std::max(owner.epoch, start.shards[shard.value].epoch);
    MH_TRY_VOID(writer->take_over(owner));
    for (const Hour hour : untidy_hours(writer->state(), owner)) {
      MH_TRY_VOID(writer->begin(owner, hour, true));
      while (MH_TRY(writer->step())) ++written;
    }
  }
  MH_TRY_VOID(writer->sweep());
  MH_TRY_VOID(writer->sweep());
  return written;
}

}  // namespace meterhub::lake
