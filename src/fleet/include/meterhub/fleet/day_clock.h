// Numbers of a tenant's local days. Pure but for the system's time zone tables.
#pragma once

#include <cstdint>

#include <meterhub/base/clock.h>
#include <meterhub/consumption/local_time.h>

namespace meterhub::fleet {

// Days since 1970-01-01 as the zone's people count them; rises by one at each local midnight, whether the day has 23, 24
// or 25 hours. Quick for times near the last ones asked for. One thread.
class DayClock {
 public:
  explicit DayClock(consumption::LocalTime zone);

  std::int32_t number_of(base::Timestamp at);
  // When that day begins.
  base::Timestamp begin_of(std::int32_t number);

  const consumption::LocalTime& zone() const { return zone_; }

 private:
  consumption::LocalTime zone_;
  base::Timestamp origin_;  // begin of the local day 10
  base::Timestamp begin_{}, end_{};
  std::int32_t number_ = 0;
};

}  // namespace meterhub::fleet
