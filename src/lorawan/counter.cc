#include <meterhub/lorawan/counter.h>

namespace meterhub::lorawan {
namespace {

constexpr std::int64_t kStep = 0x10000;
constexpr std::int64_t kLimit = 0x1'0000'0000;

bool valid(std::int64_t value) { return value >= 0 && value < kLimit; }

// The valid value congruent to `low` that is nearest to `last`; ties go up.
std::int64_t nearest_to(std::uint16_t low, std::uint32_t last) {
  const std::int64_t middle = (std::int64_t{last} & ~(kStep - 1)) | low;
  const std::int64_t distance = middle - last;
  if (distance > kStep / 2 && valid(middle - kStep)) return middle - kStep;
  if (distance <= -kStep / 2 && valid(middle + kStep)) return middle + kStep;
  return middle;
}

}  // namespace

CounterCandidates::CounterCandidates(std::uint16_t low, std::optional<std::uint32_t> last, std::uint32_t max_high)
    : low_(low), nearest_(nearest_to(low, last.value_or(low))), max_high_(max_high) {}

// Value of one step, whether valid or not; nullopt behind the last step.
std::optional<std::int64_t> CounterCandidates::at(std::uint32_t step) const {
  if (step <= 1) return nearest_ + kStep * step;
  if (step == 2) return nearest_ - kStep;
  if (step <= max_high_ + 1) return nearest_ + kStep * (step - 1);
  if (step > max_high_ + 2) return std::nullopt;
  const bool given_before = nearest_ - kStep <= low_;
  return given_before ? -1 : low_;
}

std::optional<std::uint32_t> CounterCandidates::next() {
  while (const auto value = at(step_)) {
    ++step_;
    if (valid(*value)) return static_cast<std::uint32_t>(*value);
  }
  return std::nullopt;
}

}  // namespace meterhub::lorawan
