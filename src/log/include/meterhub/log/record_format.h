// How records become bytes: docs/formats/record.md. One encoding for all engines:
// a record is flags and the fields that are there; a block is a run of records of
// one partition, compressed and checksummed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/log/appends.h>
#include <meterhub/log/record.h>

namespace meterhub::log {

inline constexpr std::uint8_t kBlockVersion = 1;
// A builder should be finished once it holds this much; readers refuse far larger ones.
inline constexpr std::size_t kBlockTarget = 256 * 1024;
inline constexpr std::size_t kBlockLimit = 128 * 1024 * 1024;

// Bytes of key, sections and body, and a little for the rest: what readers count.
std::size_t approximate_size(const NewRecord& record);

// Appends one record. `since` = its enqueue time minus the block's base time, not negative.
void encode_record(std::string& out, const RecordParts& record, base::Duration since);

// Takes one record off the front of `in`; views point into it. `base` = the block's base
// time. Sets everything but the offset. kCorrupt when the bytes are not a record.
base::Result<void> decode_record(std::string_view& in, base::Timestamp base, RecordView& out);

// A run of records in memory, not compressed. Immutable once made.
struct Block {
  base::Offset first;
  std::uint32_t count = 0;
  base::Timestamp base{};      // enqueue time of the first record
  base::Timestamp newest{};    // enqueue time of the last
  std::string records;         // encode_record() one after another

  base::Offset end() const { return base::Offset(first.value + count); }
};

// Collects records of one partition. One thread.
class BlockBuilder {
 public:
  BlockBuilder(base::Offset first, base::Timestamp base);
  // `enqueued` never falls from call to call.
  void add(EncodedRecord record, base::Timestamp enqueued);
  std::size_t size() const { return block_.records.size(); }
  std::uint32_t count() const { return block_.count; }
  Block take() && { return std::move(block_); }

 private:
  Block block_;
};

// The stored form of a block, in place of what `out` held: header, checksum, LZ4 where that is smaller.
void encode_block(const Block& block, std::string& out);
// kCorrupt when version, checksum or lengths are wrong. `first` comes from the key.
base::Result<Block> decode_block(base::Offset first, std::string_view stored);
// Reads the header only (no checksum): enqueue time of the first record.
base::Result<base::Timestamp> block_base_time(std::string_view stored);

// Walks the records of a block, which must outlive it. One thread.
class BlockReader {
 public:
  explicit BlockReader(const Block& block) : block_(&block), rest_(block.records), next_(block.first) {}
  bool at_end() const { return next_ == block_->end(); }
  base::Offset position() const { return next_; }
  std::size_t left() const { return static_cast<std::size_t>(block_->end().value - next_.value); }
  // Only while not at_end().
  base::Result<void> next(RecordView& out);

 private:
  const Block* block_;
  std::string_view rest_;
  base::Offset next_;
};

}  // namespace meterhub::log
