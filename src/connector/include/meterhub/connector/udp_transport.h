// Network servers over the wire (spec/lorawan-ns.md 2.1): parts of a body as datagrams from several
// source ports, answers over TCP.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/connector/transport.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::connector {

struct UdpTransportOptions {
  std::vector<net::Address> servers;                  // a plain list, or one balancer
  net::Address bind = net::Address::loopback(0);      // source address; ports are the system's
  std::size_t sources = 8;                            // source sockets, 1 to 64
  // A balancer keeps what comes from one port with one server, dead or alive: after so long a socket is
  // replaced by one of another port, so that servers which came or went get or lose their share.
  std::chrono::milliseconds port_life{4'000};
  net::Address listen = net::Address::loopback(0);    // TCP, for answers
  // Told to the servers (x.ret); empty: the listener's address, which must not be 0.0.0.0 then.
  std::string answer_to;
  // Who may answer; empty: loopback only.
  std::vector<net::Network> networks;
  // For the listener: our certificate and the CA of the servers'. Null: plain.
  std::shared_ptr<net::TlsContext> tls;
  bool plaintext = false;                             // plain answers outside loopback are wanted
  std::size_t part_max = 1400;                        // bytes of a datagram
  std::size_t in_flight_max = 4096;                   // parts per socket and server
  std::chrono::milliseconds resend_after{200};
  // A server that acknowledges nothing for so long, with parts under way, is left out and probed.
  std::chrono::milliseconds silent_after{400};
  std::chrono::milliseconds probe_every{500};
};

// Calls of open(): the executor's thread. Everything else runs on the loop, which may be the same.
class UdpTransport final : public Transport {
 public:
  // Bodies are kept while they are asked about: bounded by what the connector has in flight.
  static constexpr std::size_t kHintsMax = 4'000'000;
  // Attempts on one packet that failed while others were answered, before it is `ns_failed`.
  static constexpr std::size_t kPoisonAttempts = 3;

  // Call on the loop's thread (or before it runs). kInvalidArgument: no servers, or answers would come plain
  // from outside loopback.
  static base::Result<std::unique_ptr<UdpTransport>> create(net::EventLoop& loop, base::Executor& executor,
                                                            base::Metrics& metrics, UdpTransportOptions options);
  // Loop's thread, or after it stopped. Blocks not answered are dropped: `done` is not called.
  ~UdpTransport() override;

  void open(Block block, Done done) override;
  // Where answers are taken, with the real port.
  const net::Address& answers_at() const;

  class State;

 private:
  explicit UdpTransport(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::connector
