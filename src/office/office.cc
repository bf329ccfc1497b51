#include <meterhub/office/office.h>

#include <algorithm>
#include <span>
#include <utility>

#include <meterhub/base/logging.h>
#include <meterhub/fleet/snapshot.h>
#include <meterhub/fleet/tail.h>
#include <meterhub/tables/completeness.h>
#include <meterhub/tables/episodes.h>
#include <meterhub/tables/positions.h>
#include <meterhub/tables/status.h>

#include "completeness_days.h"
#include "gateway_tail.h"
#include "gateways.h"
#include "ledger.h"
#include "meter_limits.h"
#include "sightings.h"
#include "snapshots.h"
#include "status_rows.h"

namespace meterhub::office {
namespace {

// How often the logs are looked at, and how many meters' silence with each look: a million in four seconds.
constexpr std::chrono::milliseconds kLook{200};
// Between two looks while there is more to read, so that a start takes some half of a core only.
constexpr std::chrono::milliseconds kBreath{10};
constexpr std::size_t kSweep = 50'000;
constexpr std::size_t kSurveyStep = 20'000;
// A survey of a million meters takes ten seconds of looks; it rests so many times as long.
constexpr int kRest = 5;
constexpr std::size_t kMetersOfView = 2048;  // looked up under one lock of the directory
constexpr std::chrono::seconds kSecond{1};
constexpr std::chrono::hours kExpire{1};
constexpr std::size_t kExpireMost = 10'000;

class LoopOffice final : public Office {
 public:
  LoopOffice(base::Executor& executor, const OfficeWorld& world, OfficeOptions options)
      : executor_(executor),
        world_(world),
        options_(std::move(options)),
        limits_(world.directory, world.rules),
        fleet_(options_.ring_meters_max),
        episodes_(options_.policies, options_.episodes),
        days_({world.directory, fleet_, limits_, gateways_, outages_, episodes_, world.metrics},
              {options_.day_closes_after, options_.completeness_kept}),
        sightings_(fleet_, limits_, gateways_, outages_, episodes_, days_),
        ledger_(world.database, executor, world.writer, world.metrics, world.with_changes),
        meter_rows_(options_.meter_rows_max) {}
  ~LoopOffice() override { executor_.cancel(timer_); }

  base::Result<void> start();

  fleet::FleetState& fleet() override { return fleet_; }
  const alarm::Episodes& episodes() const override { return episodes_; }
  const fleet::Surveyed& surveyed() const override { return surveyed_; }
  fleet::DayClock& days(base::TenantNumber tenant) override { return limits_.days(tenant); }
  const fleet::Completeness& completeness() const override { return days_.surveyed(); }
  fleet::TwoDays completeness(base::MeterNumber meter) const override;
  base::Timestamp gateway_heard(std::string_view gateway) const override { return gateways_.heard_last(gateway); }
  bool caught_up() const override { return caught_up_; }
  void act(Act act, Done done) override;
  void drain(base::Task done) override;

 private:
  struct Waiting {
    alarm::Outcome outcome;
    Done done;
  };

  base::Timestamp now() const { return executor_.clock().now(); }
  base::MonotonicTime monotonic() const { return executor_.clock().monotonic(); }
  base::Result<void> load_episodes();
  base::Result<void> load_positions(db::Connection& connection, base::TopicId readings);
  void look();
  bool read();
  void judge();
  void each_second();
  void go_on();
  bool flush(alarm::Episodes::Seen seen);
  void committed(const alarm::Changes& changes);
  void snapshot_when_due();
  void take_snapshot(base::PartitionId partition);
  void survey();
  void begin_survey();
  void end_survey();
  void write_meter_rows();
  void write_area_rows();
  void expire_episodes();
  struct OpenOnes {
    fleet::OpenAlarms alarms;
    struct Gone {
      alarm::Rule rule;
      alarm::Subject subject;
      base::TenantNumber tenant;
    };
    std::vector<Gone> gone;  // whose meter or gateway the registry has no more, or with that tenant, another one
  };
  OpenOnes open_ones() const;
  void finish_drain();

