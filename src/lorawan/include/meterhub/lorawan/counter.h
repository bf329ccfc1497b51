// The 32-bit uplink counter behind the 16 bits on the air (spec/lorawan-ns.md section 4.1).
#pragma once

#include <cstdint>
#include <optional>

namespace meterhub::lorawan {

// Gives candidates in the order in which they are to be tried, each value once: with a hint
// the nearest value congruent to the frame's bits, +0x10000, -0x10000, +2..+max_hi steps, then
// the bare 16 bits (a reset); without one the high words 0..max_hi. Values outside 32 bits
// are left out. At most max_hi + 3 values.
class CounterCandidates {
 public:
  static constexpr std::uint32_t kMaxHighDefault = 64;

  // `last` = hint: the highest counter accepted so far.
  CounterCandidates(std::uint16_t low, std::optional<std::uint32_t> last, std::uint32_t max_high = kMaxHighDefault);

  // nullopt when all were given.
  std::optional<std::uint32_t> next();

 private:
  std::optional<std::int64_t> at(std::uint32_t step) const;

  std::uint16_t low_;
  std::int64_t nearest_;
  std::uint32_t max_high_;
  std::uint32_t step_ = 0;
};

}  // namespace meterhub::lorawan
