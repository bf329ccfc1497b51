// Lets a fleet's gateways speak: each a real AMQP 1.0 client over TLS with its own SAS token,
// thousands of them on one event loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <meterhub/base/executor.h>
#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>
#include <meterhub/sim/fleet.h>

namespace meterhub::sim {

struct DriverOptions {
  net::Address hub;
  std::string host;                          // in tokens, SNI and open; without port
  std::shared_ptr<net::TlsContext> tls;      // null = plain
  std::chrono::milliseconds tick{100};       // how often the fleet is stepped
  std::uint32_t store_messages = 20'000;     // a gateway's memory; when full the oldest unsent goes
  std::uint32_t in_flight = 200;             // unsettled messages of one gateway
  double connects_per_second = 200;          // so many handshakes are begun
  std::chrono::seconds token_lifetime{3600};
  bool renew_tokens = true;                  // else the hub ends the connection when the token does
};

struct DriverCounts {
  std::uint32_t connected = 0;     // gateways whose link stands
  std::uint64_t connects = 0;      // links that came to stand
  std::uint64_t disconnects = 0;   // connections lost or refused
  std::uint64_t tokens_refused = 0;
  std::uint64_t waiting = 0;       // messages stored in gateways, unsettled ones too
  std::string last_error;          // why the last connection ended; for people
};

// Everything on the loop's thread.
class Driver {
 public:
  // All outlive the driver.
  Driver(net::EventLoop& loop, Fleet& fleet, const DriverOptions& options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void start();
  // Meters stop at once; gateways go on until all is settled or `patience` is over. Then
  // `stopped` runs and the truth is flushed.
  void stop(std::chrono::milliseconds patience, base::Task stopped);
  // A truth file that cannot be written stops the fleet; this says why.
  const base::Result<void>& health() const;
  DriverCounts counts() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::sim
