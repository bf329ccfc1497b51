// One look over all meters: the figures of every building and district, and every meter's row. In pieces, so that the
// thread goes on with its other work between them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/registry/directory.h>

namespace meterhub::fleet {

// A meter that sent nothing for longer does not count for the flow of now.
inline constexpr std::chrono::minutes kFlowOfNow{5};

struct AreaFigures {
  std::uint32_t meters = 0;
  // By state; they add up to `meters`. `unheard`: never heard.
  std::uint32_t online = 0, low = 0, closed = 0, silent = 0, faulty = 0, unheard = 0;
  std::uint32_t open_alarms = 0;
  std::uint64_t flow = 0;  // litres an hour, of the newest steps
  // Litres, of the tenant's local days: of what was read so far.
  std::int64_t used_today = 0, used_yesterday = 0, used_week_ago = 0;

  AreaFigures& operator+=(const AreaFigures& other);
  bool operator==(const AreaFigures&) const = default;
};

struct BuildingFigures {
  registry::BuildingEntry building;
  AreaFigures figures;
};
struct DistrictFigures {
  base::TenantNumber tenant;
  std::string district;
  std::uint32_t buildings = 0;
  AreaFigures figures;
};

// A meter's row, beside what the directory says of it.
struct MeterFigures {
  MeterState state = MeterState::kNew;
  base::Timestamp heard{};         // 0: never
  const Reading* last = nullptr;   // null: nothing decoded
  Conditions conditions = 0;
  std::uint32_t flow = 0;          // litres an hour; 0 when the meter is not heard now
  std::int64_t used_today = 0, used_yesterday = 0, used_week_ago = 0;  // litres
  // The local day on which the balance is used up, if gas is used as in the last seven days; days since 1970-01-01.
  // Nothing without use or balance, or beyond ten years.
  std::optional<std::int32_t> exhausted{};
};
MeterFigures figures_of(const FleetState& fleet, base::MeterNumber meter, DayClock& days, base::Timestamp as_of);

// Open episodes of meters: by building, and by tenant of those that are placed nowhere.
struct OpenAlarms {
  std::map<std::uint32_t, std::uint32_t> buildings{};
  std::map<base::TenantNumber, std::uint32_t> unplaced{};
};

// What a survey found.
struct Surveyed {
  base::Timestamp as_of{};
  std::vector<BuildingFigures> buildings;  // in order of their numbers
  std::vector<DistrictFigures> districts;  // in order of tenant and name; meters without a building under ""
};

// One thread, the fleet's.
class Survey {
 public:
  // Looks at all as of `as_of`. `days` gives a tenant's day clock; `visit` (may be empty) is shown each meter,
  // under the directory's lock: it asks the view and nothing else of it.
  using DaysOf = std::function<DayClock&(base::TenantNumber)>;
  using Visit = std::function<void(const registry::MeterEntry&, const MeterFigures&, const registry::Directory::View&)>;
  Survey(const registry::Directory& directory, const FleetState& fleet, base::Timestamp as_of, DaysOf days, Visit visit = {});

  // The next `most` meters. False: all were looked at.
  bool step(std::size_t most);
  // Once, when step() said false.
  Surveyed finish(const OpenAlarms& alarms);

 private:
  void look(const registry::MeterEntry& meter, const registry::Directory::View& view);

  const registry::Directory& directory_;
  const FleetState& fleet_;
  const base::Timestamp as_of_;
  DaysOf days_;
  Visit visit_;
  const std::uint32_t end_;
  std::uint32_t next_ = 1;
  std::vector<AreaFigures> buildings_;  // by number
  std::map<base::TenantNumber, AreaFigures> unplaced_;
};

}  // namespace meterhub::fleet
