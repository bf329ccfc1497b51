// Readings written short.
#pragma once

#include <meterhub/consumption/consumption.h>

namespace meterhub::consumption {

inline base::Timestamp second(std::int64_t s) { return base::Timestamp(std::chrono::seconds(s)); }

// A reading of meter 1 at that second, whose frame counter is its place in time.
inline Reading reading(std::int64_t s, Litres counter, std::uint32_t generation = 0, std::uint32_t meter = 1) {
  Reading out;
  out.meter = base::MeterNumber(meter);
  out.session = base::SessionNumber(1);
  out.generation = base::Generation(generation);
  out.fcnt = static_cast<std::uint32_t>(s);
  out.at = second(s);
  out.counter = counter;
  return out;
}

}  // namespace meterhub::consumption
