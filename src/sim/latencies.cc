#include <meterhub/sim/latencies.h>

#include <algorithm>
#include <cmath>

namespace meterhub::sim {

// Exact up to 64 µs; from there the leading seven bits.
std::size_t Latencies::class_of(std::uint64_t micros) {
  if (micros < kFine) return static_cast<std::size_t>(micros);
  const auto octave = static_cast<unsigned>(std::bit_width(micros)) - kFineBits - 1;
  const auto index = kFine * (octave + 1) + (micros >> octave) - kFine;
  return static_cast<std::size_t>(std::min<std::uint64_t>(index, kFine * kOctaves - 1));
}

std::uint64_t Latencies::end_of(std::size_t index) {
  if (index < kFine) return index;
  const auto octave = index / kFine - 1;
  return ((index % kFine + kFine + 1) << octave) - 1;
}

void Latencies::add(Time time) {
  const auto micros = static_cast<std::uint64_t>(std::max<Time::rep>(time.count(), 0));
  ++classes_[class_of(micros)];
  ++count_;
  max_ = std::max(max_, time);
}

Latencies::Time Latencies::percentile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < classes_.size(); ++index) {
    seen += classes_[index];
    if (seen >= wanted && seen > 0) return std::min(max_, Time(static_cast<Time::rep>(end_of(index))));
  }
  return max_;
}

Latencies Latencies::since(const Latencies& before) const {
  Latencies out;
  for (std::size_t index = 0; index < classes_.size(); ++index) {
    out.classes_[index] = classes_[index] - before.classes_[index];
    out.count_ += out.classes_[index];
    if (out.classes_[index] > 0) out.max_ = Time(static_cast<Time::rep>(end_of(index)));
  }
  return out;
}

}  // namespace meterhub::sim
