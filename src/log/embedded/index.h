// What is where, in memory: segments, bounds, the tail of each partition, committed
// offsets. Knows the disk only through the families that segments hold.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/mutex.h>
#include <meterhub/kv/database.h>
#include <meterhub/log/log.h>
#include <meterhub/log/record_format.h>

#include "layout.h"

namespace meterhub::log {

using BlockRef = std::shared_ptr<const Block>;

// A run of a log's records that is dropped as one. `bytes` is under the index's mutex.
struct Segment {
  layout::SegmentRecord record;
  kv::Family family;
  std::uint64_t bytes = 0;

  const layout::Start& start(base::PartitionId p) const { return record.starts[p.value]; }
};
using SegmentRef = std::shared_ptr<Segment>;

// What one commit adds to one partition.
struct Growth {
  TopicPartition partition;
  SegmentRef segment;
  std::vector<BlockRef> blocks;  // never empty
  std::uint64_t stored_bytes = 0;
};

// Any thread; one short lock, never held over I/O. Only the writer changes bounds and segments.
class Index {
 public:
  explicit Index(std::uint64_t tail_limit) : tail_limit_(tail_limit) {}

  struct Topic {
    TopicSpec spec;
    std::vector<Bounds> bounds;                // by partition; `first` follows the oldest segment
    std::deque<SegmentRef> segments;           // oldest first; the last takes appends
    std::vector<std::deque<BlockRef>> tails;   // by partition
  };

  // Topics. add() and update() on the caller that also writes the catalog.
  base::TopicId add(const TopicSpec& spec);
  void update(base::TopicId topic, const TopicSpec& spec);
  std::optional<base::TopicId> find(std::string_view name) const;
  std::optional<TopicSpec> spec(base::TopicId topic) const;
  std::vector<std::string> names() const;
  bool exists(TopicPartition partition) const;
  std::size_t topic_count() const;

  std::optional<Bounds> bounds(TopicPartition partition) const;
  std::vector<Bounds> all_bounds(base::TopicId topic) const;
  void set_bounds(TopicPartition partition, const Bounds& bounds);

  // Segments.
  SegmentRef active(base::TopicId topic) const;  // null: none yet
  void add_segment(SegmentRef segment);
  std::vector<SegmentRef> segments(base::TopicId topic) const;
  void drop_oldest(base::TopicId topic);
  std::uint64_t bytes(base::TopicId topic) const;
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // After a commit is durable.
  void grow(const std::vector<Growth>& growth);

  // Blocks from `position` on out of the tail, about `max_bytes`; else the segment to read
  // and how far readers may see.
  struct Found {
    std::vector<BlockRef> blocks;
    SegmentRef segment;
    Bounds bounds;
  };
  Found locate(TopicPartition partition, base::Offset position, std::size_t max_bytes) const;
  // The segment that holds the first record at or after `time`, and the offsets it spans
  // in the partition; null when there is none.
  struct Span {
    SegmentRef segment;
    base::Offset first;
    base::Offset end;
  };
  Span locate_time(TopicPartition partition, base::Timestamp time) const;

  void commit(const std::vector<OffsetCommit>& commits);
  std::optional<base::Offset> committed(std::string_view group, TopicPartition partition) const;

 private:
  using GroupPartition = std::pair<std::string, TopicPartition>;
  const Topic* topic_at(TopicPartition p) const MH_REQUIRES(mutex_);
  void trim_tails() MH_REQUIRES(mutex_);

  const std::uint64_t tail_limit_;
  mutable base::Mutex mutex_;  // docs/internals/locks.md
  std::deque<Topic> topics_ MH_GUARDED_BY(mutex_);  // by TopicId
  std::deque<TopicPartition> tail_order_ MH_GUARDED_BY(mutex_);  // one entry a cached block, oldest first
  std::uint64_t tail_bytes_ MH_GUARDED_BY(mutex_) = 0;
  std::map<GroupPartition, base::Offset> committed_ MH_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace meterhub::log
