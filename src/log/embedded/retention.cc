// Segments: when one is sealed, and when the oldest goes. On the writer.
#include <algorithm>

#include <meterhub/base/logging.h>

#include "../checks.h"
#include "core.h"

namespace meterhub::log {
namespace {

constexpr std::chrono::seconds kMaintenance{1};
constexpr double kShareOfDisk = 0.9;
// A log is dropped in whole segments, so each is at most this part of what the log may hold.
constexpr std::uint64_t kSegmentsOfALog = 8;
constexpr std::uint64_t kUnlimitedLogsOfAQuota = 4;  // what a log without a limit of its own counts as
constexpr std::uint64_t kSegmentMin = 4 << 20;       // smaller ones cost more than they free

// 1/24 of the retention age, so that little more than was asked for is kept.
std::chrono::seconds segment_age(const TopicSpec& spec) {
  return std::clamp<std::chrono::seconds>(spec.retention_age / 24, std::chrono::minutes(5), std::chrono::hours(30));
}

base::Timestamp newest_time(const Segment& next) {
  base::Timestamp out{};
  for (const auto& start : next.record.starts) out = std::max(out, start.time);
  return out;
}

}  // namespace

std::uint64_t EmbeddedLog::Core::segment_limit(const TopicSpec& spec) const {
  const auto quota = quota_.load(std::memory_order_relaxed);
  const auto whole = spec.retention_bytes != 0 ? spec.retention_bytes : quota / kUnlimitedLogsOfAQuota;
  return std::min(options_.segment_bytes, std::max(whole / kSegmentsOfALog, kSegmentMin));
}

bool EmbeddedLog::Core::full(const Segment& segment, const TopicSpec& spec) const {
  if (segment.bytes == 0) return false;
  return segment.bytes >= segment_limit(spec) || clock_.now() - segment.record.created >= segment_age(spec);
}

base::Result<SegmentRef> EmbeddedLog::Core::segment_for(base::TopicId topic, kv::Batch& batch) {
  auto active = index_.active(topic);
  if (active && !full(*active, *index_.spec(topic))) return active;
  auto made = MH_TRY(store_->make_segment(topic, index_.all_bounds(topic), clock_.now(), batch));
  if (active) MH_TRY_VOID(store_->seal(active));
  index_.add_segment(made);
  return made;
}

// A log that nobody writes to any more must still grow old and go.
base::Result<void> EmbeddedLog::Core::roll_aged(base::TopicId topic) {
  const auto active = index_.active(topic);
  if (!active || !full(*active, *index_.spec(topic))) return {};
  kv::Batch batch;
  MH_TRY_VOID(segment_for(topic, batch));
  MH_TRY_VOID(store_->write(batch));
  return store_->sync();
}

// Whether all protected groups are past the segment that ends where `next` begins.
bool EmbeddedLog::Core::may_drop(base::TopicId topic, const TopicSpec& spec, const Segment& next) const {
  for (const auto& group : spec.protected_groups) {
    for (std::uint32_t p = 0; p < spec.partitions; ++p) {
      const base::PartitionId partition(p);
      const auto done = index_.committed(group, {topic, partition}).value_or(base::Offset(0));
      if (done < next.start(partition).first) return false;
    }
  }
  return true;
}

base::Result<void> EmbeddedLog::Core::drop_oldest(base::TopicId topic, const SegmentRef& segment) {
  index_.drop_oldest(topic);
  counters_.dropped.add();
  base::logging::info("log_segment_dropped", {{"log", index_.spec(topic)->name},
                                              {"segment", segment->record.id},
                                              {"bytes", segment->bytes}});
  return store_->drop_segment(segment);
}

base::Result<void> EmbeddedLog::Core::retain(base::TopicId topic) {
  const auto spec = *index_.spec(topic);
  const auto segments = index_.segments(topic);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const auto& next = *segments[i + 1];
    const bool old = newest_time(next) + spec.retention_age < clock_.now();
    const bool large = spec.retention_bytes != 0 && index_.bytes(topic) > spec.retention_bytes;
    if (!(old || large) || !may_drop(topic, spec, next)) return {};
    MH_TRY_VOID(drop_oldest(topic, segments[i]));
  }
  return {};
}

// Logs without a limit of their own give way, the oldest segment of all first.
base::Result<void> EmbeddedLog::Core::shrink_to_quota() {
  while (fill() > kShrinkAbove) {
    std::optional<base::TopicId> oldest;
    base::Timestamp oldest_time{};
    SegmentRef segment;
    for (std::uint16_t t = 0; t < index_.topic_count(); ++t) {
      const base::TopicId topic(t);
      const auto spec = *index_.spec(topic);
      const auto segments = index_.segments(topic);
      if (spec.retention_bytes != 0 || segments.size() < 2 || !may_drop(topic, spec, *segments[1])) continue;
      const auto time = newest_time(*segments[1]);
      if (oldest && time >= oldest_time) continue;
      oldest = topic;
      oldest_time = time;
      segment = segments[0];
    }
    if (!oldest) return {};
    MH_TRY_VOID(drop_oldest(*oldest, segment));
  }
  return {};
}

base::Result<void> EmbeddedLog::Core::maintain_all() {
  for (std::uint16_t t = 0; t < index_.topic_count(); ++t) {
    MH_TRY_VOID(roll_aged(base::TopicId(t)));
    MH_TRY_VOID(retain(base::TopicId(t)));
  }
  return shrink_to_quota();
}

void EmbeddedLog::Core::maintain() {
  const base::Lock commit_lock(commit_mutex_);
  if (closed_) return;
  {
    const base::Lock lock(queue_mutex_);
    if (failed_) return;
  }
  measure_quota();
  if (auto kept = maintain_all(); !kept) fail_for_good(kept.error());
  counters_.fill.set(fill());
}

void EmbeddedLog::Core::measure_quota() {
  std::error_code error;
  const auto space = std::filesystem::space(options_.directory, error);
  if (error) return;  // the last figure stands
  const auto disk = kShareOfDisk * static_cast<double>(index_.bytes() + space.available);
  const auto share = std::max<std::uint64_t>(static_cast<std::uint64_t>(disk), 1);
  quota_.store(options_.quota_bytes == 0 ? share : std::min(share, options_.quota_bytes), std::memory_order_relaxed);
}

void EmbeddedLog::Core::arm() {
  writer_.after(kMaintenance, [weak = weak_from_this()] {
    const auto core = weak.lock();
    if (!core) return;
    core->maintain();
    core->arm();
  });
}

}  // namespace meterhub::log
