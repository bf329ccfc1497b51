// What is remembered of a meter beside its last reading, to judge the next one: gas used by local day, flow, and the
// conditions that hold. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/fleet/day_clock.h>
#include <meterhub/fleet/reading.h>
#include <meterhub/rules/thresholds.h>

namespace meterhub::fleet {

// What may be wrong with a meter, as levels: true until it is over.
enum class Condition : std::uint8_t {
  kLowBalance,    // below the platform's or tenant's limit
  kOwnLimit,      // below the limit the registry states for this meter
  kSilent,        // nothing heard for longer than its limit
  kLeak,          // gas flows without a pause
  kTamper,        // the tamper bit, or figures that cannot be right
  kReverse,       // the counter fell
  kStuck,         // the counter stands for weeks
  kHighFlow,      // more than the meter's maximum
  kBatteryLow,
  kValveClosed,
  kSensorFault,
  kCounterReset,  // the counter began again
};
inline constexpr std::size_t kConditions = 12;
// The name of the rule it raises: "low_balance", "silent_meter", …
std::string_view condition_name(Condition condition);

using Conditions = std::uint16_t;  // bit n: Condition n
constexpr Conditions bit(Condition condition) { return static_cast<Conditions>(1u << static_cast<unsigned>(condition)); }

// Today and the seven days before it.
inline constexpr std::int32_t kDaysKept = 8;
inline constexpr std::int32_t kNoDay = std::numeric_limits<std::int32_t>::min();

// Gas that pauses for longer than this has paused: shorter than a leak's own time between two litres, it would hide
// one; 20 litres an hour move the counter every three minutes.
inline constexpr std::chrono::minutes kLeakPause{10};

// What the registry and the settings say about a meter.
struct MeterLimits {
  std::chrono::seconds silence{3600};
  std::int64_t low_litres = 5000;  // below it the meter's state is `low`: its own limit, else the threshold
  bool has_own_limit = false;      // low_litres is the meter's own
  base::TenantNumber tenant{};     // whose flow it is
  const rules::Thresholds* thresholds = nullptr;  // null: the defaults
  DayClock* days = nullptr;                // null: use and readings by day are not counted
  std::int32_t open_day = INT32_MIN;  // of the tenant's days those before it are closed (docs/completeness.md)
};

// 64 bytes a meter.
struct MeterWatch {
  base::Timestamp flowing_since{};  // since when gas flows without a pause; 0: it does not
  base::Timestamp moved_at{};       // when the counter was last seen to move, or seen first
  std::array<std::int32_t, kDaysKept> used{};  // litres, of day n at n mod kDaysKept; below zero only where a counter fell
  std::int32_t day = kNoDay;        // the newest day counted
  std::uint32_t flow = 0;           // litres an hour, over the newest step
  Conditions conditions = 0;
  std::uint16_t spare = 0;

  bool operator==(const MeterWatch&) const = default;

  // Use of a local day; 0 for one that is not kept.
  std::int64_t used_on(std::int32_t number) const;
};
static_assert(sizeof(MeterWatch) == 64);

// Whether the status word says so.
bool valve_closed(const Reading& reading, const rules::Thresholds& thresholds);

// A meter's newest reading `next` (heard at `at`), after `before` (heard at `before_at` <= `at`; null: it is the first): counts
// what was used, by src/consumption's rules, and returns the conditions that hold now. kSilent is never among them.
Conditions take_reading(MeterWatch& watch, const Reading* before, base::Timestamp before_at, const Reading& next,
                        base::Timestamp at, const MeterLimits& limits);

// A condition in one line for people, without words where a figure says it: "left 4.321 m3", at most 120 bytes.
std::string condition_detail(Condition condition, const Reading& reading, const MeterWatch& watch, base::Timestamp at);

}  // namespace meterhub::fleet
