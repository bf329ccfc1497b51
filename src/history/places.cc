#include "places.h"

#include <limits>

#include <meterhub/base/logging.h>

namespace meterhub::history {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string_view tag_value(std::string_view tags, std::string_view name) {
  while (!tags.empty()) {
    const auto end = std::min(tags.find(';'), tags.size());
    const auto tag = tags.substr(0, end);
    if (const auto equals = tag.find('='); equals != tag.npos && trimmed(tag.substr(0, equals)) == name)
      return trimmed(tag.substr(equals + 1));
    tags.remove_prefix(std::min(end + 1, tags.size()));
  }
  return {};
}

consumption::Litres capacity_of(const meter::Profile& profile) {
  const auto* const field = profile.field(meter::Role::kUsed);
  if (field == nullptr || field->factor <= 0) return 0;
  __int128 steps = 1;  // of 1/10^decimals m³
  if (field->max) {
    steps = static_cast<__int128>(*field->max) + field->factor;
  } else if (field->type == meter::FieldType::kUnsigned && field->size < 8) {
    steps = (static_cast<__int128>(1) << (8 * field->size)) * field->factor;
  } else if (field->type == meter::FieldType::kBcd) {
    for (std::size_t digit = 0; digit < 2 * field->size; ++digit) steps *= 10;
    steps *= field->factor;
  } else {
    return 0;
  }
  steps *= 1000;
  for (int i = 0; i < field->decimals; ++i) {
    if (steps % 10 != 0) return 0;
    steps /= 10;
  }
  return steps > 0 && steps <= std::numeric_limits<consumption::Litres>::max() ? static_cast<consumption::Litres>(steps)
                                                                               : 0;
}

consumption::LocalTime calendar_of(const registry::Tenant& tenant) {
  if (auto zone = consumption::LocalTime::of(tenant.time_zone)) return *zone;
  base::logging::warn("time_zone_unknown", {{"tenant", tenant.name}, {"zone", tenant.time_zone}});
  return consumption::LocalTime::of("UTC").value();
}

Places::Places(const registry::Directory& directory) : directory_(directory) {
  for (const auto& tenant : directory.tenants()) calendars_.emplace(tenant.number, calendar_of(tenant));
  for (const auto name : meter::builtin_profile_names())
    capacities_.emplace(name, capacity_of(*meter::builtin_profile(name)));
  for (const auto& profile : directory.profiles()) {
    if (const auto parsed = meter::parse_profile(profile.text)) capacities_[profile.name] = capacity_of(*parsed);
  }
  for (auto& building : directory.buildings()) buildings_.emplace(building.number, std::move(building));
}

std::vector<const Placed*> Places::of(const std::vector<Asked>& meters) {
  std::vector<const Placed*> out;
  out.reserve(meters.size());
  const auto view = directory_.view();
  for (const auto& asked : meters) {
    const auto* const meter = view.meter(asked.eui);
    if (meter == nullptr) {
      out.push_back(placed({asked.tenant, {}, {}}, {}));
    } else {
      const auto* const taken_out = view.taken_out_by(*meter);
      const auto building = taken_out == nullptr ? meter->building : taken_out->building;
      out.push_back(placed({meter->tenant, building, meter->profile}, view.label(meter->profile)));
    }
  }
  return out;
}

// Of a tenant that is gone: the default's.
const consumption::LocalTime& Places::calendar(base::TenantNumber tenant) {
  const auto known = calendars_.find(tenant);
  if (known != calendars_.end()) return known->second;
  return calendars_.emplace(tenant, calendar_of({.number = tenant, .name = {}})).first->second;
}

const Placed* Places::placed(const Key& key, std::string_view profile) {
  const auto known = placed_.find(key);
  if (known != placed_.end()) return &known->second;
  tables::UsagePlace place{.tenant = key.tenant, .district = {}, .zone = {}};
  if (const auto building = buildings_.find(key.building); building != buildings_.end()) {
    place.district = building->second.district;
    place.zone = tag_value(building->second.tags, kZoneTag);
  }
  const auto [number, added] = numbers_.try_emplace(place, all_.size());
  if (added) all_.push_back(place);
  Placed out{.place = number->second, .calendar = &calendar(key.tenant), .rules = {}};
  if (const auto capacity = capacities_.find(profile); capacity != capacities_.end())
    out.rules.capacity = capacity->second;
  return &placed_.emplace(key, out).first->second;
}

}  // namespace meterhub::history
