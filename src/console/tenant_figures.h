// How many meters of a tenant are in which state, and how many alerts it has.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include <meterhub/base/clock.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/registry/directory.h>
#include <meterhub/tables/database.h>

namespace meterhub::console {

struct Figures {
  std::size_t meters = 0;
  std::array<std::uint32_t, fleet::kMeterStates> by_state{};
  std::int64_t alerts = 0;
};

// On the fleet's thread. Counting looks at every meter (some ten milliseconds for a million), so it is
// done for all tenants at once, when somebody asks, and takes at most a fiftieth of the time.
class TenantFigures {
 public:
  TenantFigures(const registry::Directory& directory, const fleet::FleetState& fleet, const tables::Database& database)
      : directory_(directory), fleet_(fleet), database_(database) {}

  const Figures& of(base::TenantNumber tenant, const base::Clock& clock);

 private:
  struct AlertCount {
    std::int64_t rows = 0;
    base::MonotonicTime again{};
  };
  void count_meters();
  std::int64_t count_alerts(base::TenantNumber tenant, const base::Clock& clock);

  const registry::Directory& directory_;
  const fleet::FleetState& fleet_;
  const tables::Database& database_;
  std::map<base::TenantNumber, Figures> figures_;
  std::map<base::TenantNumber, AlertCount> alerts_;
  base::MonotonicTime again_{};
};

}  // namespace meterhub::console
