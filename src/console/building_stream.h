// Streams GET /api/v1/buildings: a building at a time, as fast as the client takes it.
#pragma once

#include <memory>

#include <meterhub/console/caller.h>
#include <meterhub/http/server.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/registry/directory.h>

#include <meterhub/fleet/fleet_state.h>

namespace meterhub::console {

// Loop thread. At most `limit` buildings, of those `caller` sees. Ends when `alive` is gone, with which `directory`
// and `fleet` go.
void stream_buildings(net::EventLoop& loop, const registry::Directory& directory, const fleet::FleetState& fleet,
                      std::size_t limit, const Caller& caller, std::weak_ptr<void> alive, http::Reply reply);

}  // namespace meterhub::console
