#include "clock_order.h"

#include <algorithm>

namespace meterhub::consumption {

std::vector<Reading> with_rising_times(const std::vector<Reading>& readings) {
  constexpr auto at = [](const Reading& reading) { return reading.at; };
  if (std::ranges::is_sorted(readings, {}, at)) return readings;
  // The longest subsequence that does not fall: ends[k] is the reading with the least time at which one of k + 1
  // readings can end, before[i] the one before reading i in its longest.
  constexpr std::size_t kNone = SIZE_MAX;
  std::vector<std::size_t> ends, before(readings.size(), kNone);
  for (std::size_t i = 0; i < readings.size(); ++i) {
    const auto place = std::ranges::upper_bound(ends, readings[i].at, {}, [&](std::size_t end) { return readings[end].at; });
    if (place != ends.begin()) before[i] = *std::prev(place);
    if (place == ends.end()) {
      ends.push_back(i);
    } else {
      *place = i;
    }
  }
  std::vector<Reading> out;
  for (std::size_t i = ends.back(); i != kNone; i = before[i]) out.push_back(readings[i]);
  std::ranges::reverse(out);
  return out;
}

}  // namespace meterhub::consumption
