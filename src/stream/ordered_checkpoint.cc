#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

#include "ordered_run.h"

namespace meterhub::stream {
namespace {

constexpr std::size_t kPieceBytes = 8 * 1024 * 1024;  // of a checkpoint's pieces, a transaction

std::string piece_name(std::uint64_t checkpoint, std::string_view piece) { return "c" + std::to_string(checkpoint) + "/" + std::string(piece); }

// The longest time that anything in the plan looks back.
engine::Ticks longest_memory(const sql::Plan& plan) {
  engine::Ticks most = 0;
  for (const auto& step : plan.steps) {
    for (const auto& branch : step.branches) {
      for (const auto& call : branch.analytics) most = std::max(most, call.duration);
      for (const auto& source : branch.sources) {
        if (source.join && source.join->bound) most = std::max({most, source.join->bound->upper_ticks, -source.join->bound->lower_ticks});
      }
      if (branch.match) most = std::max(most, branch.match->duration);
      if (!branch.grouping) continue;
      for (const auto& window : branch.grouping->windows) most = std::max({most, window.size, window.maximum + window.timeout});
    }
  }
  return most;
}

}  // namespace

base::Result<void> OrderedJob::restore() {
  const auto stored = MH_TRY(world_.log.state(group_, anchor(), kStored));
  stored_ = StoredNote{};
  if (stored) stored_ = MH_TRY(decode_stored(*stored));
  const auto record = MH_TRY(world_.log.state(group_, anchor(), kManifest));
  auto read = record ? decode_manifest(*record) : first_manifest();
  manifest_ = MH_TRY(std::move(read));
  const auto idle = MH_TRY(world_.log.state(group_, anchor(), kIdle));
  idle_.clear();
  if (idle) idle_ = MH_TRY(decode_idle(*idle));
  const bool changed = record && manifest_.plan != hash_;
  if (changed) {
    manifest_ = MH_TRY(taken_over(manifest_));
    idle_.clear();
    transaction_.state.push_back(state(std::string(kIdle), std::nullopt));
  }
  // Where a run without state begins is settled once: after a restart it is the same place.
  if (!record || changed) transaction_.state.push_back(state(std::string(kManifest), encode(manifest_)));
  old_pieces_.clear();
  pieces_.clear();
  base::Result<void> loaded;
  const auto prefix = piece_name(manifest_.number, "");
  MH_TRY_VOID(world_.log.scan_state(group_, anchor(), "c", [&](std::string_view name, std::string_view value) {
    if (!name.starts_with(prefix)) {
      old_pieces_.emplace(name);  // of a checkpoint that never came to count
      return true;
    }
    if (!manifest_.fresh) loaded = pipeline_->restore_piece({std::string(name.substr(prefix.size())), std::string(value)});
    pieces_.emplace_back(name);
    return loaded.has_value();
  }));
  MH_TRY_VOID(std::move(loaded));
  MH_TRY_VOID(pipeline_->restored());
  for (auto& output : outputs_) output.next = output.sent = manifest_.sequences[output.name];
  letters_ = manifest_.letters;
  base::logging::info("job_restored", {{"job", spec_.name}, {"checkpoint", manifest_.number}, {"fresh", manifest_.fresh ? "true" : "false"}});
  return {};
}

base::Result<JobManifest> OrderedJob::first_manifest() {
  JobManifest manifest;
  manifest.plan = hash_;
  for (const auto& [partition, source] : sources_) {
    manifest.offsets[partition] = MH_TRY(world_.log.offset_for_time(partition, spec_.starts));
  }
  return manifest;
}

// Another text: its state cannot be used. It is made anew from the longest that the new text
// looks back, and only what the old one had not given out is given out.
base::Result<JobManifest> OrderedJob::taken_over(const JobManifest& old) {
  JobManifest manifest;
  manifest.number = old.number + 1;
  manifest.plan = hash_;
  manifest.taken_over_at = old.watermark;
  manifest.sequences = stored_.sequences;
  manifest.letters = stored_.letters;
  for (const auto& [partition, source] : sources_) {
    const auto bounds = MH_TRY(world_.log.bounds(partition));
    auto from = old.offsets.contains(partition) ? old.offsets.at(partition) : bounds.next;
    if (old.watermark) {
      const auto warm = engine::to_timestamp(*old.watermark - longest_memory(plan_) - spec_.policy.late_arrival);
      from = std::min(from, MH_TRY(world_.log.offset_for_time(partition, warm)));
    }
    manifest.offsets[partition] = std::max(from, bounds.first);
  }
  base::logging::info("job_changed", {{"job", spec_.name}});
  return manifest;
}

base::Result<void> OrderedJob::open_sources() {
  for (auto& [partition, source] : sources_) {
    const auto bounds = MH_TRY(world_.log.bounds(partition));
    const auto found = manifest_.offsets.find(partition);
    source.next = found == manifest_.offsets.end() ? bounds.first : found->second;
    if (source.next < bounds.first) note_gap(source, bounds.first);
    source.cursor = MH_TRY(world_.log.open(partition, source.next));
    for (const auto& note : idle_) {
      if (note.partition == partition) source.replay.push_back(note);
    }
  }
  return {};
}

// Retention took records before they were read.
void OrderedJob::note_gap(Source& source, base::Offset to) {
  gap_ = JobGap{source.assignment.partition.partition, source.next, to};
  missed_ += to.value - source.next.value;
  base::logging::warn("job_gap", {{"job", spec_.name}, {"partition", gap_->partition.value}, {"from", gap_->from.value}, {"to", gap_->to.value}});
  source.next = to;
}

// ---- checkpoints ----

void OrderedJob::begin_checkpoint() {
  last_checkpoint_ = executor_.clock().monotonic();
  JobManifest next;
  next.number = manifest_.number + 1;
  next.fresh = false;
  next.plan = hash_;
  for (const auto& [partition, source] : sources_) next.offsets[partition] = source.next;
  for (const auto& output : outputs_) next.sequences[output.name] = output.next;
  next.letters = letters_;
  next.taken_over_at = manifest_.taken_over_at;
  next.watermark = pipeline_->watermark();
  next_manifest_ = std::move(next);
  idle_before_ = idle_.size();
  old_pieces_.insert(pieces_.begin(), pieces_.end());
  pieces_.clear();
  pipeline_->begin_checkpoint();
}

// Some of it with every turn; the manifest with the last.
void OrderedJob::take_pieces() {
  if (!next_manifest_) return;
  for (std::size_t bytes = 0; bytes < kPieceBytes;) {
    auto piece = pipeline_->next_piece();
    if (!piece) {
      base::commit_point("job.state_before_manifest");
      transaction_.state.push_back(state(std::string(kManifest), encode(*next_manifest_)));
      const std::vector<IdleNote> left(idle_.begin() + static_cast<std::ptrdiff_t>(idle_before_), idle_.end());
      transaction_.state.push_back(state(std::string(kIdle), encode(left)));
      for (const auto& name : old_pieces_) transaction_.state.push_back(state(name, std::nullopt));
      old_pieces_.clear();
      for (const auto& [partition, offset] : next_manifest_->offsets) transaction_.offsets.push_back({group_, partition, offset});
      idle_ = left;
      manifest_ = *std::exchange(next_manifest_, std::nullopt);
      manifest_pending_ = true;
      return;
    }
    bytes += piece->bytes.size();
    pieces_.push_back(piece_name(next_manifest_->number, piece->name));
    old_pieces_.erase(pieces_.back());  // one of a try that was cut off
    transaction_.state.push_back(state(pieces_.back(), std::move(piece->bytes)));
  }
}

void OrderedJob::finish_checkpoint() {
  if (std::exchange(manifest_pending_, false)) checkpointed_ = executor_.clock().now();
}

}  // namespace meterhub::stream
