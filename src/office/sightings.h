// Turns what the fleet's tail sees into observations for the episodes.
#pragma once

#include <vector>

#include <meterhub/alarm/episodes.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/tail.h>

#include "completeness_days.h"
#include "gateways.h"
#include "meter_limits.h"

namespace meterhub::office {

// One thread.
class Sightings final : public fleet::TailListener {
 public:
  Sightings(fleet::FleetState& fleet, Limits& limits, Gateways& gateways, const fleet::GatewayOutages& outages,
            alarm::Episodes& episodes, CompletenessDays& days)
      : fleet_(fleet), limits_(limits), gateways_(gateways), outages_(outages), episodes_(episodes), days_(days) {}

  // Effects of readings before this offset are in the database: they are not applied again.
  void applied(base::PartitionId partition, base::Offset next);

  // Silence counts from here at the earliest: while the platform stood still nobody could be heard.
  void not_silent_before(base::Timestamp time) { listening_since_ = time; }

  fleet::MeterLimits limits_of(const registry::MeterEntry& meter, const registry::Directory::View& view) override {
    return limits_.of(meter, view);
  }
  void conditions_seen(const Seen& seen) override;
  const fleet::GatewayOutages& outages() const override { return outages_; }
  void came_after_closing(const AfterClosing& late) override {
    if (!is_applied(late.partition, late.offset)) days_.came_after_closing(late);
  }
  // An episode, or a condition that waits to be one, of before a restart, once all readings of before it are taken in:
  // what the fleet knows to be over is over. What it does not know, as no snapshot tells it, counts until the meter is
  // heard. Under the directory's lock.
  void go_on(const registry::MeterEntry& meter, const registry::Directory::View& view, alarm::Rule rule, base::Timestamp complete);
  void gateway_heard(std::string_view gateway, base::Timestamp at) override { gateways_.heard(gateway, at); }

  // Tells a meter's silence again: what was not tracked, as too many episodes were open, or before a restart.
  void repeat_silence(const registry::MeterEntry& meter, base::Timestamp at);

 private:
  bool is_applied(base::PartitionId partition, base::Offset offset) const {
    return partition.value < applied_.size() && offset < applied_[partition.value];
  }
  void observe(const Seen& seen, fleet::Condition condition, bool active);
  bool has_listened(const Seen& seen);

  fleet::FleetState& fleet_;
  Limits& limits_;
  Gateways& gateways_;
  const fleet::GatewayOutages& outages_;
  alarm::Episodes& episodes_;
  CompletenessDays& days_;
  std::vector<base::Offset> applied_;  // by partition
  base::Timestamp listening_since_{};
};

}  // namespace meterhub::office
