// Meters of a town that are in trouble from the first day or get into it within minutes, for tests and shows of what
// the office sees. Drawn from the town's seed: the same town has the same ones after any restart. Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace meterhub::sim {

enum class Trouble : std::uint8_t {
  kNeverSends,    // no packet at all
  kFallsSilent,   // after some packets none any more
  kValveClosed,   // status bit; no gas flows
  kCaseOpened,    // status bit
  kFlowSensor,    // status bit
  kLowBalance,    // less than 5 m3 from the first packet on
  kLeak,          // gas flows all the time
  kBackwards,     // after some packets the counter falls, a little with each
};
inline constexpr std::uint32_t kTroubles = 8;

struct MeterTrouble {
  Trouble kind = Trouble::kLeak;
  // kFallsSilent, kBackwards: packets before it. kLowBalance: litres left at first. kLeak: litres an hour.
  std::uint32_t amount = 0;
};

// Of a share of all meters, 0 to 1: each kind equally often. Nothing: this meter is well.
std::optional<MeterTrouble> trouble_of(std::uint64_t seed, std::uint32_t meter, double share);

}  // namespace meterhub::sim
