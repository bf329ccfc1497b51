#include <meterhub/fleet/survey.h>

#include <algorithm>

namespace meterhub::fleet {
namespace {

// Meters that are looked up under one lock of the directory.
constexpr std::size_t kMetersOfView = 2048;
constexpr std::int32_t kWeek = 7;
constexpr std::int64_t kFarDays = 3650;

void count_state(AreaFigures& area, MeterState state) {
  switch (state) {
    case MeterState::kOnline: ++area.online; return;
    case MeterState::kLow: ++area.low; return;
    case MeterState::kClosed: ++area.closed; return;
    case MeterState::kSilent: ++area.silent; return;
    case MeterState::kFaulty: ++area.faulty; return;
    case MeterState::kUnknown:
    case MeterState::kNew: break;
  }
  ++area.unheard;
}

// By the mean of the days before today since the first one with any use.
std::optional<std::int32_t> exhausted(const MeterWatch& watch, const Reading& last, std::int32_t today) {
  if (last.left <= 0) return std::nullopt;  // or no amount, which is less
  std::int64_t used = 0;
  std::int32_t counted = 0;
  for (std::int32_t back = 1; back <= kWeek; ++back) {
    if (const auto of_day = watch.used_on(today - back); of_day > 0) {
      used += of_day;
      counted = back;
    }
  }
  if (used <= 0) return std::nullopt;
  const auto left = last.left * counted / used;
  if (left > kFarDays) return std::nullopt;
  return today + static_cast<std::int32_t>(left);
}

}  // namespace

AreaFigures& AreaFigures::operator+=(const AreaFigures& other) {
  meters += other.meters;
  online += other.online;
  low += other.low;
  closed += other.closed;
  silent += other.silent;
  faulty += other.faulty;
  unheard += other.unheard;
  open_alarms += other.open_alarms;
  flow += other.flow;
  used_today += other.used_today;
  used_yesterday += other.used_yesterday;
  used_week_ago += other.used_week_ago;
  return *this;
}

MeterFigures figures_of(const FleetState& fleet, base::MeterNumber meter, DayClock& days, base::Timestamp as_of) {
  const auto& watch = fleet.watch(meter);
  const auto today = days.number_of(as_of);
  MeterFigures out;
  out.state = std::max(fleet.state(meter), MeterState::kNew);
  out.heard = fleet.last_heard(meter);
  out.last = fleet.last(meter);
  out.conditions = watch.conditions;
  out.flow = as_of - out.heard <= kFlowOfNow ? watch.flow : 0;
  out.used_today = watch.used_on(today);
  out.used_yesterday = watch.used_on(today - 1);
  out.used_week_ago = watch.used_on(today - kWeek);
  if (out.last != nullptr) out.exhausted = exhausted(watch, *out.last, today);
  return out;
}

Survey::Survey(const registry::Directory& directory, const FleetState& fleet, base::Timestamp as_of, DaysOf days,
               Visit visit)
    : directory_(directory),
      fleet_(fleet),
      as_of_(as_of),
      days_(std::move(days)),
      visit_(std::move(visit)),
      end_(directory.highest_meter().value + 1) {}

bool Survey::step(std::size_t most) {
  for (std::size_t left = most; left > 0 && next_ < end_;) {
    const auto view = directory_.view();
    for (std::size_t n = std::min(left, kMetersOfView); n > 0 && next_ < end_; --n, --left) {
      if (const auto* const meter = view.meter(base::MeterNumber(next_++))) look(*meter, view);
    }
  }
  return next_ < end_;
}

void Survey::look(const registry::MeterEntry& meter, const registry::Directory::View& view) {
  const auto figures = figures_of(fleet_, meter.number, days_(meter.tenant), as_of_);
  const auto building = meter.building.value;
  if (building >= buildings_.size()) buildings_.resize(building + std::size_t{1});
  auto& area = building != 0 ? buildings_[building] : unplaced_[meter.tenant];
  ++area.meters;
  count_state(area, figures.state);
  area.flow += figures.flow;
  area.used_today += figures.used_today;
  area.used_yesterday += figures.used_yesterday;
  area.used_week_ago += figures.used_week_ago;
  if (visit_) visit_(meter, figures, view);
}

Surveyed Survey::finish(const OpenAlarms& alarms) {
  Surveyed out;
  out.as_of = as_of_;
  std::map<std::pair<base::TenantNumber, std::string>, DistrictFigures> districts;
  const auto district = [&](base::TenantNumber tenant, const std::string& name) -> DistrictFigures& {
    auto& found = districts[{tenant, name}];
    found.tenant = tenant;
    found.district = name;
    return found;
  };
  auto places = directory_.buildings();
  std::ranges::sort(places, {}, &registry::BuildingEntry::number);
  for (auto& place : places) {
    BuildingFigures building{std::move(place), {}};
    const auto number = building.building.number.value;
    if (number < buildings_.size()) building.figures = buildings_[number];
    if (const auto open = alarms.buildings.find(number); open != alarms.buildings.end())
      building.figures.open_alarms = open->second;
    auto& whole = district(building.building.tenant, building.building.district);
    ++whole.buildings;
    whole.figures += building.figures;
    out.buildings.push_back(std::move(building));
  }
  for (const auto& [tenant, area] : unplaced_) {
    auto& figures = district(tenant, {}).figures;
    figures += area;
    if (const auto open = alarms.unplaced.find(tenant); open != alarms.unplaced.end())
      figures.open_alarms += open->second;
  }
  for (auto& [key, found] : districts) out.districts.push_back(std::move(found));
  return out;
}

}  // namespace meterhub::fleet
