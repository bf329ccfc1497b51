#include "store.h"

#include <algorithm>

#include <meterhub/base/logging.h>

namespace meterhub::log {
namespace {

using base::Errc;

kv::FamilyKind kind_of(std::string_view family) {
  return family.starts_with(layout::kSegmentFamilyPrefix) ? kv::FamilyKind::kSegment : kv::FamilyKind::kValues;
}

kv::DatabaseOptions database_options(const EmbeddedOptions& options) {
  return {.directory = options.directory,
          .wal_bytes = options.wal_bytes,
          .memtable_bytes = options.memtable_bytes,
          .block_cache_bytes = options.block_cache_bytes,
          .kind_of = kind_of,
          .env = options.env};
}

// The least text behind all that begin with `prefix`; empty = no bound.
std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xFF) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::unexpected<base::Error> damaged(std::string what) {
  return base::fail(Errc::kCorrupt, "the store is damaged: " + std::move(what));
}

}  // namespace

base::Result<std::unique_ptr<Store>> Store::open(const EmbeddedOptions& options, Index& index) {
  auto opened = MH_TRY(kv::Database::open(database_options(options)));
  auto store = std::make_unique<Store>();
  store->database_ = std::move(opened.database);
  MH_TRY_VOID(store->begin(opened.families));
  MH_TRY_VOID(store->load_topics(index));
  MH_TRY_VOID(store->load_segments(opened.families, index));
  MH_TRY_VOID(store->load_offsets(index));
  MH_TRY_VOID(store->drop_orphans(opened.families));
  return store;
}

base::Result<kv::Family> Store::family(Families& families, std::string_view name) {
  const auto it = families.find(std::string(name));
  if (it != families.end()) return it->second;
  return database_->create(name, kind_of(name));
}

base::Result<std::uint64_t> Store::number(std::string_view key) const {
  const auto value = MH_TRY(database_->get(catalog_, key));
  if (!value) return 0;
  return layout::parse_number(*value);
}

base::Result<void> Store::begin(Families& families) {
  catalog_ = families.at("default");
  offsets_ = MH_TRY(family(families, layout::kOffsetsFamily));
  state_ = MH_TRY(family(families, layout::kStateFamily));
  const auto version = MH_TRY(database_->get(catalog_, layout::kVersionKey));
  if (version && *version != layout::kVersion) {
    return base::fail(Errc::kPrecondition, "the store has format " + *version + ", this program reads format 1");
  }
  incarnation_ = MH_TRY(number(layout::kIncarnationKey)) + 1;
  kv::Batch batch;
  batch.put(catalog_, layout::kVersionKey, layout::kVersion);
  batch.put(catalog_, layout::kIncarnationKey, layout::number_value(incarnation_));
  MH_TRY_VOID(database_->write(batch));
  return database_->sync();
}

base::Result<void> Store::load_topics(Index& index) {
  kv::Iterator it(catalog_, prefix_end(std::string(layout::kTopicPrefix)));
  for (it.seek(layout::kTopicPrefix); it.valid(); it.next()) {
    const auto id = index.add(MH_TRY(layout::parse_topic(it.value())));
    if (layout::topic_key(id) != it.key()) return damaged("a log is missing in the catalog");
  }
  return it.status();
}

