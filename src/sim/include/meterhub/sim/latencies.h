// How long things took: counted in classes 1.6 % wide, so that millions cost no memory.
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

namespace meterhub::sim {

// One thread.
class Latencies {
 public:
  using Time = std::chrono::microseconds;

  // Below zero counts as zero: two clocks may differ by a little.
  void add(Time time);
  std::uint64_t count() const { return count_; }
  Time max() const { return max_; }
  // The upper end of the class that holds the `share`-th one (0.99), never above max().
  Time percentile(double share) const;
  // Those that came after `before`, a copy of this made earlier. Their max() is the end of its class.
  Latencies since(const Latencies& before) const;

 private:
  static constexpr unsigned kFineBits = 6;  // 64 classes an octave
  static constexpr std::uint64_t kFine = 1U << kFineBits;
  static constexpr unsigned kOctaves = 36;  // up to a day and more

  static std::size_t class_of(std::uint64_t micros);
  static std::uint64_t end_of(std::size_t index);

  std::array<std::uint64_t, kFine * kOctaves> classes_{};
  std::uint64_t count_ = 0;
  Time max_{0};
};

}  // namespace meterhub::sim
