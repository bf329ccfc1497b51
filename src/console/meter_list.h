// GET /api/v1/meters: every meter with its place, state and last reading.
#pragma once

#include <meterhub/console/list.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/registry/directory.h>

namespace meterhub::console {

ListForm meter_list_form();
// On the fleet's thread. A million meters are filtered in some ten milliseconds: numbers only, texts
// that many meters share are compared once each.
ListSource meter_list(const registry::Directory& directory, const fleet::FleetState& fleet);

}  // namespace meterhub::console