base::Result<void> Store::load_segments(Families& families, Index& index) {
  kv::Iterator it(catalog_, prefix_end(std::string(layout::kSegmentPrefix)));
  for (it.seek(layout::kSegmentPrefix); it.valid(); it.next()) {
    auto record = MH_TRY(layout::parse_segment(it.value()));
    const auto spec = index.spec(record.topic);
    const auto found = families.find(layout::segment_family(record.id));
    if (!spec || spec->partitions != record.starts.size() || found == families.end()) {
      return damaged("segment " + std::to_string(record.id) + " does not fit the catalog");
    }
    next_segment_ = record.id + 1;
    auto segment = std::make_shared<Segment>(Segment{std::move(record), found->second, 0});
    segment->bytes = database_->bytes(segment->family);
    families.erase(found);
    index.add_segment(std::move(segment));
  }
  MH_TRY_VOID(it.status());
  for (std::uint16_t t = 0; t < index.topic_count(); ++t) {
    const auto segments = index.segments(base::TopicId(t));
    if (segments.empty()) continue;
    for (std::uint32_t p = 0; p < segments.front()->record.starts.size(); ++p) {
      const base::PartitionId partition(p);
      const auto first = segments.front()->start(partition).first;
      index.set_bounds({base::TopicId(t), partition}, MH_TRY(read_bounds(*segments.back(), partition, first)));
    }
  }
  return {};
}

base::Result<void> Store::load_offsets(Index& index) {
  std::vector<OffsetCommit> commits;
  kv::Iterator it(offsets_, {});
  for (it.seek({}); it.valid(); it.next()) {
    auto key = layout::parse_group_key(it.key());
    if (!key) return damaged("a committed offset");
    commits.push_back({std::move(key->first), key->second, base::Offset(MH_TRY(layout::parse_number(it.value())))});
  }
  MH_TRY_VOID(it.status());
  index.commit(commits);
  return {};
}

// Families whose segment never reached the catalog, or has left it.
base::Result<void> Store::drop_orphans(const Families& families) {
  for (const auto& [name, family] : families) {
    if (kind_of(name) != kv::FamilyKind::kSegment) continue;
    const auto id = std::strtoull(name.c_str() + layout::kSegmentFamilyPrefix.size(), nullptr, 10);
    next_segment_ = std::max<std::uint64_t>(next_segment_, id + 1);
    MH_TRY_VOID(database_->drop(family));
  }
  return {};
}

base::Result<void> Store::save_topic(base::TopicId topic, const TopicSpec& spec) {
  kv::Batch batch;
  batch.put(catalog_, layout::topic_key(topic), layout::topic_value(spec));
  MH_TRY_VOID(database_->write(batch));
  return database_->sync();
}

base::Result<SegmentRef> Store::make_segment(base::TopicId topic, const std::vector<Bounds>& bounds,
                                             base::Timestamp now, kv::Batch& batch) {
  layout::SegmentRecord record{next_segment_++, topic, now, {}};
  for (const auto& b : bounds) record.starts.push_back({b.next, b.last_enqueued});
  auto family = MH_TRY(database_->create(layout::segment_family(record.id), kv::FamilyKind::kSegment));
  batch.put(catalog_, layout::segment_key(record.id), layout::segment_value(record));
  return std::make_shared<Segment>(Segment{std::move(record), std::move(family), 0});
}

base::Result<void> Store::drop_segment(const SegmentRef& segment) {
  kv::Batch batch;
  batch.remove(catalog_, layout::segment_key(segment->record.id));
  MH_TRY_VOID(database_->write(batch));
  MH_TRY_VOID(database_->sync());
  return database_->drop(segment->family);
}

void Store::put_block(kv::Batch& batch, const SegmentRef& segment, base::PartitionId partition, base::Offset first,
                      std::string_view stored) const {
  batch.put(segment->family, layout::block_key(partition, first), stored);
}

void Store::put_offset(kv::Batch& batch, const OffsetCommit& commit) const {
  batch.put(offsets_, layout::group_key(commit.group, commit.partition), layout::number_value(commit.next.value));
}

void Store::put_state(kv::Batch& batch, const StateWrite& write) const {
  const auto key = layout::group_key(write.group, write.partition) + write.name;
  if (write.value) {
    batch.put(state_, key, *write.value);
  } else {
    batch.remove(state_, key);
  }
}

base::Result<std::optional<std::string>> Store::state(std::string_view group, TopicPartition partition,
                                                      std::string_view name) const {
  return database_->get(state_, layout::group_key(group, partition).append(name));
}

