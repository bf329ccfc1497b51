// What every meter said last, what state it is in and which conditions hold: dense arrays by meter number, about
// 204 bytes a meter. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>

#include <meterhub/fleet/completeness.h>
#include <meterhub/fleet/flow.h>
#include <meterhub/fleet/gateway_numbers.h>
#include <meterhub/fleet/reading.h>
#include <meterhub/fleet/watch.h>

namespace meterhub::fleet {

// The gravest wins (docs/reference/http-api.md). kUnknown: not in the registry.
enum class MeterState : std::uint8_t { kUnknown, kNew, kOnline, kLow, kClosed, kSilent, kFaulty };
inline constexpr std::size_t kMeterStates = 7;
std::string_view state_name(MeterState state);


class FleetState {
 public:
  static constexpr std::size_t kRing = 50;

  // Up to meter number `ring_meters_max` the newest readings are kept; a higher number ends that.
  explicit FleetState(std::uint32_t ring_meters_max) : ring_meters_max_(ring_meters_max) {}

  // The meter was heard at `at` (the earlier of event time and the hub's own), with a reading or,
  // when that could not be decoded, without.
  void heard(base::MeterNumber meter, base::Timestamp at);
  // A decoded reading, in any order: call before heard() of the same record. Flow counts only
  // steps from the newest reading before it, so late ones and copies count nothing; it counts for the
  // fleet and for limits.tenant. True when it is the newest now.
  bool put(base::MeterNumber meter, const Reading& reading, base::Timestamp at, base::Timestamp now,
           const MeterLimits& limits = {});
  // Any record of log `readings`, decoded or not, for the day's completeness: call before heard() of the same record.
  std::optional<CountChange> count(base::MeterNumber meter, const CountedPacket& packet, const CountWorld& world);
  // A dead letter that names the meter; see count_letter().
  void count_letter(base::MeterNumber meter, Missing reason, std::uint16_t fcnt, base::Timestamp at, DayClock& days);
  // Judges the meter anew.
  void judge(base::MeterNumber meter, const MeterLimits& limits, base::Timestamp now);
  // Its state is needed soon.
  void prefetch(base::MeterNumber meter) const {
    if (const auto* const known = find(meter)) {
      __builtin_prefetch(known, 1);
      __builtin_prefetch(reinterpret_cast<const char*>(known + 1) - 1, 1);
      __builtin_prefetch(&watches_[meter.value], 1);
      __builtin_prefetch(&meter_counts_[meter.value], 1);
    }
  }
  // These are told to hold by who remembers more than this: they count until a reading, or being heard, says otherwise.
  void suppose(base::MeterNumber meter, Conditions conditions);
  // The registry has no such meter (any more).
  void forget(base::MeterNumber meter);

  MeterState state(base::MeterNumber meter) const;
  // When the meter was heard last, decoded or not; the epoch: never.
  base::Timestamp last_heard(base::MeterNumber meter) const {
    const auto* const known = find(meter);
    return known != nullptr ? known->heard : base::Timestamp{};
  }
  // Null when nothing decoded was heard.
  const Reading* last(base::MeterNumber meter) const;
  const MeterWatch& watch(base::MeterNumber meter) const;
  const MeterCount& counted(base::MeterNumber meter) const;
  GatewayNumbers& gateways() { return gateways_; }
  const GatewayNumbers& gateways() const { return gateways_; }
  // Those that hold, kSilent among them while the state is `silent`.
  Conditions conditions(base::MeterNumber meter) const { return watch(meter).conditions; }
  // Oldest first.
  std::span<const Reading> ring(base::MeterNumber meter) const;
  bool keeps_rings() const { return keeps_rings_; }
  std::uint32_t count(MeterState state) const { return counts_[static_cast<std::size_t>(state)]; }
  const FlowMinutes& flow() const { return flow_; }
  // Of one tenant's meters; an empty one when nothing flowed.
  const FlowMinutes& flow(base::TenantNumber tenant) const;
  // One more than the highest number seen.
  std::uint32_t end() const { return static_cast<std::uint32_t>(slots_.size()); }

  // As it was when it was saved (snapshot.h): before anything else of this meter.
  void restore(base::MeterNumber meter, const Reading* last, base::Timestamp heard, const MeterWatch& watch,
               const MeterCount& count);

  using Change = std::pair<base::MeterNumber, MeterState>;
  // Up to `most` meters whose state is another than when last taken here.
  std::vector<Change> take_changes(std::size_t most);

 private:
  struct Slot {
    Reading last;
    base::Timestamp heard{};
    MeterState state = MeterState::kUnknown;
    bool has_reading = false;
    bool changed = false;  // is in changed_
  };
  static_assert(sizeof(Slot) == 80);

  Slot& slot(base::MeterNumber meter);
  const Slot* find(base::MeterNumber meter) const { return meter.value < slots_.size() ? &slots_[meter.value] : nullptr; }
  void keep_in_ring(base::MeterNumber meter, const Reading& reading);
  void count_flow(const Slot& slot, const Reading& reading, base::Timestamp at, base::Timestamp now, base::TenantNumber tenant);
  void set_state(base::MeterNumber meter, Slot& slot, MeterState state);

  const std::uint32_t ring_meters_max_;
  bool keeps_rings_ = true;
  std::vector<Slot> slots_;
  std::vector<MeterWatch> watches_;        // as many
  std::vector<MeterCount> meter_counts_;   // as many
  GatewayNumbers gateways_;
  std::vector<std::vector<Reading>> rings_;  // in the meter's order, at most kRing each
  std::array<std::uint32_t, kMeterStates> counts_{};
  std::vector<base::MeterNumber> changed_;
  FlowMinutes flow_;
  std::map<base::TenantNumber, FlowMinutes> flow_of_;  // 2 KiB a tenant
};

}  // namespace meterhub::fleet
