// The store on disk: catalog, segments, offsets, state (docs/formats/store.md).
#pragma once

#include <memory>
#include <string>

#include <meterhub/kv/database.h>
#include <meterhub/log/embedded.h>

#include "index.h"

namespace meterhub::log {

// Any thread, but segments are made and dropped by the writer alone.
class Store {
 public:
  // Opens the directory and fills `index` with what it holds.
  static base::Result<std::unique_ptr<Store>> open(const EmbeddedOptions& options, Index& index);

  // Rises with each opening: the high half of this process's epochs.
  std::uint64_t incarnation() const { return incarnation_; }

  base::Result<void> save_topic(base::TopicId topic, const TopicSpec& spec);
  // A new segment that begins where the partitions stand. Its catalog entry goes into
  // `batch`; without that written, the next opening removes the family.
  base::Result<SegmentRef> make_segment(base::TopicId topic, const std::vector<Bounds>& bounds, base::Timestamp now,
                                        kv::Batch& batch);
  base::Result<void> drop_segment(const SegmentRef& segment);
  base::Result<void> seal(const SegmentRef& segment) { return database_->flush_soon(segment->family); }

  void put_block(kv::Batch& batch, const SegmentRef& segment, base::PartitionId partition, base::Offset first,
                 std::string_view stored) const;
  void put_offset(kv::Batch& batch, const OffsetCommit& commit) const;
  void put_state(kv::Batch& batch, const StateWrite& write) const;
  base::Result<void> write(kv::Batch& batch) { return database_->write(batch); }
  base::Result<void> sync() { return database_->sync(); }

  base::Result<std::optional<std::string>> state(std::string_view group, TopicPartition partition,
                                                 std::string_view name) const;
  base::Result<void> scan_state(std::string_view group, TopicPartition partition, std::string_view prefix,
                                const std::function<bool(std::string_view, std::string_view)>& visit) const;
  base::Result<void> checkpoint(const std::string& directory) const { return database_->checkpoint(directory); }
  // Before a clean end: all memory into files, so that the next start replays nothing.
  void flush_all(const Index& index);

 private:
  using Families = std::map<std::string, kv::Family>;
  base::Result<void> begin(Families& families);
  base::Result<kv::Family> family(Families& families, std::string_view name);
  base::Result<void> load_topics(Index& index);
  base::Result<void> load_segments(Families& families, Index& index);
  base::Result<void> load_offsets(Index& index);
  base::Result<void> drop_orphans(const Families& families);
  base::Result<std::uint64_t> number(std::string_view key) const;

  std::unique_ptr<kv::Database> database_;
  kv::Family catalog_;
  kv::Family offsets_;
  kv::Family state_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t next_segment_ = 1;  // the writer's
};

// Where a partition ends, read from its newest segment.
base::Result<Bounds> read_bounds(const Segment& newest, base::PartitionId partition, base::Offset first);
// The blocks that hold `position` and what follows, before `end`, about `max_bytes`; at
// least one. kCorrupt when there is none.
base::Result<std::vector<BlockRef>> read_blocks(const Segment& segment, base::PartitionId partition,
                                                base::Offset position, base::Offset end, std::size_t max_bytes);
// The first offset in [span.first, span.end) whose time is at or after `time`, else span.end.
base::Result<base::Offset> search_time(const Index::Span& span, base::PartitionId partition, base::Timestamp time);

}  // namespace meterhub::log
