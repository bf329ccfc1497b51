// GET /api/v1/buildings and /api/v1/meters/{eui}: registry and fleet as JSON.
#pragma once

#include <string>
#include <vector>

#include <meterhub/console/list.h>
#include <meterhub/registry/directory.h>

#include <meterhub/fleet/fleet_state.h>

namespace meterhub::console {

// Meters without a building that are shown, under an empty name, behind all buildings.
inline constexpr std::size_t kUnplacedShown = 1000;

// {"building","district","tenant","floors","flats":[…]}; flats in order of floor and unit.
// Of `caller`'s meters only.
std::string building_json(const registry::Directory& directory, const fleet::FleetState& fleet,
                          const registry::BuildingEntry& building, const Caller& caller);
// The same for meters that stand in none; empty when all are placed.
std::string unplaced_json(const registry::Directory& directory, const fleet::FleetState& fleet, const Caller& caller);

// Everything of a meter but `readings`: without the closing brace. kNotFound, also of another tenant's.
base::Result<std::string> meter_json(const registry::Directory& directory, const fleet::FleetState& fleet, base::Eui64 eui,
                                     const Caller& caller);
// The ring as an array, newest first.
std::string readings_json(std::span<const fleet::Reading> ring);

}  // namespace meterhub::console
