#include "status_rows.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

namespace meterhub::office {
namespace {

std::string date_text(std::int32_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

void put_figures(tables::AreaRow& row, const fleet::AreaFigures& figures) {
  row.meters = figures.meters;
  row.online = figures.online;
  row.silent = figures.silent;
  row.low = figures.low;
  row.closed = figures.closed;
  row.faulty = figures.faulty;
  row.unheard = figures.unheard;
  row.open_alarms = figures.open_alarms;
  row.flow = static_cast<std::int64_t>(figures.flow);
  row.used_today = figures.used_today;
  row.used_yesterday = figures.used_yesterday;
  row.used_week_ago = figures.used_week_ago;
}

std::optional<std::int64_t> known(std::int64_t amount) {
  return amount == fleet::kNoAmount ? std::nullopt : std::optional(amount);
}

void put_reading(tables::MeterRow& row, const fleet::Reading& reading) {
  row.reading_time = reading.time;
  row.bought = known(reading.bought);
  row.left = known(reading.left);
  row.used = known(reading.used);
  if (reading.has_status) row.status = reading.status;
  row.version = reading.version_text();
  if (reading.rssi != fleet::kNoSignal) row.rssi = reading.rssi;
  if (reading.snr_tenths != fleet::kNoSignal) row.snr = reading.snr_tenths / 10.0;
  row.gateways = reading.gateways;
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ULL;
  return hash ^ hash >> 32;
}

// Of all that a row says but for its state.
std::uint64_t hash_of(const registry::MeterEntry& meter, const fleet::MeterFigures& figures) {
  std::uint64_t out = 1;
  for (const std::int64_t value : {figures.heard.time_since_epoch().count(), std::int64_t{figures.flow}, figures.used_today,
                                   figures.used_yesterday, std::int64_t{figures.exhausted.value_or(INT32_MIN)}})
    out = mixed(out, static_cast<std::uint64_t>(value));
  for (const std::uint64_t value : {std::uint64_t{meter.tenant.value}, std::uint64_t{meter.building.value},
                                    std::uint64_t{meter.floor.value}, std::uint64_t{meter.unit_name.value}})
    out = mixed(out, value);
  return out;
}

}  // namespace

tables::AreaRow area_row(const fleet::BuildingFigures& building, const Limits& limits) {
  tables::AreaRow row;
  row.number = building.building.number.value;
  row.tenant = limits.name(building.building.tenant);
  row.district = building.building.district;
  row.building = building.building.name;
  put_figures(row, building.figures);
  return row;
}

tables::AreaRow area_row(const fleet::DistrictFigures& district, const Limits& limits) {
  tables::AreaRow row;
  row.tenant = limits.name(district.tenant);
  row.district = district.district;
  row.buildings = district.buildings;
  put_figures(row, district.figures);
  return row;
}

void MeterRows::begin(const registry::Directory& directory) {
  buildings_.clear();
  for (auto& building : directory.buildings()) buildings_.emplace(building.number.value, std::move(building));
  refreshed_ = 0;
  next_turn_ = 0;
}

void MeterRows::visit(const registry::MeterEntry& meter, const fleet::MeterFigures& figures,
                      const registry::Directory::View& view, const Limits& limits) {
  if (meter.number.value >= written_.size()) written_.resize(meter.number.value + std::size_t{1});
  auto& written = written_[meter.number.value];
  const auto hash = hash_of(meter, figures);
  // After a start nothing is written yet: a million ordinary rows would take the thread for seconds.
  const bool is_new = written.state == fleet::MeterState::kUnknown &&
                      (figures.state == fleet::MeterState::kOnline || figures.state == fleet::MeterState::kNew);
  if (written.state == figures.state || is_new) {
    if (written.figures == hash || meter.number.value < turn_) return;
    if (refreshed_ == rows_max_) {
      if (next_turn_ == 0) next_turn_ = meter.number.value;
      return;
    }
    ++refreshed_;
  }
  written = {hash, figures.state};
  tables::MeterRow row;
  row.number = meter.number;
  row.eui = meter.eui;
  row.tenant = limits.name(meter.tenant);
  if (const auto found = buildings_.find(meter.building.value); found != buildings_.end()) {
    row.district = found->second.district;
    row.building = found->second.name;
  }
  row.floor = view.label(meter.floor);
  row.unit = view.label(meter.unit_name);
  row.state = fleet::state_name(figures.state);
  row.last_seen = figures.heard;
  if (figures.last != nullptr) put_reading(row, *figures.last);
  row.flow = figures.flow;
  row.used_today = figures.used_today;
  row.used_yesterday = figures.used_yesterday;
  if (figures.exhausted) row.exhausted = date_text(*figures.exhausted);
  rows_.push_back(std::move(row));
}

std::vector<tables::MeterRow> MeterRows::take() { return std::exchange(rows_, {}); }

std::optional<std::vector<bool>> MeterRows::to_keep(const registry::Directory& directory) {
  bool gone = !table_is_known_;
  std::vector<bool> known(std::max<std::size_t>(written_.size(), directory.highest_meter().value + std::size_t{1}));
  const auto view = directory.view();
  for (std::uint32_t number = 1; number < known.size(); ++number) {
    known[number] = view.meter(base::MeterNumber(number)) != nullptr;
    if (known[number] || number >= written_.size() || written_[number].state == fleet::MeterState::kUnknown) continue;
    written_[number] = {};
    gone = true;
  }
  if (!gone) return std::nullopt;
  table_is_known_ = true;
  return known;
}

void MeterRows::not_written() {
  written_.clear();
  table_is_known_ = false;
}

}  // namespace meterhub::office
