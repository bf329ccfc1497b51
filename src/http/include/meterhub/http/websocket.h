// WebSockets (RFC 6455), the server's end: a connection inside a connection. Boost.Beast speaks the protocol.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/http/message.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::http {

// Says why a request cannot become a WebSocket that speaks `subprotocol`: kInvalidArgument. Names of subprotocols are
// compared without regard to case: clients differ in it.
base::Result<void> check_websocket(const Request& request, std::string_view subprotocol);

// The answer to one that is not: an error as handlers give it, and the end. Loop thread.
void refuse_upgrade(net::ConnectionPtr connection, const base::Error& error);

// Those of one loop. Loop thread.
class WebSockets {
 public:
  static std::shared_ptr<WebSockets> create(net::EventLoop& loop);
  virtual ~WebSockets() = default;
  // Answers a request that check_websocket() found fit, and gives the connection that goes on inside `below`: what comes in
  // binary messages is its stream of bytes, where messages begin and end says nothing; each write() is a message. Text, or
  // what breaks the protocol, ends it (kReset). Pings are answered. `rest` = bytes that came behind the request.
  virtual net::ConnectionPtr accept(const Request& request, net::ConnectionPtr below, std::string rest,
                                    std::string_view subprotocol) = 0;
};

}  // namespace meterhub::http
