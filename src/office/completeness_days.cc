#include "completeness_days.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace meterhub::office {
namespace {

using fleet::AreaKind;
using fleet::CountFigures;
using fleet::Missing;

// Meters that are closed with each look: a million in ten seconds.
constexpr std::uint32_t kMetersOfStep = 20'000;
constexpr std::int32_t kOthersKept = 400;  // days
constexpr std::chrono::seconds kSecond{1};
// Late readings that wait for a transaction: of a gateway's backlog of a night.
constexpr std::size_t kLateMost = 200'000;

static_assert(static_cast<int>(Missing::kSilent) == static_cast<int>(tables::MissingColumn::kSilent) &&
              static_cast<int>(Missing::kLost) == static_cast<int>(tables::MissingColumn::kLost) &&
              fleet::kMissing == tables::kMissingColumns);

alarm::SubjectKind subject_kind(AreaKind kind) {
  switch (kind) {
    case AreaKind::kGateway: return alarm::SubjectKind::kGateway;
    case AreaKind::kBuilding: return alarm::SubjectKind::kBuilding;
    case AreaKind::kDistrict: return alarm::SubjectKind::kDistrict;
    case AreaKind::kTenant: break;
  }
  return alarm::SubjectKind::kTenant;
}

void put_figures(tables::CompletenessRow& row, const CountFigures& figures) {
  row.received = figures.received;
  row.late = figures.late;
  row.missing = figures.missing;
}

bool has_missing(const CountFigures& figures) { return figures.expected() > figures.received; }

// Episodes know no tenant beside their subject: names are told with what they lie in.
alarm::Subject subject_of(const fleet::CountedArea& area, const std::string& tenant) {
  std::string name = tenant;
  if (area.kind == AreaKind::kDistrict || area.kind == AreaKind::kBuilding) name += " / " + area.district;
  if (area.kind == AreaKind::kBuilding) name += " / " + area.building;
  return alarm::Subject::named(subject_kind(area.kind), std::move(name));
}

// "97.31 % of 2880: lost 60, silent 17".
std::string detail_of(const CountFigures& figures) {
  auto out = fmt::format("{:.2f} % of {}", figures.percent(), figures.expected());
  const char* before = ": ";
  for (std::size_t n = 0; n < fleet::kMissing; ++n) {
    if (figures.missing[n] == 0) continue;
    out += fmt::format("{}{} {}", std::exchange(before, ", "), fleet::missing_name(static_cast<Missing>(n)),
                       figures.missing[n]);
  }
  return out;
}

// A meter of whose packets most do not come through; silence and gateways have rules of their own.
bool is_hardly_heard(const CountFigures& figures) {
  return 2 * (figures.of(Missing::kLost) + figures.of(Missing::kDecryptFailed) + figures.of(Missing::kRejected)) >
         figures.expected();
}

}  // namespace

CompletenessDays::CompletenessDays(const World& world, const CompletenessOptions& options)
    : world_(world),
      options_(options),
      too_late_(world.metrics.counter(
          "meterhub_office_too_late_readings_total",
          "Readings for days that are closed and whose rows of meters are gone, or beyond what can wait.")) {}

void CompletenessDays::load(const tables::ClosedDays& closed) {
  for (const auto& [tenant, day] : closed) {
    closed_[tenant] = day;
    world_.limits.set_open_day(tenant, day + 1);
  }
}

fleet::CountWorld CompletenessDays::world_of(base::TenantNumber tenant) const {
  return {.days = world_.limits.days(tenant), .outages = world_.outages};
}

void CompletenessDays::step(base::Timestamp complete) {
  if (walk_) {
    // One piece waits for its transaction at most.
    if (work_.empty()) walk();
    return;
  }
  if (complete - looked_ < kSecond) return;
  looked_ = complete;
  begin_walk(complete);
}

void CompletenessDays::begin_walk(base::Timestamp complete) {
  Walk walk;
  walk.at = complete;
  for (const auto& tenant : world_.directory.tenants()) {
    const auto day = world_.limits.days(tenant.number).number_of(complete - options_.closes_after) - 1;
    const auto closed = closed_.find(tenant.number);
    if (closed == closed_.end() || closed->second < day) walk.days.emplace(tenant.number, day);
  }
  if (walk.days.empty()) return;
  for (auto& building : world_.directory.buildings())
    walk.places.emplace(building.number.value, Place{std::move(building.district), std::move(building.name)});
  alarm::Filter filter;
  filter.rules = {alarm::Rule::kIncomplete};
  filter.kinds = {alarm::SubjectKind::kMeter};
  filter.matches = [&](const alarm::Episode& episode) {
    walk.incomplete.insert(episode.subject.number);
    return false;
  };
  world_.episodes.list(filter, {}, {.limit = 0});
  walk_ = std::move(walk);
  for (const auto& [tenant, day] : walk_->days) prepare(tenant, day);
}

