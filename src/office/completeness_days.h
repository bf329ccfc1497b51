// Completeness as the office keeps it: figures of today and yesterday for those who ask, and days that are closed, in
// table completeness_day and as episodes of rule `incomplete` (docs/completeness.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <meterhub/alarm/episodes.h>
#include <meterhub/base/metrics.h>
#include <meterhub/fleet/completeness_survey.h>
#include <meterhub/fleet/tail.h>
#include <meterhub/tables/completeness.h>

#include "gateways.h"
#include "ledger.h"
#include "meter_limits.h"

namespace meterhub::office {

struct CompletenessOptions {
  // A tenant's day is closed so long after its local midnight.
  std::chrono::minutes closes_after{120};
  // Rows of meters stay so long, and so long late readings move in rows of closed days; other rows stay 400 days.
  std::chrono::days meters_kept{35};
};

// One thread. What it writes it gives out as work for the transaction that holds the positions of `readings` too, so
// that a crash neither loses nor repeats a late reading.
class CompletenessDays {
 public:
  struct World {
    const registry::Directory& directory;
    const fleet::FleetState& fleet;
    Limits& limits;
    const Gateways& gateways;
    const fleet::GatewayOutages& outages;
    alarm::Episodes& episodes;
    base::Metrics& metrics;
  };
  CompletenessDays(const World& world, const CompletenessOptions& options);

  void load(const tables::ClosedDays& closed);
  // Closes days that are due, some meters at a time; `complete`: up to when the log is.
  void step(base::Timestamp complete);
  void came_after_closing(const fleet::TailListener::AfterClosing& late);

  bool has_work() const { return !work_.empty() || !late_.empty(); }
  // For the next transaction; it is repeated until it succeeds.
  std::vector<Ledger::Work> take_work();

  // A look over all meters, beside the fleet's survey.
  void begin_survey(base::Timestamp as_of);
  void visit(const registry::MeterEntry& meter);
  void end_survey();
  const fleet::Completeness& surveyed() const { return surveyed_; }
  fleet::TwoDays of(base::MeterNumber meter, base::TenantNumber tenant, base::Timestamp as_of) const;

 private:
  struct Place {
    std::string district, name;
  };
  // Days that are being closed.
  struct Walk {
    std::map<base::TenantNumber, std::int32_t> days;
    base::Timestamp at{};
    std::uint32_t next = 1;  // meter
    std::map<std::uint32_t, Place> places;
    std::set<std::uint64_t> incomplete;  // EUIs of meters with an open episode
    fleet::CountedAreas areas;
    std::vector<tables::CompletenessRow> rows;
  };

  void begin_walk(base::Timestamp complete);
  void prepare(base::TenantNumber tenant, std::int32_t day);
  void walk();
  void forget_meter(const registry::MeterEntry& meter);
  void close_meter(const registry::MeterEntry& meter, std::int32_t day);
  void end_walk();
  tables::CompletenessRow row_of(const fleet::CountedArea& area, std::int32_t day) const;
  void judge(const alarm::Subject& subject, base::TenantNumber tenant, const fleet::CountFigures& figures, bool active);
  fleet::CountWorld world_of(base::TenantNumber tenant) const;
  void explain_losses(fleet::CountedArea& area, std::int32_t day, fleet::CountFigures& figures) const;

  const World world_;
  const CompletenessOptions options_;
  base::Counter& too_late_;
  std::map<base::TenantNumber, std::int32_t> closed_;
  base::Timestamp looked_{};
  std::optional<Walk> walk_;
  std::vector<Ledger::Work> work_;
  std::vector<tables::LateReading> held_;  // of days that are being closed, of meters that were visited
  std::vector<tables::LateReading> late_;
  std::optional<fleet::CountedAreas> sum_;
  base::Timestamp as_of_{};
  fleet::Completeness surveyed_;
};

}  // namespace meterhub::office
