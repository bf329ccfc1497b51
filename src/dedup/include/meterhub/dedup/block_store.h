// Where seen counters go when they leave a meter's window: blocks of 128 counters, one
// bit each. The caller keeps them (the log's state store) for kBlockLifetime.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::dedup {

// How long the caller keeps a block after its last put (design part 4, stream).
inline constexpr std::chrono::days kBlockLifetime{7};

// In an index: readings given out once more, not readings seen.
inline constexpr std::uint32_t kRedone = 1u << 30;

// Names one block: the counters index * 128 .. index * 128 + 127. An index with the top
// bit set holds four MICs of the first counters instead, one with kRedone readings that were
// given out again (docs/formats/dedup.md).
struct BlockKey {
  base::MeterNumber meter;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t index = 0;

  constexpr auto operator<=>(const BlockKey&) const = default;
  // 33 characters: 'b' and four times eight hex digits; sorts by meter. For StateWrite.
  std::string name() const;
};

// Bit n (byte n / 8, its bit n % 8) = counter index * 128 + n was seen.
using Block = std::array<std::uint8_t, 16>;

// Called by MeterWindows on its own thread. A get sees the puts before it, also those that
// are not committed yet.
class BlockStore {
 public:
  virtual ~BlockStore() = default;
  // No value = never put, or older than the lifetime. An error ends the judgement with it.
  virtual base::Result<std::optional<Block>> get(const BlockKey& key) = 0;
  virtual void put(const BlockKey& key, const Block& block) = 0;
};

// Keeps everything, in memory. For tests and simulation.
class MemoryBlockStore final : public BlockStore {
 public:
  base::Result<std::optional<Block>> get(const BlockKey& key) override;
  void put(const BlockKey& key, const Block& block) override { blocks_[key] = block; }
  std::size_t size() const { return blocks_.size(); }

 private:
  std::map<BlockKey, Block> blocks_;
};

}  // namespace meterhub::dedup
