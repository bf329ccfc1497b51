#include "window.h"

#include <algorithm>

namespace meterhub::dedup {
namespace {

constexpr std::uint32_t kFirstMics = 1u << 31;  // block indexes end at 2^25
constexpr std::uint32_t kMicsPerBlock = 4;
static_assert(kFirstMicsKept % kMicsPerBlock == 0);

using Bits = std::array<std::uint64_t, 2>;

std::uint8_t byte_of(std::uint64_t value, std::size_t index) {
  return static_cast<std::uint8_t>(value >> (8 * index) & 0xFF);
}

Block to_block(const Bits& bits) {
  Block block{};
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = byte_of(bits[i / 8], i % 8);
  return block;
}

void set_bit(Window& window, std::uint32_t fcnt) {
  window.seen[fcnt / kWindow % 2][fcnt % kWindow / 64] |= std::uint64_t{1} << (fcnt % 64);
}

void put_block(const Window& window, base::MeterNumber meter, std::uint32_t index, BlockStore& blocks) {
  if (index < window.floor / kWindow) return;  // nothing is known of it
  blocks.put(window.key(meter, index), to_block(window.seen[index % 2]));
}

// Moves the two blocks of memory up to the one that holds `fcnt`.
void move_blocks(Window& window, base::MeterNumber meter, std::uint32_t fcnt, BlockStore& blocks) {
  const std::uint32_t from = window.last / kWindow;
  const std::uint32_t to = fcnt / kWindow;
  if (to == from) return;
  if (from > 0) put_block(window, meter, from - 1, blocks);
  window.seen[(from + 1) % 2] = {};
  if (to == from + 1) return;
  put_block(window, meter, from, blocks);
  window.seen[from % 2] = {};
  const std::uint32_t gap_begin = to - from > kGapBlocksMax ? to - kGapBlocksMax : from + 1;
  for (std::uint32_t index = gap_begin; index + 1 < to; ++index) blocks.put(window.key(meter, index), Block{});
}

BlockKey first_mic_key(const Window& window, base::MeterNumber meter, std::uint32_t fcnt) {
  return window.key(meter, kFirstMics | fcnt / kMicsPerBlock);
}

base::Result<void> keep_first_mic(const Window& window, base::MeterNumber meter, std::uint32_t fcnt, std::uint32_t mic,
                                  BlockStore& blocks) {
  const auto key = first_mic_key(window, meter, fcnt);
  auto block = MH_TRY(blocks.get(key)).value_or(Block{});
  for (std::size_t i = 0; i < 4; ++i) block[std::size_t{fcnt % kMicsPerBlock} * 4 + i] = byte_of(mic, i);
  blocks.put(key, block);
  return {};
}

// The MICs of first counters that leave the ring when `newest` comes.
base::Result<void> keep_first_mics(const Window& window, base::MeterNumber meter, std::uint32_t newest,
                                   BlockStore& blocks) {
  const auto begin = window.last < kWindow ? 0 : window.last - (kWindow - 1);
  const auto end = std::min({newest - std::min(newest, kWindow - 1), window.last + 1, kFirstMicsKept});
  for (std::uint32_t fcnt = begin; fcnt < end; ++fcnt) {
    if (window.bit(fcnt)) MH_TRY_VOID(keep_first_mic(window, meter, fcnt, window.mic(fcnt), blocks));
  }
  return {};
}

base::Result<void> advance(Window& window, const Reading& reading, BlockStore& blocks) {
  MH_TRY_VOID(keep_first_mics(window, reading.meter, reading.fcnt, blocks));
  move_blocks(window, reading.meter, reading.fcnt, blocks);
  window.last = reading.fcnt;
  return {};
}

base::Result<void> mark_in_block(const Window& window, const Reading& reading, BlockStore& blocks) {
  const auto key = window.key(reading.meter, reading.fcnt / kWindow);
  auto block = MH_TRY(blocks.get(key));
  if (!block) return {};
  auto& byte = (*block)[reading.fcnt % kWindow / 8];
  byte = static_cast<std::uint8_t>(byte | 1u << (reading.fcnt % 8));
  blocks.put(key, *block);
  return {};
}

}  // namespace

Window begin_window(const Reading& first, Start start) {
  Window window;
  window.session = first.session.value;
  window.generation = first.generation.value;
  window.last = first.fcnt;
  window.floor = start == Start::kRestart || first.fcnt < kWindow ? 0 : first.fcnt - (kWindow - 1);
  window.newest_us = first.enqueued.time_since_epoch().count();
  set_bit(window, first.fcnt);
  window.mics[first.fcnt % kWindow] = first.mic;
  return window;
}

base::Result<Memory> recall(const Window& window, base::MeterNumber meter, std::uint32_t fcnt, BlockStore& blocks) {
  if (fcnt < window.floor) return Memory::kUnknown;
  if (window.in_memory(fcnt)) return window.bit(fcnt) ? Memory::kSeen : Memory::kUnseen;
  const auto block = MH_TRY(blocks.get(window.key(meter, fcnt / kWindow)));
  if (!block) return Memory::kUnknown;
  const bool seen = ((*block)[fcnt % kWindow / 8] >> (fcnt % 8) & 1) != 0;
  return seen ? Memory::kSeen : Memory::kUnseen;
}

base::Result<std::optional<std::uint32_t>> recall_first_mic(const Window& window, base::MeterNumber meter,
                                                            std::uint32_t fcnt, BlockStore& blocks) {
  const auto block = MH_TRY(blocks.get(first_mic_key(window, meter, fcnt)));
  if (!block) return std::nullopt;
  std::uint32_t mic = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    mic |= static_cast<std::uint32_t>((*block)[std::size_t{fcnt % kMicsPerBlock} * 4 + i]) << (8 * i);
  }
  return mic == 0 ? std::nullopt : std::optional(mic);
}

base::Result<void> mark(Window& window, const Reading& reading, BlockStore& blocks) {
  if (reading.fcnt > window.last) MH_TRY_VOID(advance(window, reading, blocks));
  window.newest_us = std::max<std::int64_t>(window.newest_us, reading.enqueued.time_since_epoch().count());
  if (!window.in_memory(reading.fcnt)) MH_TRY_VOID(mark_in_block(window, reading, blocks));
  if (window.in_memory(reading.fcnt)) set_bit(window, reading.fcnt);
  if (window.inside(reading.fcnt)) {
    window.mics[reading.fcnt % kWindow] = reading.mic;
  } else if (reading.fcnt < kFirstMicsKept) {
    MH_TRY_VOID(keep_first_mic(window, reading.meter, reading.fcnt, reading.mic, blocks));
  }
  return {};
}

void hand_out(const Window& window, base::MeterNumber meter, BlockStore& blocks) {
  const std::uint32_t index = window.last / kWindow;
  if (index > 0) put_block(window, meter, index - 1, blocks);
  put_block(window, meter, index, blocks);
}

}  // namespace meterhub::dedup
