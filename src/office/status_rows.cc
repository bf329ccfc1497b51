#include "status_rows.h"

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
  const auto heard = figures.heard.time_since_epoch().count();
  if (written.state == figures.state) {
    if (written.heard == heard || meter.number.value < turn_) return;
    if (refreshed_ == rows_max_) {
      if (next_turn_ == 0) next_turn_ = meter.number.value;
      return;
    }
    ++refreshed_;
  }
  written = {heard, figures.state};
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

std::vector<base::MeterNumber> MeterRows::end(const registry::Directory& directory) {
  turn_ = next_turn_;
  std::vector<base::MeterNumber> gone;
  const auto view = directory.view();
  for (std::uint32_t number = 1; number < written_.size(); ++number) {
    if (written_[number].state == fleet::MeterState::kUnknown || view.meter(base::MeterNumber(number)) != nullptr) continue;
    written_[number] = {};
    gone.emplace_back(number);
  }
  return gone;
}

}  // namespace meterhub::office