  base::Executor& executor_;
  const OfficeWorld world_;
  const OfficeOptions options_;
  Limits limits_;
  fleet::FleetState fleet_;
  Gateways gateways_;
  OutagesByNumber outages_{fleet_, gateways_};
  alarm::Episodes episodes_;
  CompletenessDays days_;
  Sightings sightings_;
  Ledger ledger_;
  std::unique_ptr<fleet::FleetTail> tail_;
  std::unique_ptr<GatewayTail> gateway_tail_;
  base::Executor::TimerId timer_{};

  bool caught_up_ = false;
  base::Timestamp started_{};
  base::Timestamp complete_{};
  std::optional<base::MonotonicTime> second_at_;
  // Conditions of before the start that stood; until it has caught up.
  std::vector<alarm::Condition> standing_;
  std::vector<Waiting> waiting_;    // for the next transaction
  std::vector<Waiting> in_flight_;  // for the one under way

  MeterRows meter_rows_;
  std::optional<fleet::Survey> survey_;
  base::Timestamp survey_as_of_{};
  fleet::Surveyed surveyed_;
  bool writes_rows_ = false;  // this survey does
  bool rows_under_way_ = false;
  std::optional<base::MonotonicTime> surveyed_at_, rests_until_, rows_at_, expired_at_;

  std::uint32_t snapshot_next_ = 0;  // partition
  bool snapshot_under_way_ = false;
  std::optional<base::MonotonicTime> snapshot_at_;

