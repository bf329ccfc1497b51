#include <meterhub/consumption/local_time.h>

#include <string>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>

namespace meterhub::consumption {
namespace {

absl::Time to_absl(base::Timestamp at) { return absl::FromUnixMicros(at.time_since_epoch().count()); }
base::Timestamp from_absl(absl::Time at) { return base::Timestamp(base::Duration(absl::ToUnixMicros(at))); }

base::Timestamp cut(base::Timestamp at, std::chrono::seconds length) {
  const auto past = at.time_since_epoch();
  auto whole = past / length;
  if (past < whole * length) --whole;  // before 1970
  return base::Timestamp(whole * base::Duration(length));
}

}  // namespace

struct LocalTime::Zone {
  absl::TimeZone zone;

  // The first instant of the civil day or month: where clocks skip midnight, the day begins after the gap.
  template <class Civil>
  base::Timestamp begin(Civil civil) const {
    const auto info = zone.At(absl::CivilSecond(civil));
    return from_absl(info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre);
  }
  template <class Civil>
  Civil civil(base::Timestamp at) const {
    return Civil(zone.At(to_absl(at)).cs);
  }
};

base::Result<LocalTime> LocalTime::of(std::string_view zone) {
  absl::TimeZone found;
  if (zone.empty() || !absl::LoadTimeZone(std::string(zone), &found))
    return base::fail(base::Errc::kInvalidArgument, "unknown time zone: " + std::string(zone.substr(0, 64)));
  return LocalTime(std::make_shared<const Zone>(found));
}

base::Timestamp LocalTime::begin_of(Period period, base::Timestamp at) const {
  switch (period) {
    case Period::kFiveMinutes: return cut(at, std::chrono::minutes(5));
    case Period::kHour: return cut(at, std::chrono::hours(1));
    case Period::kDay: return zone_->begin(zone_->civil<absl::CivilDay>(at));
    case Period::kMonth: break;
  }
  return zone_->begin(zone_->civil<absl::CivilMonth>(at));
}

base::Timestamp LocalTime::end_of(Period period, base::Timestamp at) const {
  switch (period) {
    case Period::kFiveMinutes: return cut(at, std::chrono::minutes(5)) + std::chrono::minutes(5);
    case Period::kHour: return cut(at, std::chrono::hours(1)) + std::chrono::hours(1);
    case Period::kDay: return zone_->begin(zone_->civil<absl::CivilDay>(at) + 1);
    case Period::kMonth: break;
  }
  return zone_->begin(zone_->civil<absl::CivilMonth>(at) + 1);
}

std::vector<base::Timestamp> LocalTime::edges(Period period, base::Timestamp from, base::Timestamp to) const {
  std::vector<base::Timestamp> out{begin_of(period, from)};
  while (out.back() < to) out.push_back(end_of(period, out.back()));
  return out;
}

CivilTime LocalTime::civil(base::Timestamp at) const {
  const auto second = zone_->civil<absl::CivilSecond>(at);
  return {second.year(), second.month(), second.day(), second.hour(), second.minute(), second.second()};
}

base::Timestamp LocalTime::next(std::chrono::minutes of_the_day, base::Timestamp at) const {
  const auto today = zone_->civil<absl::CivilDay>(at);
  for (int days = 0;; ++days) {
    const auto found = zone_->begin(absl::CivilMinute(today + days) + of_the_day.count());
    if (found > at) return found;
  }
}

}  // namespace meterhub::consumption
