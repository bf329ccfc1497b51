// Sends a load through real gateways' connections, paced or as fast as it is settled.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/sim/driver.h>
#include <meterhub/sim/latencies.h>
#include <meterhub/sim/load_source.h>

namespace meterhub::sim {

class GatewayClient;

struct LoadPlan {
  double rate = 0;                      // packets a second; 0 = as fast as they are settled
  std::uint32_t packets_per_record = 1; // messages that a gateway writes at once: one TLS record
  double copies = 0.14;                 // receptions beyond the first, per packet
  std::chrono::milliseconds span{60'000};
};
// More would not fit the credit that a hub gives one gateway.
inline constexpr std::uint32_t kPacketsPerRecordMax = 100;

struct LoadCounts {
  std::uint64_t packets = 0;          // handed to gateways
  std::uint64_t receptions = 0;       // messages they came in: packets and copies
  std::uint64_t settled_packets = 0;  // of which one message at least was settled
  std::uint64_t settled = 0;          // messages
  std::uint64_t rejected = 0;
  std::uint64_t withheld = 0;         // due while the gateway's memory was full: not sent
  std::uint64_t waiting = 0;          // messages in gateways' memories, unsettled ones too
};

// What became of a packet, by its number.
enum class PacketState : std::uint8_t { kNone = 0, kSent = 1, kSettled = 2 };

// Everything on the loop's thread.
class LoadDriver {
 public:
  // All outlive the driver.
  LoadDriver(net::EventLoop& loop, const LoadTown& town, LoadSource& source, const DriverOptions& options,
             const LoadPlan& plan);
  ~LoadDriver();
  LoadDriver(const LoadDriver&) = delete;
  LoadDriver& operator=(const LoadDriver&) = delete;

  // The first gateway connects and sends one packet; when that is settled, the others connect.
  void connect();
  std::optional<base::MonotonicTime> first_settled() const { return first_settled_; }
  bool connected() const;
  // The load; from now on for the plan's span.
  void begin();
  // Before the span is over.
  void end() { phase_ = Phase::kOver; }
  // Nothing is sent any more.
  bool over() const { return phase_ == Phase::kOver; }
  // From when a packet was due to its settlement, of the load alone.
  const Latencies& latencies() const { return latencies_; }
  // The same since the last time it was asked.
  Latencies take_latencies() { return std::exchange(latencies_, {}); }
  LoadCounts counts() const;
  const DriverCounts& net() const { return net_; }
  const std::vector<PacketState>& states() const { return states_; }

 private:
  enum class Phase : std::uint8_t { kConnecting, kReady, kLoad, kOver };
  struct Delivery {
    std::uint64_t packet = 0;
    base::MonotonicTime due{};
    bool of_load = false;
  };

  void turn();
  void connect_some(base::MonotonicTime now);
  void plan_paced(base::MonotonicTime now);
  void plan_closed(base::MonotonicTime now);
  bool plan_record(std::uint32_t gateway, base::MonotonicTime due, std::size_t waiting_max);
  void send_planned();
  void look_after();
  void ended(std::uint64_t delivery, DeliveryEnd end);

  net::EventLoop& loop_;
  LoadSource& source_;
  const DriverOptions options_;
  const LoadPlan plan_;
  const double records_per_second_;
  DriverCounts net_;
  LoadCounts counts_;
  Latencies latencies_;
  std::vector<SimGateway> known_;                    // what the clients refer to
  std::vector<std::unique_ptr<GatewayClient>> gateways_;
  std::vector<PacketState> states_;                  // by packet number
  std::deque<Delivery> deliveries_;                  // from first_delivery_ on
  std::uint64_t first_delivery_ = 0;
  std::vector<base::MonotonicTime> due_;             // of the messages planned, in their order
  std::vector<std::uint32_t> touched_;               // gateways with something to write
  Phase phase_ = Phase::kConnecting;
  base::MonotonicTime begun_{};
  base::MonotonicTime last_turn_{};
  std::uint64_t records_ = 0;                        // due so far
  std::uint32_t turn_of_ = 0;                        // whose heartbeats are next
  double connects_allowed_ = 0;
  std::optional<base::MonotonicTime> first_settled_;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
};

}  // namespace meterhub::sim
