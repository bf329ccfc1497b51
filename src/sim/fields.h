// What the fields of any payload profile say of a simulated meter. Pure.
#pragma once

#include <chrono>
#include <cstdint>

#include <meterhub/meter/reading.h>

#include "household.h"

namespace meterhub::sim {

// A meter at the moment that it sends.
struct Situation {
  std::uint64_t seed = 0;               // of the town
  std::uint32_t meter = 0;              // index
  std::uint64_t packet = 0;             // number
  Figures figures = {};                 // litres
  std::uint32_t litres_since = 0;       // used since its packet before
  std::chrono::milliseconds since{1};   // how long ago that was
  std::uint16_t status = 0;             // bits of v1
};

// A value for every field, by what its name and unit say (docs/formats/profile.md, "Simulated"); what it gives can be
// encoded. Two calls for one situation give the same.
meter::Reading report(const meter::Profile& profile, const Situation& situation);

}  // namespace meterhub::sim