void CompletenessDays::prepare(base::TenantNumber tenant, std::int32_t day) {
  world_.limits.set_open_day(tenant, day + 1);
  const auto kept = static_cast<std::int32_t>(options_.meters_kept.count());
  work_.emplace_back([tenant, day, kept](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(tables::remove_completeness(connection, tenant, day));
    return tables::expire_completeness(connection, tenant, day - kept + 1, day - kOthersKept + 1);
  });
}

void CompletenessDays::walk() {
  const auto end = std::min(world_.directory.highest_meter().value + 1, walk_->next + kMetersOfStep);
  {
    const auto view = world_.directory.view();
    for (; walk_->next < end; ++walk_->next) {
      const auto* const meter = view.meter(base::MeterNumber(walk_->next));
      if (meter == nullptr) continue;
      if (view.taken_out_by(*meter) != nullptr) {
        forget_meter(*meter);
        continue;
      }
      if (const auto day = walk_->days.find(meter->tenant); day != walk_->days.end()) close_meter(*meter, day->second);
    }
  }
  if (!walk_->rows.empty()) {
    work_.emplace_back([rows = std::exchange(walk_->rows, {})](db::Connection& connection) {
      return tables::write_completeness(connection, rows);
    });
  }
  if (walk_->next > world_.directory.highest_meter().value) end_walk();
}

// Of one that was exchanged nothing is expected.
void CompletenessDays::forget_meter(const registry::MeterEntry& meter) {
  if (walk_->days.contains(meter.tenant) && walk_->incomplete.contains(meter.eui.value))
    judge(alarm::Subject::meter(meter.eui), meter.tenant, {}, false);
}

void CompletenessDays::close_meter(const registry::MeterEntry& meter, std::int32_t day) {
  const auto& count = world_.fleet.counted(meter.number);
  if (count.day == 0) return;
  const auto figures =
      fleet::figures_of(count, world_.fleet.last_heard(meter.number), day, walk_->at, world_of(meter.tenant));
  walk_->areas.add(meter, count.gateway, {.today = figures, .yesterday = {}});
  const bool trouble = is_hardly_heard(figures);
  if (trouble || walk_->incomplete.contains(meter.eui.value))
    judge(alarm::Subject::meter(meter.eui), meter.tenant, figures, trouble);
  if (!has_missing(figures)) return;
  tables::CompletenessRow row{.day = day,
                              .tenant = meter.tenant,
                              .kind = "meter",
                              .subject = meter.eui.text(),
                              .tenant_name = world_.limits.name(meter.tenant)};
  if (const auto place = walk_->places.find(meter.building.value); place != walk_->places.end()) {
    row.district = place->second.district;
    row.building = place->second.name;
  }
  put_figures(row, figures);
  walk_->rows.push_back(std::move(row));
}

void CompletenessDays::judge(const alarm::Subject& subject, base::TenantNumber tenant, const CountFigures& figures,
                             bool active) {
  const auto detail = active ? detail_of(figures) : std::string();
  world_.episodes.observe({.rule = alarm::Rule::kIncomplete,
                           .subject = subject,
                           .tenant = tenant,
                           .active = active,
                           .at = walk_->at,
                           .detail = detail});
}

// Packets of a gateway that could not be decrypted and name no meter: of as many it is known why they are missing.
void CompletenessDays::explain_losses(fleet::CountedArea& area, std::int32_t day, CountFigures& figures) const {
  if (area.kind != AreaKind::kGateway) return;
  auto& days = world_.limits.days(area.tenant);
  const auto known = std::min(figures.of(Missing::kLost),
                              world_.gateways.unnamed(area.gateway, days.begin_of(day), days.begin_of(day + 1)));
  figures.of(Missing::kLost) -= known;
  figures.of(Missing::kDecryptFailed) += known;
}

