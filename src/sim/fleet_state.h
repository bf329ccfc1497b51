// The fleet's insides: meters and gateways between two steps.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <meterhub/lorawan/session.h>
#include <meterhub/meter/reading.h>
#include <meterhub/sim/fleet.h>

#include "air.h"
#include "household.h"
#include "troubles.h"

namespace meterhub::sim {

struct MeterState {
  MeterState(std::uint64_t seed, std::uint32_t index) : household(seed, index), figures(household.initial()) {}

  Household household;
  Figures figures;
  base::SessionNumber session;     // 0 = not joined yet
  base::Generation generation;
  std::uint32_t next_fcnt = 0;
  base::DevAddr dev_addr;
  lorawan::AesKey nwk_skey{};
  lorawan::AesKey app_skey{};
  std::uint16_t next_nonce = 1;
  bool joining = false;
  bool silent = false;
  bool garbage_next = false;
  std::optional<MeterTrouble> trouble;
  std::uint32_t packets = 0;       // of this run
  double leaked = 0;               // below a litre
  base::Timestamp last_request{};  // join
};

// One reception that a gateway has not sent yet.
struct Pending {
  std::string piece;                    // an element of rxpk, or a vendor's reading
  std::optional<std::uint64_t> packet;  // none: noise or a join-request
};

struct GatewayState {
  std::deque<Pending> pending;
  GatewayTotals totals;
  base::Timestamp cut_off_until{};
  base::Timestamp wrong_clock_until{};
  base::Timestamp next_stat{};
  std::uint16_t token = 0;
};

// A packet between its truth and its encoding.
struct Planned {
  std::uint32_t meter = 0;
  SentPacket truth;
  meter::Reading reading = {};  // of a meter with another profile than v1
};

struct Fleet::State {
  Town town;
  FleetOptions options;
  SentWriter writer;
  base::Timestamp begun{};
  std::vector<MeterState> meters;
  std::vector<GatewayState> gateways;
  std::unordered_map<std::uint64_t, std::uint32_t> meter_of;  // EUI -> index
  std::vector<bool> fault_done;
  std::uint64_t next_packet = 0;
  std::uint64_t next_delivery = 0;
  FleetCounts counts;

  // Meters send one after another through the interval, in the order of `turns`.
  std::vector<std::pair<std::chrono::microseconds, std::uint32_t>> turns;  // (phase, meter), sorted
  std::size_t position = 0;
  base::Timestamp cycle{};                    // when the current round began

  State(Town t, FleetOptions o, SentWriter w);

  void set_turns(base::Timestamp now);
  base::Timestamp due() const { return cycle + turns[position].first; }
  void next_turn();
  std::optional<std::uint32_t> index_of(base::Eui64 eui) const;

  // Records of the file, when it is read again.
  void recall(const SentRecord& record);

  // Faults, in fleet_faults.cc.
  void run_faults(base::Timestamp now);
  std::optional<std::uint32_t> subject_of(FaultKind kind) const;
  void apply(const SentFault& fault);

  // One step, in fleet_step.cc.
  void plan_meter(std::uint32_t meter, base::Timestamp at, std::vector<Planned>& planned);
  void request_join(std::uint32_t meter, base::Timestamp at);
  Planned plan_packet(std::uint32_t meter, base::Timestamp at);
  SentPacket truth_of(std::uint32_t meter, base::Timestamp at);
  void live(MeterState& meter, base::Timestamp at, std::uint64_t turn);
  void encode(const Planned& planned);
  void hear(std::uint32_t meter, std::uint64_t number, base::Timestamp at, base::BytesView frame,
            const std::vector<std::uint32_t>& by, std::optional<std::uint64_t> packet);
  bool speaks_lorawan() const { return options.xor_key.empty(); }
  void encode_for_vendor(const Planned& planned);
  void add_noise(const Planned& planned, base::BytesView frame);
  void keep(std::uint32_t gateway, Pending pending);
  void send_pending(std::uint32_t gateway, base::Timestamp now, std::vector<Uplink>& out);
  void send_stat(std::uint32_t gateway, base::Timestamp now, std::vector<Uplink>& out);
  Uplink message(std::uint32_t gateway, std::string body, std::vector<std::uint64_t> packets);
  std::string body_of(std::uint32_t gateway, const std::vector<std::string>& pieces);
  std::string report_body(std::uint32_t gateway, std::string json);
  base::Timestamp clock_of(std::uint32_t gateway, base::Timestamp at) const;
};

// A cut-off gateway keeps so many receptions; then the oldest goes.
inline constexpr std::size_t kGatewayStoreMax = 100'000;

}  // namespace meterhub::sim
