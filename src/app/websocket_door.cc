#include "websocket_door.h"

#include <memory>
#include <utility>

#include <meterhub/http/websocket.h>

namespace meterhub::app {
namespace {

constexpr std::string_view kSubprotocol = "AMQPWSB10";

}  // namespace

void add_websocket_routes(http::Server& server, net::EventLoop& hub_loop, const hub::Hub::Door& door) {
  const auto sockets = http::WebSockets::create(hub_loop);
  const auto take = [&hub_loop, door, sockets](const http::Request& request, net::ConnectionPtr connection, std::string rest) {
    const auto fit = http::check_websocket(request, kSubprotocol);
    if (!fit) return http::refuse_upgrade(std::move(connection), fit.error());
    auto& moving = *connection;
    moving.move_to(hub_loop, [door, sockets, request, rest = std::move(rest)](net::ConnectionPtr arrived) mutable {
      door(sockets->accept(request, std::move(arrived), std::move(rest), kSubprotocol));
    });
  };
  for (const std::string_view path : {"/$iothub/websocket", "/$servicebus/websocket"}) server.upgrade(path, take);
}

}  // namespace meterhub::app
