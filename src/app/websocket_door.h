// AMQP in WebSockets, for gateways and readers behind firewalls that pass 443 only: what the HTTP listener takes at the paths of
// IoT Hub's and Event Hubs' clients goes on in the hub (spec/azure-amqp.md 1).
#pragma once

#include <meterhub/http/server.h>
#include <meterhub/hub/hub.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::app {

// On the server's loop. The door is the hub's, on `hub_loop`, which outlives the server.
void add_websocket_routes(http::Server& server, net::EventLoop& hub_loop, const hub::Hub::Door& door);

}  // namespace meterhub::app
