#include <meterhub/fleet/completeness_survey.h>

#include <algorithm>
#include <utility>

namespace meterhub::fleet {
namespace {

constexpr unsigned kNumberBits = 16;

bool is_expected(const TwoDays& figures) { return figures.today.expected() + figures.yesterday.expected() > 0; }

using Key = std::pair<base::TenantNumber, std::string>;

}  // namespace

TwoDays& TwoDays::operator+=(const TwoDays& other) {
  today += other.today;
  yesterday += other.yesterday;
  return *this;
}

void CountedAreas::add(const registry::MeterEntry& meter, std::uint16_t gateway, const TwoDays& figures) {
  if (!is_expected(figures)) return;
  const auto building = meter.building.value;
  if (building >= buildings_.size()) buildings_.resize(building + std::size_t{1});
  if (building != 0) buildings_[building] += figures;
  tenants_[meter.tenant] += figures;
  if (gateway != 0) gateways_[std::uint64_t{meter.tenant.value} << kNumberBits | gateway] += figures;
}

std::vector<CountedArea> CountedAreas::areas(const registry::Directory& directory,
                                             const GatewayNumbers& gateways) const {
  std::vector<CountedArea> out;
  for (const auto& [key, figures] : gateways_) {
    out.push_back({.kind = AreaKind::kGateway,
                   .tenant = base::TenantNumber(static_cast<std::uint32_t>(key >> kNumberBits)),
                   .gateway = gateways.id(static_cast<std::uint16_t>(key)),
                   .figures = figures});
  }
  std::ranges::sort(out, {},
                    [](const CountedArea& area) { return std::pair(area.tenant, std::string_view(area.gateway)); });
  auto places = directory.buildings();
  std::ranges::sort(places, {}, &registry::BuildingEntry::number);
  std::map<Key, TwoDays> districts;
  for (auto& place : places) {
    const auto number = place.number.value;
    if (number >= buildings_.size() || !is_expected(buildings_[number])) continue;
    districts[{place.tenant, place.district}] += buildings_[number];
    out.push_back({.kind = AreaKind::kBuilding,
                   .tenant = place.tenant,
                   .number = place.number,
                   .district = std::move(place.district),
                   .building = std::move(place.name),
                   .figures = buildings_[number]});
  }
  for (const auto& [key, figures] : districts)
    out.push_back({.kind = AreaKind::kDistrict, .tenant = key.first, .district = key.second, .figures = figures});
  for (const auto& [tenant, figures] : tenants_)
    out.push_back({.kind = AreaKind::kTenant, .tenant = tenant, .figures = figures});
  return out;
}

TwoDays counted_days(const FleetState& fleet, base::MeterNumber meter, base::Timestamp as_of, const CountWorld& world) {
  const auto& count = fleet.counted(meter);
  if (count.day == 0) return {};
  const auto heard = fleet.last_heard(meter);
  const auto today = world.days.number_of(as_of);
  return {figures_of(count, heard, today, as_of, world), figures_of(count, heard, today - 1, as_of, world)};
}

}  // namespace meterhub::fleet
