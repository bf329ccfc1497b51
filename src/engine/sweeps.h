// When state is looked through for what is too old.
#pragma once

#include <array>
#include <cstdint>

#include <meterhub/engine/value.h>

#include "operator_state.h"

namespace meterhub::engine {

// When to look for what is too old in a part: once in the longest duration, so that what is kept
// is never more than twice what is needed. Shows in no result, and is not saved.
class Sweeps {
 public:
  explicit Sweeps(Ticks period) : period_(period) {}
  bool due(std::uint32_t part, Ticks now) {
    if (now < next_[part]) return false;
    const bool first = next_[part] == 0;
    next_[part] = now + period_;
    return !first;
  }

 private:
  const Ticks period_;
  std::array<Ticks, kStateParts> next_{};
};

}  // namespace meterhub::engine
