// The role `office`: what the gas company's staff see. It follows the logs, keeps what every meter said last, makes
// episodes of what is wrong, counts gas used by local day, and writes all of it into database.sqlite.
//
// Nothing is lost and nothing told twice: an episode's changes, its messages and the position of the readings they come
// from are one transaction. After a crash the fleet's state is the last snapshot and the readings behind it; their
// effects are not applied again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <meterhub/alarm/episodes.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/fleet/completeness_survey.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/survey.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>
#include <meterhub/rules/thresholds.h>
#include <meterhub/tables/database.h>

namespace meterhub::office {

struct OfficeOptions {
  std::string directory;  // of snapshots; made when there is none
  alarm::Policies policies{};
  alarm::EpisodesOptions episodes{};
  // Figures of buildings and districts are made anew so often after the last time, in memory; of a million meters once
  // a minute, as looking at all of them takes ten seconds.
  std::chrono::milliseconds survey_every{10'000};
  // Tables meter_latest, building_status and district_status are written at most so often.
  std::chrono::milliseconds tables_every{60'000};
  // Rows of meter_latest in one go that only have newer readings: a million meters take ten.
  std::size_t meter_rows_max = 100'000;
  std::chrono::milliseconds snapshot_every{60'000};
  // Where no snapshot is, `readings` are read so far back.
  std::chrono::minutes look_back{120};
  // A tenant's day is closed so long after its local midnight (docs/completeness.md).
  std::chrono::minutes day_closes_after{120};
  // Rows of meters in table completeness_day stay so long; others 400 days.
  std::chrono::days completeness_kept{35};
  // Cleared episodes and their histories stay so long.
  std::chrono::days episodes_kept{730};
  // Up to this many meters the newest 50 readings of each stay in memory.
  std::uint32_t ring_meters_max = 20'000;
};

// All of it outlives the office.
struct OfficeWorld {
  log::Log& log;
  const registry::Directory& directory;
  tables::Database& database;
  base::Disk& disk;
  base::Metrics& metrics;
  const rules::Rules& rules;
  // A thread that can wait for the database and the disk.
  base::Executor& writer;
  // Up to when all that the hub took is in log `readings`. Any thread's time is enough: asked once a second.
  std::function<base::Timestamp()> complete_until;
  // Inside the transaction of an episode's changes, on the writer's thread: the messages they cause. May be empty.
  std::function<base::Result<void>(db::Connection&, const alarm::Changes&)> with_changes{};
  // After it, on the office's thread. May be empty.
  std::function<void(const alarm::Changes&)> changed{};
};

// Everything happens on one executor, construction and destruction too.
class Office {
 public:
  // Loads snapshots and episodes (a million meters: a second) and begins. kNotFound when log `readings` was never
  // declared; the database's errors.
  static base::Result<std::unique_ptr<Office>> start(base::Executor& executor, const OfficeWorld& world,
                                                     OfficeOptions options);
  virtual ~Office() = default;

  virtual fleet::FleetState& fleet() = 0;
  virtual const alarm::Episodes& episodes() const = 0;
  // The newest survey; empty before the first one.
  virtual const fleet::Surveyed& surveyed() const = 0;
  virtual fleet::DayClock& days(base::TenantNumber tenant) = 0;
  // Readings expected and received today and yesterday: of areas and gateways by the newest survey, of a meter as of
  // now; all zero for a meter that was never heard.
  virtual const fleet::Completeness& completeness() const = 0;
  virtual fleet::TwoDays completeness(base::MeterNumber meter) const = 0;
  // When a gateway was heard last; 0: never, or before what was read at the start.
  virtual base::Timestamp gateway_heard(std::string_view gateway) const = 0;
  // Whether all that was in the log at the start has been read.
  virtual bool caught_up() const = 0;

  // What people do to episodes. `act` runs at once, `done` when it is on disk; after an error of the database the act
  // stands and is being written again: `done` waits.
  using Act = std::move_only_function<base::Result<alarm::Outcome>(alarm::Episodes&)>;
  using Done = std::move_only_function<void(base::Result<alarm::Outcome>)>;
  virtual void act(Act act, Done done) = 0;

  // Reads what is there, writes all of it, takes snapshots, then calls `done`.
  virtual void drain(base::Task done) = 0;
};

}  // namespace meterhub::office
