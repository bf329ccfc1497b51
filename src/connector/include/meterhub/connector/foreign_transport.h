// A vendor's own, unchanged network server: bodies leave as the gateway sent them, answers come
// over TCP and name no request.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/connector/transport.h>
#include <meterhub/net/address.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::connector {

struct ForeignTransportOptions {
  std::vector<net::Address> servers;                // used in turn
  net::Address bind = net::Address::loopback(0);    // source of the datagrams
  net::Address listen = net::Address::loopback(0);  // TCP, where the server sends its answers
  std::vector<net::Network> networks;               // who may answer; empty: loopback only
  std::shared_ptr<net::TlsContext> tls;             // for the listener; null: plain
  bool plaintext = false;                           // plain answers outside loopback are wanted
  std::size_t window = 64;                          // packets sent and not answered yet: a default receive buffer holds them
  std::chrono::milliseconds answer_wait{2'000};     // after sending, and again after the one resend
};

// As UdpTransport: open() on the executor's thread, the rest on the loop. One block is under way at a time.
class ForeignTransport final : public Transport {
 public:
  // As UdpTransport::create().
  static base::Result<std::unique_ptr<ForeignTransport>> create(net::EventLoop& loop, base::Executor& executor,
                                                                base::Metrics& metrics, ForeignTransportOptions options);
  ~ForeignTransport() override;

  void open(Block block, Done done) override;
  const net::Address& answers_at() const;

  class State;

 private:
  explicit ForeignTransport(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::connector
