// Hours, days and months as the tenant's people count them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::consumption {

enum class Period : std::uint8_t { kFiveMinutes, kHour, kDay, kMonth };

// What a calendar and a clock on the wall show.
struct CivilTime {
  std::int64_t year = 1970;
  int month = 1;  // 1 to 12
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
  bool operator==(const CivilTime&) const = default;
};

// A time zone of the system's tables. Any thread; cheap to copy.
class LocalTime {
 public:
  // IANA name. kInvalidArgument when the system does not know it.
  static base::Result<LocalTime> of(std::string_view zone);

  // When the period began that holds `at`. Five minutes and hours are those of UTC: where clocks are turned by half
  // an hour they are cut there too. Days may have 23 or 25 hours.
  base::Timestamp begin_of(Period period, base::Timestamp at) const;
  // When the next one begins; > `at`.
  base::Timestamp end_of(Period period, base::Timestamp at) const;
  // Borders from the begin of the period that holds `from` to the first one at or after `to`; at least two where
  // from < to.
  std::vector<base::Timestamp> edges(Period period, base::Timestamp from, base::Timestamp to) const;
  CivilTime civil(base::Timestamp at) const;
  // The first instant after `at` when the clock on the wall comes to that time of the day (0 to 1,439 minutes); where
  // clocks skip it, when they have.
  base::Timestamp next(std::chrono::minutes of_the_day, base::Timestamp at) const;

 private:
  struct Zone;
  explicit LocalTime(std::shared_ptr<const Zone> zone) : zone_(std::move(zone)) {}
  std::shared_ptr<const Zone> zone_;
};

}  // namespace meterhub::consumption
