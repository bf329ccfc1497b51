// Completeness of buildings, districts, tenants and gateways from that of their meters. Pure; one thread, the fleet's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/registry/directory.h>

namespace meterhub::fleet {

enum class AreaKind : std::uint8_t { kGateway, kBuilding, kDistrict, kTenant };

// Today and yesterday, in the tenant's local days.
struct TwoDays {
  CountFigures today, yesterday;

  TwoDays& operator+=(const TwoDays& other);
  bool operator==(const TwoDays&) const = default;
};

struct CountedArea {
  AreaKind kind = AreaKind::kTenant;
  base::TenantNumber tenant;           // of the meters; a gateway that serves two has two
  registry::BuildingNumber number{};   // of a building
  std::string gateway{};               // its id
  std::string district{}, building{};  // names; meters without a building are in the tenant only
  TwoDays figures{};
};

// A sum over meters.
class CountedAreas {
 public:
  // `gateway`: that brought the meter's newest packet.
  void add(const registry::MeterEntry& meter, std::uint16_t gateway, const TwoDays& figures);
  // Those where a reading was expected on one of the days: gateways, buildings, districts, tenants.
  std::vector<CountedArea> areas(const registry::Directory& directory, const GatewayNumbers& gateways) const;

 private:
  std::vector<TwoDays> buildings_;  // by number
  std::map<base::TenantNumber, TwoDays> tenants_;
  std::unordered_map<std::uint64_t, TwoDays> gateways_;  // by tenant and number
};

// What one look over all meters found.
struct Completeness {
  base::Timestamp as_of{};
  std::vector<CountedArea> areas;
};

// Figures of one meter: of the tenant's day that holds `as_of`, and the one before it.
TwoDays counted_days(const FleetState& fleet, base::MeterNumber meter, base::Timestamp as_of, const CountWorld& world);

}  // namespace meterhub::fleet
