// The fleet at work: what its meters send when, and through which gateways. Deterministic:
// the same town, truth file and calls give the same bytes. No clock, no sockets; whoever
// drives it brings the time, carries the uplinks and says what the hub answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/sim/sent_file.h>
#include <meterhub/sim/town.h>

namespace meterhub::sim {

// One-time troubles, each with its time since the fleet's first start. They happen once in
// the life of a truth file, however often it is continued.
enum class FaultKind : std::uint8_t {
  kOutage = 1,     // a gateway is cut off, stores, and sends its backlog afterwards
  kRejoin = 2,     // an OTAA meter joins anew
  kCounterReset = 3,  // an ABP meter's counter starts again (battery change)
  kSilence = 4,    // a meter falls silent for good
  kGarbage = 5,    // one frame with a right MIC and a payload that is none
  kWrongClock = 6, // a GPS gateway tells the year 2036 for a while
};
struct Fault {
  FaultKind kind = FaultKind::kOutage;
  std::chrono::seconds at{0};
  std::chrono::seconds lasts{0};  // outage, wrong clock
};
// All six within the first two minutes.
std::vector<Fault> demo_faults();

struct FleetOptions {
  std::chrono::milliseconds interval{30'000};      // between two packets of a meter
  std::chrono::milliseconds stat_interval{30'000}; // gateways' status reports; 0 = none
  std::chrono::hours local_time{8};                // the town's offset from UTC: when people cook
  double lost_on_air = 0.01;
  double crc_errors = 0.02;      // damaged frames, per packet
  double foreign_frames = 0.02;  // neighbours' frames, per packet
  std::uint32_t packets_per_message = 8;           // the reference forwarder's
  // Not empty: meters encrypt with this key and gateways send bodies as examples/plugin-xor opens them, without
  // LoRaWAN, noise and status reports. 1 to 32 bytes; such meters cannot join.
  std::string xor_key = {};
  bool datagrams_only = false;   // every body is a whole PUSH_DATA datagram; else half of the gateways send their JSON
  std::vector<Fault> faults = {};
  // Share of the meters that are in trouble (troubles.h), 0 to 1: never heard, falling silent, valve closed, case opened,
  // flow sensor faulty, balance low, leaking, running backwards.
  double troubled = 0;
};

// The town whose truth is at `sent_path`, to go on with it; nothing when there is no file yet.
base::Result<std::optional<TownOptions>> continued_town(const base::Disk& disk, const std::string& sent_path);

// A message that a gateway sends now. `delivery` names it in settled(); status reports and
// noise travel in deliveries too.
struct Uplink {
  std::uint32_t gateway = 0;   // index in the town
  std::uint64_t delivery = 0;
  std::string body;            // GWMP datagram or JSON
};

struct FleetCounts {
  std::uint64_t packets = 0;       // this run
  std::uint64_t lost_on_air = 0;
  std::uint64_t receptions = 0;    // copies
  std::uint64_t deliveries = 0;
  std::uint64_t settled = 0;
  std::uint64_t rejected = 0;
  std::uint64_t dropped = 0;       // given up by the gateway, its store was full
};

// One thread.
class Fleet {
 public:
  // Continues the truth at `sent_path`, or begins it. kPrecondition: the file belongs to
  // another town. `disk` outlives the fleet.
  static base::Result<std::unique_ptr<Fleet>> open(Town town, const FleetOptions& options, base::Disk& disk,
                                                   const std::string& sent_path, base::Timestamp now);
  ~Fleet();

  const Town& town() const;

  // Everything due up to `now`; its truth is in the file when this returns. Errors are the
  // file's: nothing may be sent then.
  base::Result<std::vector<Uplink>> step(base::Timestamp now);
  // When step() has work next.
  base::Timestamp next_due() const;

  // What the hub said of a delivery; written with the next step or flush.
  void ended(std::uint64_t delivery, DeliveryEnd end);
  base::Result<void> flush();

  // The registry accepted a join: `frame` is the join-accept's PHYPayload, `session` what the
  // registry made of it, whose number becomes part of identities. The meter opens the frame
  // and derives its keys itself. kNotFound: no such joining meter, or it did not ask (fine
  // when an accept comes twice); kUnauthorized: the frame does not open or the keys differ.
  base::Result<void> hear_join_accept(base::BytesView frame, const lorawan::Session& session);

  // Silences a meter for good, or lets it speak again. kNotFound: not of this town.
  base::Result<void> silence(base::Eui64 meter, bool silent);

  FleetCounts counts() const;

 private:
  struct State;
  explicit Fleet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::sim
