#include <meterhub/fleet/fleet_state.h>

#include <algorithm>

namespace meterhub::fleet {
namespace {

const rules::Thresholds kDefaults{};
const MeterWatch kNothing{};
const MeterCount kNothingCounted{};

MeterState judged(const Reading* last, base::Timestamp heard, const MeterLimits& limits, base::Timestamp now) {
  if (heard == base::Timestamp{}) return MeterState::kNew;
  const auto& thresholds = limits.thresholds != nullptr ? *limits.thresholds : kDefaults;
  const auto status = last != nullptr ? last->status : 0;
  if ((status & (thresholds.tamper_mask | thresholds.sensor_mask)) != 0) return MeterState::kFaulty;
  if (now - heard > limits.silence) return MeterState::kSilent;
  if (last != nullptr && valve_closed(*last, thresholds)) return MeterState::kClosed;
  if (last != nullptr && last->left != kNoAmount && last->left < limits.low_litres) return MeterState::kLow;
  return MeterState::kOnline;
}

}  // namespace

std::string_view state_name(MeterState state) {
  static constexpr std::array<std::string_view, kMeterStates> kNames{"unknown", "new",    "online", "low",
                                                                     "closed",  "silent", "faulty"};
  return kNames[static_cast<std::size_t>(state)];
}

FleetState::Slot& FleetState::slot(base::MeterNumber meter) {
  if (meter.value >= slots_.size()) {
    slots_.resize(meter.value + std::size_t{1});
    watches_.resize(slots_.size());
    meter_counts_.resize(slots_.size());
  }
  return slots_[meter.value];
}

void FleetState::heard(base::MeterNumber meter, base::Timestamp at) {
  auto& known = slot(meter);
  known.heard = std::max(known.heard, at);
}

bool FleetState::put(base::MeterNumber meter, const Reading& reading, base::Timestamp at, base::Timestamp now,
                     const MeterLimits& limits) {
  auto& known = slot(meter);
  keep_in_ring(meter, reading);
  if (known.has_reading && order_of(reading) <= order_of(known.last)) {
    if (order_of(reading) == order_of(known.last)) known.last = reading;  // decoded again
    return false;
  }
  count_flow(known, reading, at, now, limits.tenant);
  auto& watch = watches_[meter.value];
  const auto silent = watch.conditions & bit(Condition::kSilent);
  const auto* const before = known.has_reading ? &known.last : nullptr;
  const auto before_at = before != nullptr ? std::min(before->time, known.heard) : at;
  watch.conditions = static_cast<Conditions>(
      take_reading(watch, before, before_at, reading, std::max(at, before_at), limits) | silent);
  known.last = reading;
  known.has_reading = true;
  return true;
}

std::optional<CountChange> FleetState::count(base::MeterNumber meter, const CountedPacket& packet,
                                             const CountWorld& world) {
  const auto heard = slot(meter).heard;
  return count_packet(meter_counts_[meter.value], heard, packet, world);
}

void FleetState::count_letter(base::MeterNumber meter, Missing reason, std::uint16_t fcnt, base::Timestamp at,
                              DayClock& days) {
  if (meter.value < slots_.size())
    fleet::count_letter(meter_counts_[meter.value], slots_[meter.value].heard, reason, fcnt, at, days);
}

// A generation is a counter that began again, maybe with a new battery and a new register:
// its first step says nothing.
void FleetState::count_flow(const Slot& known, const Reading& reading, base::Timestamp at, base::Timestamp now,
                            base::TenantNumber tenant) {
  if (!known.has_reading || order_of(reading) == order_of(known.last)) return;
  const auto& before = known.last;
  if (reading.generation != before.generation || reading.used == kNoAmount || before.used == kNoAmount) return;
  if (reading.used <= before.used) return;
  const auto litres = static_cast<double>(reading.used - before.used);
  flow_.add(known.heard, at, litres, now);
  if (tenant.value != 0) flow_of_[tenant].add(known.heard, at, litres, now);
}

const FlowMinutes& FleetState::flow(base::TenantNumber tenant) const {
  static const FlowMinutes kNoFlow;
  const auto found = flow_of_.find(tenant);
  return found == flow_of_.end() ? kNoFlow : found->second;
}

void FleetState::keep_in_ring(base::MeterNumber meter, const Reading& reading) {
  if (meter.value > ring_meters_max_ && keeps_rings_) {
    keeps_rings_ = false;
    rings_ = {};
  }
  if (!keeps_rings_) return;
  if (meter.value >= rings_.size()) rings_.resize(meter.value + std::size_t{1});
  auto& ring = rings_[meter.value];
  const auto place = std::ranges::lower_bound(ring, order_of(reading), {}, order_of);
  if (place != ring.end() && order_of(*place) == order_of(reading)) {
    *place = reading;  // decoded again
    return;
  }
  if (ring.size() == kRing && place == ring.begin()) return;
  ring.insert(place, reading);
  if (ring.size() > kRing) ring.erase(ring.begin());
}

void FleetState::judge(base::MeterNumber meter, const MeterLimits& limits, base::Timestamp now) {
  auto& known = slot(meter);
  const auto state = judged(known.has_reading ? &known.last : nullptr, known.heard, limits, now);
  set_state(meter, known, state);
  if (state == MeterState::kNew) return;
  auto& conditions = watches_[meter.value].conditions;
  const bool silent = now - known.heard > limits.silence;
  conditions =
      static_cast<Conditions>(silent ? conditions | bit(Condition::kSilent) : conditions & ~bit(Condition::kSilent));
}

void FleetState::suppose(base::MeterNumber meter, Conditions conditions) {
  slot(meter);
  auto& known = watches_[meter.value].conditions;
  known = static_cast<Conditions>(known | conditions);
}

void FleetState::forget(base::MeterNumber meter) {
  if (meter.value >= slots_.size() || slots_[meter.value].state == MeterState::kUnknown) return;
  auto& known = slots_[meter.value];
  set_state(meter, known, MeterState::kUnknown);
  known = Slot{.last = {}, .state = MeterState::kUnknown, .changed = known.changed};
  watches_[meter.value] = {};
  meter_counts_[meter.value] = {};
  if (meter.value < rings_.size()) rings_[meter.value] = {};
}

void FleetState::set_state(base::MeterNumber meter, Slot& known, MeterState state) {
  if (known.state == state) return;
  if (known.state != MeterState::kUnknown) --counts_[static_cast<std::size_t>(known.state)];
  if (state != MeterState::kUnknown) ++counts_[static_cast<std::size_t>(state)];
  known.state = state;
  if (!known.changed) changed_.push_back(meter);
  known.changed = true;
}

MeterState FleetState::state(base::MeterNumber meter) const {
  const auto* const known = find(meter);
  return known != nullptr ? known->state : MeterState::kUnknown;
}

const Reading* FleetState::last(base::MeterNumber meter) const {
  const auto* const known = find(meter);
  return known != nullptr && known->has_reading ? &known->last : nullptr;
}

const MeterWatch& FleetState::watch(base::MeterNumber meter) const {
  return meter.value < watches_.size() ? watches_[meter.value] : kNothing;
}

const MeterCount& FleetState::counted(base::MeterNumber meter) const {
  return meter.value < meter_counts_.size() ? meter_counts_[meter.value] : kNothingCounted;
}

void FleetState::restore(base::MeterNumber meter, const Reading* last, base::Timestamp heard, const MeterWatch& watch,
                         const MeterCount& count) {
  auto& known = slot(meter);
  known.heard = heard;
  known.has_reading = last != nullptr;
  if (last != nullptr) known.last = *last;
  watches_[meter.value] = watch;
  meter_counts_[meter.value] = count;
}

std::span<const Reading> FleetState::ring(base::MeterNumber meter) const {
  if (meter.value >= rings_.size()) return {};
  return rings_[meter.value];
}

std::vector<FleetState::Change> FleetState::take_changes(std::size_t most) {
  std::vector<Change> out;
  out.reserve(std::min(most, changed_.size()));
  while (!changed_.empty() && out.size() < most) {
    const auto meter = changed_.back();
    changed_.pop_back();
    slots_[meter.value].changed = false;
    out.emplace_back(meter, slots_[meter.value].state);
  }
  return out;
}

}  // namespace meterhub::fleet
