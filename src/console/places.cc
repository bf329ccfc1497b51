#include "places.h"

#include <algorithm>
#include <ranges>
#include <set>

#include <meterhub/base/json_text.h>

#include "tenants.h"

namespace meterhub::console {
namespace {

struct Flat {
  base::Eui64 eui;
  base::MeterNumber number;
  std::string floor;
  std::string unit;
};

void append_text(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  base::append_json_string(out, text);
}

std::vector<Flat> flats_of(const registry::Directory& directory, const std::vector<registry::MeterEntry>& meters) {
  std::vector<Flat> out;
  out.reserve(meters.size());
  const auto view = directory.view();
  for (const auto& meter : meters) {
    out.push_back(
        {meter.eui, meter.number, std::string(view.label(meter.floor)), std::string(view.label(meter.unit_name))});
  }
  return out;
}

std::string place_json(const registry::BuildingEntry& place, std::string_view tenant, std::vector<Flat> flats,
                       const fleet::FleetState& fleet) {
  std::ranges::stable_sort(flats, [](const Flat& a, const Flat& b) {
    return a.floor == b.floor ? natural_less(a.unit, b.unit) : natural_less(a.floor, b.floor);
  });
  std::string out;
  append_text(out, "{\"building\":", place.name);
  append_text(out, ",\"district\":", place.district);
  append_text(out, ",\"tenant\":", tenant);
  std::set<std::string_view> floors;
  for (const auto& flat : flats) floors.insert(flat.floor);
  out += ",\"floors\":" + std::to_string(floors.size()) + ",\"flats\":[";
  for (const auto& flat : flats) {
    if (out.back() == '}') out += ',';
    append_text(out, "{\"eui\":", flat.eui.text());
    append_text(out, ",\"floor\":", flat.floor);
    append_text(out, ",\"unit\":", flat.unit);
    // A meter that was added a moment ago and not judged yet.
    const auto state = std::max(fleet.state(flat.number), fleet::MeterState::kNew);
    append_text(out, ",\"state\":", fleet::state_name(state));
    out += '}';
  }
  return out + "]}";
}

}  // namespace

std::string building_json(const registry::Directory& directory, const fleet::FleetState& fleet,
                          const registry::BuildingEntry& building, const Caller& caller) {
  auto meters = directory.meters_of(building.number);
  std::erase_if(meters, [&](const registry::MeterEntry& meter) { return !caller.sees(meter.tenant); });
  return place_json(building, tenant_name(building.tenant, directory), flats_of(directory, meters), fleet);
}

std::string unplaced_json(const registry::Directory& directory, const fleet::FleetState& fleet, const Caller& caller) {
  std::vector<registry::MeterEntry> meters;
  const auto highest = directory.highest_meter().value;
  for (std::uint32_t first = 1; first <= highest && meters.size() < kUnplacedShown; first += 4096) {
    const auto view = directory.view();
    for (auto n = first; n <= highest && n < first + 4096 && meters.size() < kUnplacedShown; ++n) {
      const auto* const meter = view.meter(base::MeterNumber(n));
      if (meter != nullptr && meter->building.value == 0 && caller.sees(meter->tenant)) meters.push_back(*meter);
    }
  }
  if (meters.empty()) return {};
  return place_json({}, {}, flats_of(directory, meters), fleet);
}

base::Result<std::string> meter_json(const registry::Directory& directory, const fleet::FleetState& fleet,
                                     base::Eui64 eui, const Caller& caller) {
  const auto meter = directory.meter(eui);
  if (!meter || !caller.sees(meter->tenant))
    return base::fail(base::Errc::kNotFound, "the registry has no meter " + eui.text());
  const auto building = directory.building(meter->building);
  std::string out;
  append_text(out, "{\"eui\":", eui.text());
  out += ",\"number\":" + std::to_string(meter->number.value);
  append_text(out, ",\"tenant\":", tenant_name(meter->tenant, directory));
  append_text(out, ",\"district\":", building ? building->district : "");
  append_text(out, ",\"building\":", building ? building->name : "");
  append_text(out, ",\"floor\":", directory.label(meter->floor));
  append_text(out, ",\"unit\":", directory.label(meter->unit_name));
  append_text(out, ",\"profile\":", directory.label(meter->profile));
  append_text(out, ",\"state\":", fleet::state_name(std::max(fleet.state(meter->number), fleet::MeterState::kNew)));
  out += ",\"last\":";
  const auto* const last = fleet.last(meter->number);
  if (last == nullptr) {
    out += "null";
  } else {
    fleet::append_reading(out, *last);
  }
  return out;
}

std::string readings_json(std::span<const fleet::Reading> ring) {
  std::string out = "[";
  for (const auto& reading : ring | std::views::reverse) {
    if (out.size() > 1) out += ',';
    fleet::append_reading(out, reading);
  }
  return out + ']';
}

}  // namespace meterhub::console
