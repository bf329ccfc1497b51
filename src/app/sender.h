// One message to the hub as a gateway sends it: connect, put-token, attach, send, wait for the
// verdict. For `meterhub send`.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::app {

// "HostName=…[:port];DeviceId=…;SharedAccessKey=…", in any order.
struct ConnectionString {
  std::string host;          // without port
  std::uint16_t port = 5671;
  std::string device;
  std::string key;           // base64
};
// kInvalidArgument names what is missing; the key is never part of the text.
base::Result<ConnectionString> parse_connection_string(std::string_view text);

// Blocks until the hub has settled the message. kUnauthorized when it refused the token,
// kInvalidArgument when it rejected the message, kTimeout.
base::Result<void> send_message(const ConnectionString& to, const std::shared_ptr<net::TlsContext>& tls,
                                std::string_view body, std::chrono::milliseconds patience);

}  // namespace meterhub::app
