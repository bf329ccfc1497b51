#include <meterhub/fleet/day_clock.h>

#include <cmath>

namespace meterhub::fleet {
namespace {

using std::chrono::hours;
using Period = consumption::Period;
constexpr std::int32_t kOrigin = 10;

}  // namespace

// Noon UTC of day 10 lies in the local day 10 or, east of +12, just in the next one; noon of that day does not.
DayClock::DayClock(consumption::LocalTime zone) : zone_(std::move(zone)) {
  const base::Timestamp noon(std::chrono::days(kOrigin) + hours(12));
  origin_ = zone_.begin_of(Period::kDay, noon);
  if (noon - origin_ < hours(2)) origin_ = zone_.begin_of(Period::kDay, origin_ - hours(12));
}

// Midnights are whole days apart but for an hour or two of clocks turned.
std::int32_t DayClock::number_of(base::Timestamp at) {
  if (at >= begin_ && at < end_) return number_;
  begin_ = zone_.begin_of(Period::kDay, at);
  end_ = zone_.end_of(Period::kDay, at);
  const auto days = std::chrono::duration<double, std::chrono::days::period>(begin_ - origin_).count();
  number_ = kOrigin + static_cast<std::int32_t>(std::lround(days));
  return number_;
}

base::Timestamp DayClock::begin_of(std::int32_t number) {
  return zone_.begin_of(Period::kDay, origin_ + std::chrono::days(number - kOrigin) + hours(12));
}

}  // namespace meterhub::fleet
