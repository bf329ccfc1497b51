// Offers the registry's session feed to NS processes, over mutual TLS. Runs in the process that
// owns the registry.
#pragma once

#include <memory>

#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>
#include <meterhub/registry/session_feed.h>

namespace meterhub::ns {

struct FeedServerOptions {
  net::Address listen = net::Address::loopback(0);
  // Server's certificate and the CA of the clients' (TlsServerOptions::client_ca_pem). Null: plain, and then
  // only on loopback.
  std::shared_ptr<net::TlsContext> tls;
  // What a client's certificate must be called (common name); empty: any of the CA's.
  std::string client_name;
  std::size_t connections_max = 256;
  // While more than this waits for a client, the feed gives it no further block. Bytes.
  std::size_t output_high = 1024 * 1024;
};

// Loop's thread. The feed runs on the same loop, or its executor has stopped before this is destroyed.
class FeedServer {
 public:
  static base::Result<std::unique_ptr<FeedServer>> create(net::EventLoop& loop, registry::SessionFeed& feed,
                                                          base::Metrics& metrics, FeedServerOptions options);
  virtual ~FeedServer() = default;
  virtual const net::Address& address() const = 0;
  virtual std::size_t clients() const = 0;
};

}  // namespace meterhub::ns
