// Turns what the fleet's tail sees into observations for the episodes.
#pragma once

#include <vector>

#include <meterhub/alarm/episodes.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/tail.h>

#include "gateways.h"
#include "meter_limits.h"

namespace meterhub::office {

// One thread.
class Sightings final : public fleet::TailListener {
 public:
  Sightings(const fleet::FleetState& fleet, Limits& limits, Gateways& gateways, alarm::Episodes& episodes)
      : fleet_(fleet), limits_(limits), gateways_(gateways), episodes_(episodes) {}

  // Effects of readings before this offset are in the database: they are not applied again.
  void applied(base::PartitionId partition, base::Offset next);

  // Silence counts from here at the earliest: while the platform stood still nobody could be heard.
  void not_silent_before(base::Timestamp time) { listening_since_ = time; }

  fleet::MeterLimits limits_of(const registry::MeterEntry& meter, const registry::Directory::View& view) override {
    return limits_.of(meter, view);
  }
  void conditions_seen(const Seen& seen) override;
  void gateway_heard(std::string_view gateway, base::Timestamp at) override { gateways_.heard(gateway, at); }

  // Tells a meter's silence again: what was not tracked, as too many episodes were open, or before a restart.
  void repeat_silence(const registry::MeterEntry& meter, base::Timestamp at);

 private:
  void observe(const Seen& seen, fleet::Condition condition, bool active);
  bool has_listened(const Seen& seen);

  const fleet::FleetState& fleet_;
  Limits& limits_;
  Gateways& gateways_;
  alarm::Episodes& episodes_;
  std::vector<base::Offset> applied_;  // by partition
  base::Timestamp listening_since_{};
};

}  // namespace meterhub::office
