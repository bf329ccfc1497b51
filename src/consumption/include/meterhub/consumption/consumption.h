// Gas used, from cumulative counters (design part 4, history). Pure.
//
// Readings -> steps: what a meter's counter says between two readings, and how far that is known. Steps -> figures:
// use per period. Figures of neighbouring periods add up to the counter's difference, whatever the borders: nothing
// is counted twice and nothing is lost between them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

namespace meterhub::consumption {

// Cubic metres times 1,000, as counters show them.
using Litres = std::int64_t;

// A reading's identity and what counts. Its place in the order of readings is the identity's: a gateway's clock may
// be wrong, a packet's counter is proven.
struct Reading {
  base::MeterNumber meter;
  base::SessionNumber session;
  base::Generation generation;
  std::uint32_t fcnt = 0;
  base::Timestamp at{};
  Litres counter = 0;  // >= 0

  bool operator==(const Reading&) const = default;
};

enum class StepKind : std::uint8_t {
  kMeasured,  // the counter's difference, over no more time than Rules::gap
  kBridged,   // over more: how much is known, when is not
  kRollOver,  // the counter passed its capacity
  kReset,     // it began at zero again: at least what it shows since
  kReverse,   // it fell, and none of the above explains it: the difference, below zero
  kExchange,  // from one meter's last reading to the next one's first
};
std::string_view name(StepKind kind);  // "measured", "roll_over"

// What was used after `from` and up to `to`.
struct Step {
  Reading from, to;
  Litres used = 0;  // below zero for kReverse only
  StepKind kind = StepKind::kMeasured;
  // Whether all of it is a guess: of kReset and kExchange. Of kBridged only its distribution over time is.
  bool is_estimate() const { return kind == StepKind::kReset || kind == StepKind::kExchange; }
};

// A meter that was put in or taken out, as the fitter noted it.
struct Exchange {
  base::MeterNumber meter;
  std::optional<Litres> counter_in, counter_out;
};

struct Rules {
  base::Duration gap = std::chrono::minutes(5);
  // Where the counter goes on at zero; 0: it does not.
  Litres capacity = 0;
  // The most that flows: what a counter that began again, or rolled over, may show is judged by it. Above 0.
  Litres per_hour = 16'000;
};

// Readings of one meter, or of all meters that hung in one place one after the other, in any order, each any number
// of times. Of those with one identity the first counts. Readings whose times contradict the order of their counters
// are left out, as few as possible; the totals do not change by it. Meters follow each other by the time of their
// first readings. At most one step less than readings.
std::vector<Step> steps_of(std::span<const Reading> readings, const Rules& rules,
                           std::span<const Exchange> exchanges = {});

// Use in (begin, end].
struct Figure {
  base::Timestamp begin{}, end{};
  Litres used = 0;
  // Of it, and of what another period got in its place, what is a guess: shares of bridged steps that a border cuts,
  // and steps that are estimates. Never below zero.
  Litres estimated = 0;
  std::uint32_t steps = 0;                // that have a share in it
  std::optional<Reading> from{}, to{};    // the first step's first reading, the last one's last; none without steps
  bool reset = false, roll_over = false, reverse = false, exchange = false;
};

// `edges` rise; one figure less than edges. A step of kMeasured belongs to the period of its later reading (half a
// minute is no gap); any other one is spread evenly over its time. O(steps + edges).
std::vector<Figure> figures(std::span<const Step> steps, std::span<const base::Timestamp> edges);

}  // namespace meterhub::consumption
