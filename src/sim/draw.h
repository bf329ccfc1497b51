// Repeatable randomness without state: the same seed, purpose and indexes give the same
// draws, in any order and after any restart.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace meterhub::sim {

// What a draw is for; keeps streams apart. Stored nowhere, but changing one changes towns.
enum class Purpose : std::uint64_t {
  kBuilding = 1, kGateway, kMeter, kMeterKeys, kHousehold, kUse, kAir, kReception, kNoise, kFault, kIncident, kDocument, kField, kTrouble,
};

class Draw {
 public:
  Draw(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint64_t b = 0)
      : state_(mix(mix(mix(seed ^ static_cast<std::uint64_t>(purpose) * kOdd) ^ a * kOdd) ^ b * kOdd)) {}

  std::uint64_t next() { return mix(state_ += kOdd); }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>((next() >> 32) * bound >> 32); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)
  bool chance(double probability) { return unit() < probability; }
  double between(double low, double high) { return low + (high - low) * unit(); }
  double normal() {  // Box and Muller
    const double radius = std::sqrt(-2.0 * std::log(1.0 - unit()));
    return radius * std::cos(2.0 * std::numbers::pi * unit());
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out{};
    for (auto& byte : out) byte = static_cast<std::uint8_t>(next() >> 56);
    return out;
  }

 private:
  static constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15ULL;
  static std::uint64_t mix(std::uint64_t z) {  // splitmix64's finish
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
  }
  std::uint64_t state_;
};

}  // namespace meterhub::sim