base::Result<void> Store::scan_state(std::string_view group, TopicPartition partition, std::string_view prefix,
                                     const std::function<bool(std::string_view, std::string_view)>& visit) const {
  const auto owner = layout::group_key(group, partition);
  const auto from = owner + std::string(prefix);
  kv::Iterator it(state_, prefix_end(from));
  for (it.seek(from); it.valid(); it.next()) {
    if (!visit(it.key().substr(owner.size()), it.value())) break;
  }
  return it.status();
}

void Store::flush_all(const Index& index) {
  std::vector<kv::Family> families{catalog_, offsets_, state_};
  for (std::uint16_t t = 0; t < index.topic_count(); ++t) {
    if (const auto segment = index.active(base::TopicId(t))) families.push_back(segment->family);
  }
  for (const auto& family : families) {
    // Only the next start's speed is lost: the write-ahead log has it all.
    if (auto flushed = database_->flush(family); !flushed) {
      base::logging::warn("log_flush_at_close_failed", {{"error", flushed.error().text}});
      return;
    }
  }
}

base::Result<Bounds> read_bounds(const Segment& newest, base::PartitionId partition, base::Offset first) {
  const auto& start = newest.start(partition);
  kv::Iterator it(newest.family, layout::block_key_end(partition));
  it.seek_for_previous(layout::block_key_end(partition));
  MH_TRY_VOID(it.status());
  const auto key = it.valid() ? layout::parse_block_key(it.key()) : std::nullopt;
  if (!key || key->first != partition) return Bounds{first, start.first, start.time};
  const auto block = MH_TRY(decode_block(key->second, it.value()));
  return Bounds{first, block.end(), block.newest};
}

base::Result<std::vector<BlockRef>> read_blocks(const Segment& segment, base::PartitionId partition,
                                                base::Offset position, base::Offset end, std::size_t max_bytes) {
  std::vector<BlockRef> out;
  std::size_t bytes = 0;
  auto expected = position;
  kv::Iterator it(segment.family, layout::block_key_end(partition));
  for (it.seek_for_previous(layout::block_key(partition, position)); it.valid() && bytes < max_bytes; it.next()) {
    const auto key = layout::parse_block_key(it.key());
    if (!key || key->first != partition || key->second >= end) break;
    auto block = std::make_shared<const Block>(MH_TRY(decode_block(key->second, it.value())));
    const bool follows = out.empty() ? block->first <= expected && expected < block->end() : block->first == expected;
    if (!follows) return damaged("records are missing before offset " + std::to_string(key->second.value));
    expected = block->end();
    bytes += block->records.size();
    out.push_back(std::move(block));
  }
  MH_TRY_VOID(it.status());
  if (out.empty()) return damaged("no record at offset " + std::to_string(position.value));
  return out;
}

base::Result<base::Offset> search_time(const Index::Span& span, base::PartitionId partition, base::Timestamp time) {
  auto low = span.first;
  auto high = span.end;
  kv::Iterator it(span.segment->family, layout::block_key_end(partition));
  while (low < high) {
    const base::Offset middle(low.value + (high.value - low.value) / 2);
    it.seek_for_previous(layout::block_key(partition, middle));
    MH_TRY_VOID(it.status());
    const auto key = it.valid() ? layout::parse_block_key(it.key()) : std::nullopt;
    if (!key || key->first != partition) return damaged("no record at offset " + std::to_string(middle.value));
    if (MH_TRY(block_base_time(it.value())) >= time) {
      high = key->second;
      continue;
    }
    const auto block = MH_TRY(decode_block(key->second, it.value()));
    if (block.newest < time) {
      low = block.end();
      continue;
    }
    BlockReader reader(block);
    RecordView record;
    do MH_TRY_VOID(reader.next(record));
    while (record.enqueued < time && !reader.at_end());
    return record.offset;
  }
  return high;
}

}  // namespace meterhub::log
