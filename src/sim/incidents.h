// What goes wrong in a fleet, and when: planned before the first packet, so that the truth
// owes nothing to what is read from the packets.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>

namespace meterhub::sim {

enum class IncidentKind : std::uint8_t {
  kSilence,          // sends nothing for more than five minutes
  kPause,            // sends nothing for less: no alarm is due
  kLeak,             // gas flows all the time, a litre or more in every interval
  kSeepage,          // less than a litre an interval, at night too
  kSpike,            // flow far above what the meter is made for
  kBalanceRaised,    // the balance shows more than was paid for
  kBackwards,        // the counter runs backwards
  kCounterReset,     // the counter starts again; what was paid for stays
  kExchange,         // another meter: counter, sequence and version start again
  kSequenceRestart,  // the radio counts from 0 again
  kFirmware,         // a new version
  kBattery,          // status bits
  kCaseOpened,
  kFlowSensor,
  kLowBalance,       // little is left; somebody pays in the end
};
std::string_view incident_name(IncidentKind kind);

struct Incident {
  IncidentKind kind = IncidentKind::kSilence;
  std::uint32_t meter = 0;  // index
  base::Timestamp from{};
  base::Timestamp until{};  // not included
  std::uint32_t litres = 0; // an hour (leak, seepage), an interval of 30 s (spike, backwards), else at once

  bool covers(base::Timestamp at) const { return from <= at && at < until; }
};

struct IncidentPlan {
  std::uint64_t seed = 1;
  std::uint32_t meters = 0;
  base::Timestamp begin{};
  std::chrono::seconds span{};
};
// In order of time. Every meter has incidents of one kind at most, and four meters in ten none; each kind
// has two meters at least, as long as there are meters. Kinds that do not fit into the span are left out.
std::vector<Incident> plan_incidents(const IncidentPlan& plan);

}  // namespace meterhub::sim
