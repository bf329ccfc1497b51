// One-time troubles of a town.
#include <algorithm>

#include "draw.h"
#include "fleet_state.h"

namespace meterhub::sim {

std::vector<Fault> demo_faults() {
  using std::chrono::seconds;
  return {{FaultKind::kOutage, seconds(20), seconds(30)},       {FaultKind::kCounterReset, seconds(40), {}},
          {FaultKind::kRejoin, seconds(50), {}},                {FaultKind::kGarbage, seconds(55), {}},
          {FaultKind::kWrongClock, seconds(60), seconds(20)},   {FaultKind::kSilence, seconds(70), {}}};
}

// Nothing when the town has nobody that it could happen to (yet).
std::optional<std::uint32_t> Fleet::State::subject_of(FaultKind kind) const {
  const auto first_meter = [&](auto&& fits) -> std::optional<std::uint32_t> {
    for (std::uint32_t i = 0; i < meters.size(); ++i) {
      if (fits(town.meters[i], meters[i])) return i;
    }
    return std::nullopt;
  };
  const auto gps = [](const SimGateway& g) { return g.clock == GatewayClock::kGps; };
  switch (kind) {
    case FaultKind::kOutage: return static_cast<std::uint32_t>(gateways.size() - 1);
    case FaultKind::kWrongClock:
      return static_cast<std::uint32_t>(std::ranges::find_if(town.gateways, gps) - town.gateways.begin());
    case FaultKind::kRejoin:
      return first_meter([](const SimMeter& m, const MeterState& s) { return m.otaa && s.session.value > 0; });
    case FaultKind::kCounterReset: return first_meter([](const SimMeter& m, const MeterState&) { return m.allow_resets; });
    case FaultKind::kGarbage: return static_cast<std::uint32_t>(meters.size() / 2);
    case FaultKind::kSilence: return static_cast<std::uint32_t>(meters.size() - 1);
  }
  return std::nullopt;
}

// Also for faults read from the file: those with an end must not be over by then, which
// `time` + `lasts` says.
void Fleet::State::apply(const SentFault& fault) {
  const auto kind = static_cast<FaultKind>(fault.kind);
  const auto planned = std::ranges::find(options.faults, kind, &Fault::kind);
  if (planned != options.faults.end()) fault_done[static_cast<std::size_t>(planned - options.faults.begin())] = true;
  const auto lasts = planned != options.faults.end() ? planned->lasts : std::chrono::seconds(0);
  const bool of_gateway = kind == FaultKind::kOutage || kind == FaultKind::kWrongClock;
  if (fault.subject >= (of_gateway ? gateways.size() : meters.size())) return;
  switch (kind) {
    case FaultKind::kOutage: gateways[fault.subject].cut_off_until = fault.time + lasts; return;
    case FaultKind::kWrongClock: gateways[fault.subject].wrong_clock_until = fault.time + lasts; return;
    case FaultKind::kRejoin: meters[fault.subject].joining = true; return;
    case FaultKind::kSilence: meters[fault.subject].silent = true; return;
    case FaultKind::kGarbage: meters[fault.subject].garbage_next = true; return;
    case FaultKind::kCounterReset:
      meters[fault.subject].generation.value += 1;
      meters[fault.subject].next_fcnt = 0;
      return;
  }
}

void Fleet::State::run_faults(base::Timestamp now) {
  for (std::size_t i = 0; i < options.faults.size(); ++i) {
    const auto& fault = options.faults[i];
    if (fault_done[i] || now < begun + fault.at) continue;
    const auto subject = subject_of(fault.kind);
    if (!subject) continue;
    const SentFault record{static_cast<std::uint8_t>(fault.kind), *subject, now};
    writer.add(record);
    apply(record);
  }
}

}  // namespace meterhub::sim
