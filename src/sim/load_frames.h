// Frames of many meters at once: eight keys at a time in the AES kernel.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <meterhub/sim/town.h>

namespace meterhub::sim {

inline constexpr std::size_t kLoadPayload = 20;               // bytes of a v1 payload
inline constexpr std::size_t kLoadFrame = 13 + kLoadPayload;  // header, port and MIC around it
using LoadFrame = std::array<std::uint8_t, kLoadFrame>;

struct FrameJob {
  SimMeter meter;
  std::uint32_t fcnt = 0;
  std::array<std::uint8_t, kLoadPayload> payload{};
  LoadFrame* frame = nullptr;  // out
};
void make_frames(std::span<FrameJob> jobs);

}  // namespace meterhub::sim
