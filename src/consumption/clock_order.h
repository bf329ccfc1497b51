// Which readings' clocks to believe.
#pragma once

#include <vector>

#include <meterhub/consumption/consumption.h>

namespace meterhub::consumption {

// Of readings in the order of their counters, the most whose times do not fall: the others' clocks were wrong.
// Among several choices one that is the same for the same readings. O(n log n).
std::vector<Reading> with_rising_times(const std::vector<Reading>& readings);

}  // namespace meterhub::consumption