  base::Task drained_;
  bool drain_flushed_ = false;
  std::uint32_t drain_snapshots_ = 0;  // partitions
  std::shared_ptr<LoopOffice*> self_ = std::make_shared<LoopOffice*>(this);
};

base::Result<void> LoopOffice::start() {
  started_ = complete_ = now();
  MH_TRY_VOID(world_.disk.make_directories(options_.directory));
  MH_TRY_VOID(load_episodes());
  const auto readings = MH_TRY(world_.log.topic(log::topics::kReadings));
  fleet::TailOptions tail{.look_back = options_.look_back};
  const auto snapshots = load_snapshots(world_.disk, options_.directory, world_.log.partitions(readings), fleet_);
  for (const auto& head : snapshots) tail.from.push_back(head ? std::optional(head->next) : std::nullopt);
  tail_ = MH_TRY(fleet::FleetTail::open(world_.log, world_.directory, fleet_, sightings_, world_.metrics, now(), tail));
  const GatewayTail::World of_gateways{world_.log, world_.directory, limits_, gateways_, fleet_};
  gateway_tail_ = MH_TRY(GatewayTail::open(of_gateways, now() - options_.look_back, snapshots));
  sightings_.not_silent_before(started_);
  executor_.post([weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->look();
  });
  return {};
}

base::Result<void> LoopOffice::load_episodes() {
  const auto flap = options_.policies.longest_flap_window();
  const auto readings = MH_TRY(world_.log.topic(log::topics::kReadings));
  alarm::Saved saved;
  const auto read = world_.database.read([&](db::Connection& connection) -> base::Result<void> {
    // Twice: readings that wait may be as old as the longest window. What is not needed is forgotten with the first tick.
    saved = MH_TRY(tables::read_episodes(connection, now() - 2 * flap));
    days_.load(MH_TRY(tables::closed_days(connection)));
    return load_positions(connection, readings);
  });
  if (!read) return read;
  for (const auto& episode : saved.episodes)
    if (episode.standing && !episode.gone_since) standing_.push_back({episode.rule, episode.subject});
  for (const auto& pending : saved.pending) standing_.push_back({pending.rule, pending.subject});
  episodes_.load(std::move(saved));
  return {};
}

base::Result<void> LoopOffice::load_positions(db::Connection& connection, base::TopicId readings) {
  for (std::uint32_t number = 0; number < world_.log.partitions(readings); ++number) {
    const base::PartitionId partition(number);
    const auto next = MH_TRY(tables::position(connection, {kReader, log::topics::kReadings, partition}));
    if (!next) continue;
    if (*next <= MH_TRY(world_.log.bounds({readings, partition})).next) {
      sightings_.applied(partition, *next);
    } else {
      // A database beside another log, as after a restore: its offsets say nothing here.
      base::logging::warn("office_position_beyond_log", {{"partition", number}, {"position", next->value}});
    }
  }
  return {};
}

void LoopOffice::look() {
  // What cannot be written is not read either: the log keeps it.
  const bool more = !ledger_.failing() && read();
  if (!more && !ledger_.failing()) judge();
  if (flush(alarm::Episodes::Seen::kWhenDue)) snapshot_when_due();
  survey();
  if (drained_ && !more) return finish_drain();
  timer_ = executor_.after(more ? kBreath : kLook, [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->look();
  });
}

bool LoopOffice::read() {
  if (!second_at_ || monotonic() - *second_at_ >= kSecond) {
    second_at_ = monotonic();
    each_second();
  }
  // At a start gateways come first: whether one was down is asked where its meters' readings are missing.
  if (!caught_up_ && gateway_tail_->read(GatewayTail::What::kWithoutLetters)) return true;
  const bool more = tail_->read(now(), complete_);
  if (caught_up_) gateway_tail_->read(GatewayTail::What::kWithLetters);
  caught_up_ = caught_up_ || !more;
  return more;
}

void LoopOffice::each_second() {
  // Before reading: what is complete up to then is read now.
  complete_ = std::max(complete_, world_.complete_until());
  limits_.refresh();
}

void LoopOffice::judge() {
  if (!standing_.empty()) go_on();
  tail_->sweep(kSweep, complete_);
  episodes_.tick(complete_);
  days_.step(complete_);
}

// What was wrong before the start and is not any more: nothing else would tell, where the fleet never saw it go.
void LoopOffice::go_on() {
  const auto standing = std::exchange(standing_, {});
  for (std::span left(standing); !left.empty();) {
    const auto part = left.first(std::min(left.size(), kMetersOfView));
    left = left.subspan(part.size());
    const auto view = world_.directory.view();
    for (const auto& [rule, subject] : part) {
      if (subject.kind != alarm::SubjectKind::kMeter) continue;
      if (const auto* const meter = view.meter(base::Eui64(subject.number))) sightings_.go_on(*meter, view, rule, complete_);
    }
  }
}

// Everything that happened up to here, with where the readings stand, is one transaction. False: one is under way.
bool LoopOffice::flush(alarm::Episodes::Seen seen) {
  if (ledger_.busy()) return false;
  if (!episodes_.changed() && waiting_.empty() && !days_.has_work() && seen == alarm::Episodes::Seen::kWhenDue) return true;
  Effects effects{episodes_.take_changes(seen), {}, days_.take_work()};
  if (effects.changes.empty() && effects.also.empty() && waiting_.empty()) return true;
  for (std::uint32_t number = 0; number < tail_->partitions(); ++number)
    effects.positions.push_back(tail_->position(base::PartitionId(number)));
  in_flight_ = std::exchange(waiting_, {});
  ledger_.write(std::move(effects), [this](const alarm::Changes& changes) { committed(changes); });
  return true;
}

void LoopOffice::committed(const alarm::Changes& changes) {
  for (auto& waiting : std::exchange(in_flight_, {})) waiting.done(std::move(waiting.outcome));
  if (world_.changed) world_.changed(changes);
  if (!waiting_.empty()) flush(alarm::Episodes::Seen::kWhenDue);
}

void LoopOffice::snapshot_when_due() {
  if (snapshot_under_way_ || !caught_up_) return;
  if (snapshot_next_ == 0 && snapshot_at_ && monotonic() - *snapshot_at_ < options_.snapshot_every) return;
  if (snapshot_next_ == 0) snapshot_at_ = monotonic();
  take_snapshot(base::PartitionId(snapshot_next_));
  snapshot_next_ = (snapshot_next_ + 1) % tail_->partitions();
}

// Call it right behind a flush: the file comes after the transaction that holds all effects of what was read.
void LoopOffice::take_snapshot(base::PartitionId partition) {
  const fleet::SnapshotHead head{partition, tail_->partitions(), tail_->position(partition), now(), 0, gateway_tail_->letters()};
  snapshot_under_way_ = true;
  ledger_.after_effects(
      [&disk = world_.disk, path = snapshot_path(options_.directory, partition), bytes = fleet::encode_snapshot(fleet_, head)] {
        return disk.replace_durably(path, bytes);
      },
      [this] { snapshot_under_way_ = false; });
}

void LoopOffice::survey() {
  if (!caught_up_ || rows_under_way_) return;
  if (!survey_) {
    if (rests_until_ && monotonic() < *rests_until_) return;
    begin_survey();
  }
  const bool more = survey_->step(kSurveyStep);
  if (meter_rows_.size() > 0) write_meter_rows();
  if (!more) end_survey();
}

void LoopOffice::begin_survey() {
  surveyed_at_ = monotonic();
  writes_rows_ = !rows_at_ || monotonic() - *rows_at_ >= options_.tables_every;
  if (writes_rows_) {
    rows_at_ = monotonic();
    meter_rows_.begin(world_.directory);
  }
  days_.begin_survey(complete_);
  const auto visit = [this](const registry::MeterEntry& meter, const fleet::MeterFigures& figures,
                            const registry::Directory::View& view) {
    sightings_.repeat_silence(meter, complete_);
    if (view.taken_out_by(meter) == nullptr) days_.visit(meter);
    if (writes_rows_) meter_rows_.visit(meter, figures, view, limits_);
  };
  survey_as_of_ = complete_;
  const auto days = [this](base::TenantNumber tenant) -> fleet::DayClock& { return limits_.days(tenant); };
  survey_.emplace(world_.directory, fleet_, survey_as_of_, days, visit);
}

void LoopOffice::end_survey() {
  const auto open = open_ones();
  surveyed_ = survey_->finish(open.alarms);
  survey_.reset();
  days_.end_survey();
  std::map<base::TenantNumber, std::uint64_t> subjects;
  for (const auto& district : surveyed_.districts) subjects[district.tenant] += district.figures.meters;
  for (const auto& [tenant, count] : subjects) episodes_.set_subjects(tenant, count);
  gateways_.judge(world_.directory, limits_, episodes_, complete_, started_);
  // Troubles of meters and gateways that the registry has no more, or with another tenant now, are over.
  for (const auto& [rule, subject, tenant] : open.gone)
    episodes_.observe({.rule = rule, .subject = subject, .tenant = tenant, .active = false, .at = complete_});
  if (writes_rows_) write_area_rows();
  expire_episodes();
  rests_until_ = monotonic() + std::max<std::chrono::nanoseconds>(options_.survey_every, kRest * (monotonic() - *surveyed_at_));
}

fleet::TwoDays LoopOffice::completeness(base::MeterNumber meter) const {
  base::TenantNumber tenant;
  {
    const auto view = world_.directory.view();
    const auto* const entry = view.meter(meter);
    if (entry == nullptr) return {};
    tenant = entry->tenant;
  }
  return days_.of(meter, tenant, complete_);
}

void LoopOffice::write_meter_rows() {
  rows_under_way_ = true;
  ledger_.write_rows(
      [rows = meter_rows_.take(), at = survey_as_of_](db::Connection& connection) { return tables::write_meters(connection, rows, at); },
      [this](bool written) {
        rows_under_way_ = false;
        if (!written) meter_rows_.not_written();
      });
}

void LoopOffice::write_area_rows() {
  std::vector<tables::AreaRow> buildings, districts;
  for (const auto& building : surveyed_.buildings) buildings.push_back(area_row(building, limits_));
  for (const auto& district : surveyed_.districts) districts.push_back(area_row(district, limits_));
  meter_rows_.end();
  ledger_.write_rows(
      [buildings = std::move(buildings), districts = std::move(districts), keep = meter_rows_.to_keep(world_.directory),
       at = surveyed_.as_of](db::Connection& connection) -> base::Result<void> {
        if (keep) MH_TRY_VOID(tables::keep_meters(connection, *keep));
        return tables::write_areas(connection, buildings, districts, at);
      },
      [this](bool written) {
        if (!written) meter_rows_.not_written();
      });
}

// A block at a time, so that nobody waits for the database; while there is more to delete, with each survey.
void LoopOffice::expire_episodes() {
  if (expired_at_ && monotonic() - *expired_at_ < kExpire) return;
  expired_at_ = monotonic();
  const auto gone = std::make_shared<std::int64_t>(0);
  ledger_.write_rows(
      [gone, before = now() - options_.episodes_kept](db::Connection& connection) -> base::Result<void> {
        *gone = MH_TRY(tables::expire_episodes(connection, before, kExpireMost));
        return {};
      },
      [this, gone](bool written) {
        if (!written || *gone == static_cast<std::int64_t>(kExpireMost)) expired_at_.reset();
      });
}

// One look at all open episodes. Each asks the directory for itself: a hundred thousand under one lock would hold up those
// who take packets.
LoopOffice::OpenOnes LoopOffice::open_ones() const {
  OpenOnes out;
  alarm::Filter filter;
  filter.kinds = {alarm::SubjectKind::kMeter, alarm::SubjectKind::kGateway};
  filter.matches = [&](const alarm::Episode& episode) {
    std::optional<base::TenantNumber> tenant;
    if (episode.subject.kind == alarm::SubjectKind::kGateway) {
      if (const auto gateway = world_.directory.gateway(episode.subject.name)) tenant = gateway->tenant;
    } else if (const auto meter = world_.directory.meter(base::Eui64(episode.subject.number))) {
      tenant = meter->tenant;
      if (tenant == episode.tenant)
        ++(meter->building.value != 0 ? out.alarms.buildings[meter->building.value] : out.alarms.unplaced[meter->tenant]);
    }
    if (tenant ? *tenant != episode.tenant : episode.standing)
      out.gone.push_back({episode.rule, episode.subject, tenant.value_or(episode.tenant)});
    return false;  // counted; nothing is listed
  };
  episodes_.list(filter, {}, {.limit = 0});
  return out;
}

void LoopOffice::act(Act act, Done done) {
  auto outcome = act(episodes_);
  if (!outcome || outcome->done == 0) return done(std::move(outcome));
  waiting_.push_back({std::move(*outcome), std::move(done)});
  flush(alarm::Episodes::Seen::kWhenDue);
}

void LoopOffice::drain(base::Task done) {
  drained_ = std::move(done);
  executor_.cancel(timer_);
  look();
}

// Comes again until each thing that is under way has ended.
void LoopOffice::finish_drain() {
  const bool waits = ledger_.busy() || rows_under_way_ || snapshot_under_way_;
  if (!waits && !drain_flushed_) {
    drain_flushed_ = true;
    flush(alarm::Episodes::Seen::kAll);
  } else if (!waits && caught_up_ && drain_snapshots_ < tail_->partitions()) {
    take_snapshot(base::PartitionId(drain_snapshots_++));
  } else if (!waits) {
    return std::exchange(drained_, {})();
  }
  timer_ = executor_.after(kBreath, [weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->finish_drain();
  });
}

}  // namespace

base::Result<std::unique_ptr<Office>> Office::start(base::Executor& executor, const OfficeWorld& world, OfficeOptions options) {
  auto office = std::make_unique<LoopOffice>(executor, world, std::move(options));
  MH_TRY_VOID(office->start());
  return office;
}

}  // namespace meterhub::office
