// One window of 128 counters: of one meter, session and generation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <meterhub/dedup/windows.h>

namespace meterhub::dedup {

// What is known of a counter that lies outside the window.
enum class Memory : std::uint8_t { kUnknown, kUnseen, kSeen };

// Bits are kept for the block of the newest counter and the one before it; the window
// always lies inside these two. MICs are kept for the window alone, in a ring.
struct Window {
  std::uint32_t session = 0;
  std::uint32_t generation = 0;
  std::uint32_t last = 0;
  std::uint32_t floor = 0;  // nothing is known below: the meter's first frame was above
  std::int64_t newest_us = 0;  // the hub's enqueue time of the newest reading
  std::array<std::array<std::uint64_t, 2>, 2> seen{};  // [block % 2], 128 bits
  std::array<std::uint32_t, kWindow> mics{};           // [counter % 128]

  bool inside(std::uint32_t fcnt) const { return fcnt <= last && last - fcnt < kWindow; }
  bool in_memory(std::uint32_t fcnt) const { return fcnt <= last && fcnt / kWindow + 1 >= last / kWindow; }
  bool bit(std::uint32_t fcnt) const {
    return (seen[fcnt / kWindow % 2][fcnt % kWindow / 64] >> (fcnt % 64) & 1) != 0;
  }
  std::uint32_t mic(std::uint32_t fcnt) const { return mics[fcnt % kWindow]; }
  BlockKey key(base::MeterNumber meter, std::uint32_t index) const {
    return {meter, base::SessionNumber(session), base::Generation(generation), index};
  }
};
static_assert(sizeof(Window) == 568, "a million meters take 568 MB of windows");

// Starts a window with its first counter. After a restart everything from 0 on is known
// to be unseen; else nothing below the window is known.
enum class Start : std::uint8_t { kFirstEver, kRestart };
Window begin_window(const Reading& first, Start start);

// Whether a counter outside the window was seen: by memory or the blocks.
base::Result<Memory> recall(const Window& window, base::MeterNumber meter, std::uint32_t fcnt, BlockStore& blocks);

// The MIC of one of the first counters (< kFirstMicsKept) outside the window; nothing when
// it is not kept.
base::Result<std::optional<std::uint32_t>> recall_first_mic(const Window& window, base::MeterNumber meter,
                                                            std::uint32_t fcnt, BlockStore& blocks);

// Marks the counter as seen, moving the window when it is the newest. Below the memory and
// without a block it leaves no trace.
base::Result<void> mark(Window& window, const Reading& reading, BlockStore& blocks);

// Hands out the two blocks in memory: the window is about to be dropped.
void hand_out(const Window& window, base::MeterNumber meter, BlockStore& blocks);

}  // namespace meterhub::dedup
