#include <meterhub/fleet/watch.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include <meterhub/consumption/consumption.h>

namespace meterhub::fleet {
namespace {

using consumption::Step;
using consumption::StepKind;

using rules::Thresholds;
const Thresholds kDefaults{};

constexpr std::int64_t kHour = std::chrono::duration_cast<base::Duration>(std::chrono::hours(1)).count();

void add_to_day(MeterWatch& watch, std::int32_t number, std::int64_t litres) {
  if (watch.day == kNoDay) watch.day = number;
  if (number <= watch.day - kDaysKept) return;
  for (; watch.day < number; ++watch.day) {
    if (number - watch.day >= kDaysKept) {
      watch.used = {};
      watch.day = number;
      break;
    }
    watch.used[static_cast<std::size_t>((watch.day + 1) % kDaysKept)] = 0;
  }
  auto& day = watch.used[static_cast<std::size_t>(number % kDaysKept)];
  day = static_cast<std::int32_t>(std::clamp<std::int64_t>(day + litres, INT32_MIN, INT32_MAX));
}

consumption::Reading counter_of(const Reading& reading, base::Timestamp at) {
  return {.meter = base::MeterNumber(1),
          .session = base::SessionNumber(reading.session),
          .generation = base::Generation(reading.generation),
          .fcnt = reading.fcnt,
          .at = at,
          .counter = reading.used};
}

// A measured step belongs to the day of its later reading; any other is spread over the days it covers.
void count_days(MeterWatch& watch, const Step& step, DayClock& days) {
  // Midnight itself is the end of the day before, as in consumption::figures.
  const auto last = days.number_of(step.to.at - base::Duration(1));
  if (step.kind == StepKind::kMeasured) return add_to_day(watch, last, step.used);
  // What lies before the days kept is dropped.
  const auto first = std::max(days.number_of(step.from.at), last - kDaysKept + 1);
  std::vector<base::Timestamp> edges;
  for (auto number = first; number <= last + 1; ++number) edges.push_back(days.begin_of(number));
  const auto figures = consumption::figures(std::span(&step, 1), edges);
  for (std::size_t i = 0; i < figures.size(); ++i)
    if (figures[i].steps > 0) add_to_day(watch, first + static_cast<std::int32_t>(i), figures[i].used);
}

std::optional<Step> step_between(const Reading& before, base::Timestamp before_at, const Reading& next, base::Timestamp at) {
  if (before.used < 0 || next.used < 0) return std::nullopt;  // kNoAmount too
  const consumption::Rules rules;
  const std::array pair{counter_of(before, before_at), counter_of(next, at)};
  // Nearly every step: no allocation.
  if (at >= before_at && at - before_at <= rules.gap && next.used >= before.used)
    return Step{pair[0], pair[1], next.used - before.used, StepKind::kMeasured};
  const auto steps = consumption::steps_of(pair, rules);
  if (steps.empty()) return std::nullopt;
  return steps.front();
}

void follow_flow(MeterWatch& watch, const Step& step, const Thresholds& thresholds) {
  const auto span = (step.to.at - step.from.at).count();
  const bool flowed = static_cast<double>(step.used) > thresholds.leak_step_litres;
  watch.flow = step.used > 0 && span > 0 ? static_cast<std::uint32_t>(std::min<std::int64_t>(step.used * kHour / span, UINT32_MAX)) : 0;
  if (flowed) {
    if (step.kind != StepKind::kMeasured || watch.flowing_since == base::Timestamp{} ||
        step.to.at - watch.moved_at > kLeakPause)
      watch.flowing_since = step.to.at;
    watch.moved_at = step.to.at;
  } else if (step.to.at - watch.moved_at > kLeakPause) {
    watch.flowing_since = {};
  }
}

Conditions conditions_of_step(const MeterWatch& watch, const Step& step, const Thresholds& thresholds) {
  Conditions out = 0;
  if (step.kind == StepKind::kReverse) out |= bit(Condition::kReverse);
  if (step.kind == StepKind::kReset) out |= bit(Condition::kCounterReset);
  if (step.kind == StepKind::kMeasured && watch.flow > thresholds.flow_max * 1000) out |= bit(Condition::kHighFlow);
  if (watch.flowing_since != base::Timestamp{} && watch.moved_at - watch.flowing_since >= thresholds.leak_duration)
    out |= bit(Condition::kLeak);
  if (step.to.at - watch.moved_at > thresholds.stuck_counter) out |= bit(Condition::kStuck);
  return out;
}

bool balance_wrong(const Reading* before, const Reading& next, const Thresholds& thresholds) {
  if (next.bought == kNoAmount || next.left == kNoAmount || next.used == kNoAmount) return false;
  if (static_cast<double>(std::abs(next.bought - next.left - next.used)) > thresholds.tamper_tolerance_litres) return true;
  return before != nullptr && before->left != kNoAmount && before->generation == next.generation &&
         next.left > before->left && next.bought == before->bought;
}

Conditions conditions_of_reading(const Reading* before, const Reading& next, const MeterLimits& limits,
                                 const Thresholds& thresholds) {
  Conditions out = 0;
  if (next.left != kNoAmount) {
    if (next.left < thresholds.low_limit_litres) out |= bit(Condition::kLowBalance);
    if (limits.has_own_limit && next.left < limits.low_litres) out |= bit(Condition::kOwnLimit);
  }
  if (balance_wrong(before, next, thresholds)) out |= bit(Condition::kTamper);
  if (!next.has_status) return out;
  if ((next.status & thresholds.tamper_mask) != 0) out |= bit(Condition::kTamper);
  if ((next.status & thresholds.battery_mask) != 0) out |= bit(Condition::kBatteryLow);
  if ((next.status & thresholds.sensor_mask) != 0) out |= bit(Condition::kSensorFault);
  if (valve_closed(next, thresholds)) out |= bit(Condition::kValveClosed);
  return out;
}

std::string cubic_metres(std::int64_t litres) {
  return fmt::format("{}{}.{:03}", litres < 0 ? "-" : "", std::abs(litres) / 1000, std::abs(litres) % 1000);
}

}  // namespace

bool valve_closed(const Reading& reading, const Thresholds& thresholds) {
  return reading.has_status && (reading.status & thresholds.valve_mask) != 0;
}

std::string_view condition_name(Condition condition) {
  static constexpr std::array<std::string_view, kConditions> kNames{
      "low_balance", "own_limit", "silent_meter", "leak",         "tamper",       "reverse_counter",
      "stuck_counter", "high_flow", "battery_low",  "valve_closed", "sensor_fault", "counter_reset"};
  return kNames[static_cast<std::size_t>(condition)];
}

std::int64_t MeterWatch::used_on(std::int32_t number) const {
  if (day == kNoDay || number > day || number <= day - kDaysKept || number < 0) return 0;
  return used[static_cast<std::size_t>(number % kDaysKept)];
}

Conditions take_reading(MeterWatch& watch, const Reading* before, base::Timestamp before_at, const Reading& next,
                        base::Timestamp at, const MeterLimits& limits) {
  const auto& thresholds = limits.thresholds != nullptr ? *limits.thresholds : kDefaults;
  auto out = conditions_of_reading(before, next, limits, thresholds);
  if (watch.moved_at == base::Timestamp{}) watch.moved_at = at;
  if (before == nullptr) return out;
  const auto step = step_between(*before, before_at, next, at);
  if (!step) return out;
  if (limits.days != nullptr) count_days(watch, *step, *limits.days);
  follow_flow(watch, *step, thresholds);
  return out | conditions_of_step(watch, *step, thresholds);
}

std::string condition_detail(Condition condition, const Reading& reading, const MeterWatch& watch, base::Timestamp at) {
  using std::chrono::duration_cast;
  switch (condition) {
    case Condition::kLowBalance:
    case Condition::kOwnLimit: return fmt::format("left {} m3", cubic_metres(reading.left));
    case Condition::kLeak:
      return fmt::format("{} min, {} m3/h", duration_cast<std::chrono::minutes>(watch.moved_at - watch.flowing_since).count(),
                         cubic_metres(watch.flow));
    case Condition::kHighFlow: return fmt::format("{} m3/h", cubic_metres(watch.flow));
    case Condition::kTamper:
      if (reading.bought == kNoAmount || reading.left == kNoAmount || reading.used == kNoAmount)
        return fmt::format("status {}", reading.status);
      return fmt::format("status {}, bought {} left {} used {} m3", reading.status, cubic_metres(reading.bought),
                         cubic_metres(reading.left), cubic_metres(reading.used));
    case Condition::kReverse:
    case Condition::kCounterReset: return fmt::format("used {} m3", cubic_metres(reading.used));
    case Condition::kStuck:
      return fmt::format("{} d, used {} m3", duration_cast<std::chrono::days>(at - watch.moved_at).count(),
                         cubic_metres(reading.used));
    case Condition::kSilent: return {};  // what it said last says nothing about it
    case Condition::kBatteryLow:
    case Condition::kValveClosed:
    case Condition::kSensorFault: break;
  }
  return reading.has_status ? fmt::format("status {}", reading.status) : std::string();
}

}  // namespace meterhub::fleet
