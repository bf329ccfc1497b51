// Which meters hung in a meter's place before it, and when: from the registry's notes of exchanges. Pure.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <meterhub/registry/directory.h>

namespace meterhub::history {

// A meter's time in a place. Readings of (from, to] are of it.
struct PlaceStay {
  base::Eui64 eui;
  base::MeterNumber meter;
  base::Timestamp from = base::Timestamp::min(), to = base::Timestamp::max();
  std::optional<std::int64_t> counter_in{}, counter_out{};  // litres, where they were noted

  bool holds(base::Timestamp at) const { return at > from && at <= to; }
};

// Exchanges in which a meter came or went, in the order of time.
using ExchangesOf = std::function<std::vector<registry::Exchange>(base::MeterNumber)>;

// The stays in the place where the meter hangs, or hung last, up to its own, which is the last; never empty. One that
// was moved without an exchange has no predecessors.
std::vector<PlaceStay> stays_of(const registry::MeterEntry& meter, const ExchangesOf& exchanges_of);

}  // namespace meterhub::history