tables::CompletenessRow CompletenessDays::row_of(const fleet::CountedArea& area, std::int32_t day) const {
  const auto& tenant = world_.limits.name(area.tenant);
  tables::CompletenessRow row{.day = day,
                              .tenant = area.tenant,
                              .kind = alarm::name(subject_kind(area.kind)),
                              .tenant_name = tenant,
                              .district = area.district,
                              .building = area.building};
  switch (area.kind) {
    case AreaKind::kGateway: row.subject = area.gateway; break;
    case AreaKind::kBuilding: row.subject = std::to_string(area.number.value); break;
    case AreaKind::kDistrict: row.subject = area.district; break;
    case AreaKind::kTenant: row.subject = tenant; break;
  }
  put_figures(row, area.figures.today);
  return row;
}

// The rows of areas, the episodes and the note that the day is closed are one transaction.
void CompletenessDays::end_walk() {
  std::vector<tables::CompletenessRow> rows;
  for (auto& area : walk_->areas.areas(world_.directory, world_.fleet.gateways())) {
    const auto day = walk_->days.find(area.tenant);
    if (day == walk_->days.end()) continue;
    explain_losses(area, day->second, area.figures.today);
    rows.push_back(row_of(area, day->second));
    if (area.kind == AreaKind::kGateway) continue;
    const auto target = world_.limits.of_gateways(area.tenant).completeness_target;
    judge(subject_of(area, world_.limits.name(area.tenant)), area.tenant, area.figures.today,
          area.figures.today.percent() < target);
  }
  work_.emplace_back([rows = std::move(rows), days = walk_->days](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(tables::write_completeness(connection, rows));
    for (const auto& [tenant, day] : days) MH_TRY_VOID(tables::set_closed_day(connection, tenant, day));
    return {};
  });
  for (const auto& [tenant, day] : walk_->days) closed_[tenant] = day;
  walk_.reset();
  late_.insert(late_.begin(), std::make_move_iterator(held_.begin()), std::make_move_iterator(held_.end()));
  held_.clear();
}

void CompletenessDays::came_after_closing(const fleet::TailListener::AfterClosing& late) {
  const auto& meter = late.meter;
  const auto day = late.change.day;
  auto* waiting = &late_;
  if (walk_) {
    const auto closing = walk_->days.find(meter.tenant);
    if (closing != walk_->days.end() && closing->second == day) {
      if (meter.number.value >= walk_->next) return;  // it is in the count that is still to be closed
      waiting = &held_;
    }
  }
  const auto closed = world_.limits.open_day(meter.tenant) - 1;
  if (day <= closed - options_.meters_kept.count() || held_.size() + late_.size() >= kLateMost) {
    too_late_.add();
    return;
  }
  const auto& change = late.change;
  waiting->push_back(
      {.day = day,
       .tenant = meter.tenant,
       .meter = meter.eui,
       .building = meter.building.value,
       .gateway = world_.fleet.gateways().id(world_.fleet.counted(meter.number).gateway),
       .received = change.received,
       .from = change.from ? std::optional(static_cast<tables::MissingColumn>(*change.from)) : std::nullopt});
}

std::vector<Ledger::Work> CompletenessDays::take_work() {
  if (!late_.empty()) {
    work_.emplace_back([late = std::exchange(late_, {})](db::Connection& connection) -> base::Result<void> {
      for (const auto& reading : late) MH_TRY_VOID(tables::add_late(connection, reading));
      return {};
    });
  }
  return std::exchange(work_, {});
}

void CompletenessDays::begin_survey(base::Timestamp as_of) {
  as_of_ = as_of;
  sum_.emplace();
}

void CompletenessDays::visit(const registry::MeterEntry& meter) {
  if (!sum_) return;
  const auto gateway = world_.fleet.counted(meter.number).gateway;
  sum_->add(meter, gateway, of(meter.number, meter.tenant, as_of_));
}

void CompletenessDays::end_survey() {
  if (!sum_) return;
  surveyed_ = {as_of_, sum_->areas(world_.directory, world_.fleet.gateways())};
  sum_.reset();
  for (auto& area : surveyed_.areas) {
    const auto today = world_.limits.days(area.tenant).number_of(as_of_);
    explain_losses(area, today, area.figures.today);
    explain_losses(area, today - 1, area.figures.yesterday);
  }
}

fleet::TwoDays CompletenessDays::of(base::MeterNumber meter, base::TenantNumber tenant, base::Timestamp as_of) const {
  return fleet::counted_days(world_.fleet, meter, as_of, world_of(tenant));
}

}  // namespace meterhub::office
