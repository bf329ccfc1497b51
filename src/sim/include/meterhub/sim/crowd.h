// Many gateways that come, stay and go, well-behaved or not: what storms are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <meterhub/net/event_loop.h>
#include <meterhub/sim/driver.h>
#include <meterhub/sim/latencies.h>

namespace meterhub::sim {

class GatewayClient;

struct CrowdOptions {
  bool insists = false;             // they come again at once, and show a refused token again
  bool deaf = false;                // they read nothing once their links stand
  std::uint32_t under_way = 0;      // messages that each of them keeps under way
  bool keeps_tickets = false;       // they resume their TLS sessions
  bool own_addresses = true;        // each from a loopback address of its own
};

// Everything on the loop's thread.
class Crowd {
 public:
  Crowd(net::EventLoop& loop, std::vector<SimGateway> gateways, const DriverOptions& net, const CrowdOptions& options);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // From now on those without a connection connect, so many a second.
  void connect(double per_second) { connects_per_second_ = per_second; }
  // All their connections break at once.
  void drop_all();
  // The next one in turn connects anew.
  void renew_one();
  bool all_ready() const { return net_.connected == gateways_.size(); }
  // From the loss of a connection until a link stands again, since the last time it was asked.
  Latencies take_return_times() { return std::exchange(return_times_, {}); }
  const DriverCounts& net() const { return net_; }
  std::uint64_t settled() const { return settled_; }
  std::uint64_t rejected() const { return rejected_; }

 private:
  struct Member {
    std::unique_ptr<GatewayClient> client;
    std::optional<base::MonotonicTime> lost{};  // when its connection broke; it is not back yet
  };
  void turn();
  void connect_some(base::MonotonicTime now);
  void look_after(Member& member, base::MonotonicTime now);
  void drop(Member& member);

  net::EventLoop& loop_;
  const DriverOptions net_options_;
  const CrowdOptions options_;
  const std::vector<SimGateway> known_;  // what the clients refer to
  DriverCounts net_;
  std::vector<Member> gateways_;
  Latencies return_times_;
  std::uint64_t deliveries_ = 0, settled_ = 0, rejected_ = 0;
  double connects_per_second_ = 0;
  double connects_allowed_ = 0;
  base::MonotonicTime last_turn_{};
  std::size_t turns_ = 0;
  std::size_t next_ = 0;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
};

}  // namespace meterhub::sim
