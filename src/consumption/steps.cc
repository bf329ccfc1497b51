#include <algorithm>
#include <map>
#include <string_view>

#include <meterhub/consumption/consumption.h>

#include "clock_order.h"
#include "steps.h"

namespace meterhub::consumption {
namespace {

using Int128 = __int128;

// What may have flowed meanwhile: a minute more, as times are rounded and meters count in steps.
Litres most_in(base::Duration time, const Rules& rules) {
  constexpr Int128 kHour = std::chrono::duration_cast<base::Duration>(std::chrono::hours(1)).count();
  const Int128 span = (std::max(time, base::Duration::zero()) + std::chrono::minutes(1)).count();
  const Int128 most = (span * rules.per_hour + kHour - 1) / kHour;
  return static_cast<Litres>(std::min<Int128>(most, INT64_MAX / 4));
}

const Exchange* note_of(base::MeterNumber meter, std::span<const Exchange> exchanges) {
  const auto found = std::ranges::find(exchanges, meter, &Exchange::meter);
  return found == exchanges.end() ? nullptr : &*found;
}

Step exchange(const Reading& from, const Reading& to, std::span<const Exchange> exchanges) {
  const auto* const old = note_of(from.meter, exchanges);
  const auto* const now = note_of(to.meter, exchanges);
  return exchanged(from, to, old == nullptr ? std::nullopt : old->counter_out,
                   now == nullptr ? std::nullopt : now->counter_in);
}

}  // namespace

Step exchanged(const Reading& from, const Reading& to, std::optional<Litres> counter_out,
               std::optional<Litres> counter_in) {
  Litres used = 0;
  if (counter_out) used += std::max<Litres>(0, *counter_out - from.counter);
  if (counter_in) used += std::max<Litres>(0, to.counter - *counter_in);
  return {from, to, used, StepKind::kExchange};
}

Step between(const Reading& from, const Reading& to, const Rules& rules) {
  const auto time = to.at - from.at;
  Step step{from, to, to.counter - from.counter, time > rules.gap ? StepKind::kBridged : StepKind::kMeasured};
  if (step.used >= 0) return step;
  const auto most = most_in(time, rules);
  const auto over = to.counter - from.counter + rules.capacity;
  if (rules.capacity > from.counter && over <= most) {
    step.used = over;
    step.kind = StepKind::kRollOver;
  } else if (to.counter <= most) {
    step.used = to.counter;
    step.kind = StepKind::kReset;
  } else {
    step.kind = StepKind::kReverse;
  }
  return step;
}

std::vector<Reading> in_order(std::vector<Reading> readings) {
  std::ranges::stable_sort(readings, {}, identity);
  const auto repeated = std::ranges::unique(readings, {}, identity);
  readings.erase(repeated.begin(), repeated.end());
  return readings;
}

std::string_view name(StepKind kind) {
  switch (kind) {
    case StepKind::kMeasured: return "measured";
    case StepKind::kBridged: return "bridged";
    case StepKind::kRollOver: return "roll_over";
    case StepKind::kReset: return "reset";
    case StepKind::kReverse: return "reverse";
    case StepKind::kExchange: return "exchange";
  }
  return "";
}

std::vector<Step> steps_of(std::span<const Reading> readings, const Rules& rules, std::span<const Exchange> exchanges) {
  std::map<base::MeterNumber, std::vector<Reading>> by_meter;
  for (const auto& reading : readings) by_meter[reading.meter].push_back(reading);
  std::vector<std::vector<Reading>> meters;
  for (auto& [meter, its] : by_meter) meters.push_back(with_rising_times(in_order(std::move(its))));
  std::ranges::stable_sort(meters, {}, [](const auto& its) { return its.front().at; });
  std::vector<Step> out;
  const Reading* before = nullptr;
  for (const auto& its : meters) {
    for (const auto& reading : its) {
      // Meters that send side by side for a while: the new one's readings count from the old one's last on.
      if (before != nullptr && reading.at < before->at) continue;
      if (before != nullptr)
        out.push_back(before->meter == reading.meter ? between(*before, reading, rules)
                                                     : exchange(*before, reading, exchanges));
      before = &reading;
    }
  }
  return out;
}

}  // namespace meterhub::consumption
