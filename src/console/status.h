// GET /api/v1/status: counters, rates, lag, meters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>

#include <meterhub/fleet/fleet_state.h>
#include "event_hubs.h"
#include "lag.h"
#include "tenant_figures.h"

namespace meterhub::console {

// Events a second over the last ten, from a counter looked at once a second or so.
class Rate {
 public:
  void look(base::MonotonicTime at, std::uint64_t total);
  double per_second() const;

 private:
  static constexpr std::size_t kLooks = 11;
  struct Look {
    base::MonotonicTime at;
    std::uint64_t total;
  };
  std::array<Look, kLooks> looks_{};
  std::size_t count_ = 0;
};

// What the parts of the platform counted since the process began.
struct Totals {
  std::uint64_t received = 0;
  std::uint64_t settled = 0;
  std::uint64_t readings = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t late = 0;
  std::uint64_t stale = 0;
  std::map<std::string, std::uint64_t> dead_letters;  // by reason
  std::map<std::string, std::uint64_t> noise;
  std::map<std::string, std::uint64_t> refused;  // what never came in, as "token signature"
};
Totals read_totals(const base::Metrics& metrics);

struct Status {
  base::Timestamp time{};
  base::Timestamp started{};
  Totals totals;
  double packets_per_second = 0;
  double readings_per_second = 0;
  std::vector<StageLag> stages;
  std::size_t meters = 0;
  std::int64_t alerts = 0;
  double log_fill = 0;
  std::vector<EventHubContent> event_hubs;
  std::vector<std::string> warnings;
};
std::string status_json(const Status& status, const fleet::FleetState& fleet);
// What a tenant is told: its meters and alerts, and nothing of the platform's.
std::string tenant_status_json(const Status& status, std::string_view tenant, const Figures& figures);
// What /health says: an error that names what is in the way of packets.
base::Result<void> health_of(const Status& status);

}  // namespace meterhub::console
