// The step between two readings, and a meter's readings in order.
#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include <meterhub/consumption/consumption.h>

namespace meterhub::consumption {

// What a meter's readings are ordered by.
inline auto identity(const Reading& reading) { return std::tuple(reading.session, reading.generation, reading.fcnt); }

// One meter's readings in the order of their counters, each once: of those with one identity the first counts.
std::vector<Reading> in_order(std::vector<Reading> readings);

// From one meter's last reading to the first of the one in its place: what neither one's readings show is known as far
// as the fitter noted the counters.
Step exchanged(const Reading& from, const Reading& to, std::optional<Litres> counter_out,
               std::optional<Litres> counter_in);

// Of one meter.
Step between(const Reading& from, const Reading& to, const Rules& rules);

}  // namespace meterhub::consumption
