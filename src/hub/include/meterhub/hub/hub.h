// The hub: gateways come in over AMQP 1.0 (the IoT Hub dialect) or GWMP, their messages
// go to log `telemetry`, and are settled when the log has made them durable.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/ids.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/hub/document_intake.h>
#include <meterhub/hub/gateway_directory.h>
#include <meterhub/hub/policies.h>
#include <meterhub/hub/presence.h>
#include <meterhub/log/log.h>
#include <meterhub/net/address.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/net/tls.h>

namespace meterhub::hub {

struct AmqpListen {
  net::Address at;
  // Null: plain; only on loopback.
  std::shared_ptr<net::TlsContext> tls;
};

// What clients may send to an event hub, with the right to.
enum class Takes : std::uint8_t {
  kNothing,    // the platform's own log: clients only read it
  kEvents,     // anything, to the event hub's own log
  kDocuments,  // documents of readings, which HubWorld::documents places
};

// An event hub that clients can name (spec/azure-amqp.md 6 to 8). `telemetry` is the hub's built-in one.
struct EventHubSpec {
  std::string name{};  // without regard to case
  std::string log{};   // the topic it stands for
  // Beside $Default. Others are unknown to readers.
  std::vector<std::string> consumer_groups{};
  Takes takes = Takes::kNothing;
  // Events a second of all senders together, and twice as many at once; over it credit is withheld. 0 = no limit.
  double rate = 0;
};

// Cloud-to-device messages, kept in this log (one partition, docs/formats/devicebound.md).
inline constexpr std::string_view kDeviceboundLog = "devicebound";
// Retention never passes what this group has committed: what waits for a device is kept whatever its age.
inline constexpr std::string_view kDeviceboundGroup = "devicebound";
inline constexpr std::chrono::hours kDeviceboundExpiryMax{48};
struct DeviceboundOptions {
  std::chrono::seconds expiry{std::chrono::hours(1)};  // of a message that states none; at most kDeviceboundExpiryMax
  std::size_t memory = 64 * 1024 * 1024;  // bytes of all that wait; over it: refused
};

struct HubOptions {
  std::vector<AmqpListen> amqp;
  // Names that a token's `sr` may hold (without port); empty = any.
  std::vector<std::string> host_names;

  std::uint32_t message_max = 256 * 1024;       // bytes; over it: rejected
  std::uint32_t batch_max = 1024 * 1024;        // bytes, of a sender's message to an event hub; over it: rejected
  std::uint32_t frame_max = 65536;
  std::uint32_t link_credit = 300;              // first credit and ceiling of a link, 100..1000
  std::chrono::seconds claim_timeout{60};       // a connection without a claim is dropped
  std::chrono::milliseconds idle_timeout{240'000};  // told to the client (open.idle-time-out)
  std::size_t connections_max = 100'000;
  // Connections a second from one address (IPv6: one /64), steady and burst; 0 = no limit. Not for this host's own.
  // What is over waits for its turn (ListenOptions::accept_wait), then is refused.
  double accept_rate = 50;
  double accept_burst = 1'000;

  // Credit stops here (Log::fill()) and when so many bytes wait for durability.
  double fill_stop = 0.85;
  std::size_t in_flight_max = 64 * 1024 * 1024;
  // Per gateway: messages a second and burst; over it credit is withheld, and what comes
  // all the same is rejected as throttled. 0 = no limit.
  double device_rate = 1000;
  double device_burst = 5000;

  std::vector<EventHubSpec> event_hubs;
  // Memory of all readers of events together; each has a fixed share, and one more than have room is refused.
  std::size_t reader_memory = 64 * 1024 * 1024;
  // When this hub was made, as $management tells it.
  base::Timestamp created{};

  // Off when absent: the links are refused as not implemented. Messages of gateways that the directory has not when the
  // hub is created end.
  std::optional<DeviceboundOptions> devicebound;
  // Told who comes, goes and sends; outlives the hub. Null: nobody wants to know.
  PresenceBoard* presence = nullptr;

  // GWMP over UDP (legacy). Off when absent.
  std::optional<net::Address> gwmp;
  std::vector<net::Network> gwmp_networks;      // nobody else is heard
};

// What a hub stands on; all of it outlives the hub.
struct HubWorld {
  net::EventLoop& loop;
  log::Log& log;
  GatewayDirectory& gateways;
  PolicyDirectory& policies;
  // Where the log is read for clients, as the loop must not wait for the disk; may be the loop itself. What was posted
  // there may still run after the hub has gone.
  base::Executor& reads;
  base::Metrics& metrics;
  // Needed where an event hub takes documents.
  DocumentIntake* documents = nullptr;
};

// Loop thread, but for create().
class Hub {
 public:
  // Declares nothing: log `telemetry`, those of the event hubs and `devicebound`, if it is on, must exist (kNotFound).
  // `fatal` is called once on the loop when the log can no longer be trusted (kIo, a failed sync): nothing is settled
  // after it, and the program should end with an error.
  static base::Result<std::unique_ptr<Hub>> create(const HubWorld& world, HubOptions options,
                                                   std::function<void(base::Error)> fatal);
  virtual ~Hub() = default;

  // The real addresses, in the order of HubOptions::amqp.
  virtual std::vector<net::Address> amqp_addresses() const = 0;
  virtual std::optional<net::Address> gwmp_address() const = 0;
  // For those who accept connections elsewhere (WebSockets): AMQP begins on one. May be called on the loop as long as that
  // lives; over HubOptions::connections_max, and once the hub drains or is gone, connections are dropped.
  using Door = std::function<void(net::ConnectionPtr)>;
  virtual Door door() = 0;
  // Open connections, all and those that act for a gateway.
  virtual std::size_t connections() const = 0;
  virtual bool is_connected(std::string_view gateway) const = 0;

  // Ends all cloud-to-device messages that wait for the device (status Purged); how many there were. kNotImplemented
  // when they are off.
  virtual base::Result<std::size_t> purge_devicebound(const std::string& gateway) = 0;
  // Cloud-to-device messages that wait for the device or are under way to it.
  virtual std::size_t devicebound_waiting(const std::string& gateway) const = 0;

  // Stops listening and granting credit, waits for what is in flight, detaches the links
  // (amqp:link:detach-forced), drops the connections, then calls `done`.
  virtual void drain(base::Task done) = 0;
};

// Partition of a key, the same for ever: docs/formats/shards.md, docs/formats/event-hub-keys.md.
base::PartitionId key_partition(std::string_view key, std::uint32_t partitions);
// Of a gateway's messages: its id is the key.
base::PartitionId telemetry_partition(std::string_view gateway, std::uint32_t partitions);

}  // namespace meterhub::hub
