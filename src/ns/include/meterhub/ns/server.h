// The network server as a process of its own (spec/lorawan-ns.md): datagrams from connectors in,
// lines of JSON over TCP out. Keeps nothing between two packets.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/decrypt/cipher_plugins.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::ns {

struct ServerOptions {
  // The internal port: what comes here may set times and hints, so never the gateways' port.
  net::Address listen = net::Address::loopback(0);
  // Who may ask, and where answers may go (x.ret); empty: loopback only.
  std::vector<net::Network> networks;
  // TCP port at the asker's address where x.ret is absent; 0: the port its datagram came from.
  std::uint16_t answer_port = 0;
  // For answers outside loopback; shows our certificate. Null: all answers are plain.
  std::shared_ptr<net::TlsContext> answer_tls;
  // Lines about packets that gave no reading, for datagrams without x.rid.
  bool error_lines = true;
  std::size_t peers_max = 64;
  // Answers over this wait for one peer; further ones are dropped and counted. Bytes.
  std::size_t peer_output_max = 16 * 1024 * 1024;
};

// Loop's thread. What is passed outlives the server.
class Server {
 public:
  // `plugins` may be null. kInvalidArgument for options that do not fit, kAlreadyExists when the port is taken.
  static base::Result<std::unique_ptr<Server>> create(net::EventLoop& loop, const decrypt::SessionTable& sessions,
                                                      const decrypt::CipherPlugins* plugins, base::Metrics& metrics,
                                                      ServerOptions options);
  virtual ~Server() = default;
  // With the real port where 0 was asked for.
  virtual const net::Address& address() const = 0;
};

}  // namespace meterhub::ns
