// Meters of the registry as rows of reference data.
#include <algorithm>
#include <array>
#include <string_view>
#include <variant>

#include <meterhub/base/csv.h>
#include <meterhub/base/json_text.h>
#include <nlohmann/json.hpp>

#include "job_definition.h"

namespace meterhub::app {
namespace {

using rules::Thresholds;

constexpr std::size_t kMetersPage = 10'000;

double cubic_metres(double litres) { return litres / 1'000; }

using Number = std::variant<double, std::int64_t, std::uint64_t>;

// A column and what it holds, volumes in m³.
struct ThresholdColumn {
  std::string_view name;
  Number (*value)(const Thresholds&, const registry::Meter&);
};
constexpr std::array<ThresholdColumn, 13> kColumns{{
    {"LowLimit",
     [](const Thresholds& t, const registry::Meter& meter) {
       return Number(cubic_metres(static_cast<double>(low_limit_of(t, meter.low_limit_litres))));
     }},
    {"SilenceSeconds",
     [](const Thresholds& t, const registry::Meter& meter) {
       return Number(std::int64_t{silence_of(t, meter.silence_limit).count()});
     }},
    {"LeakStep", [](const Thresholds& t, const registry::Meter&) { return Number(cubic_metres(t.leak_step_litres)); }},
    {"NightLimit", [](const Thresholds& t, const registry::Meter&) { return Number(cubic_metres(t.night_litres)); }},
    {"TamperTolerance",
     [](const Thresholds& t, const registry::Meter&) { return Number(cubic_metres(t.tamper_tolerance_litres)); }},
    {"SpikeFactor", [](const Thresholds& t, const registry::Meter&) { return Number(t.spike_factor); }},
    {"SpikeFloor",
     [](const Thresholds& t, const registry::Meter&) { return Number(cubic_metres(t.spike_floor_litres)); }},
    {"FlowMax", [](const Thresholds& t, const registry::Meter&) { return Number(t.flow_max); }},
    {"StuckSeconds",
     [](const Thresholds& t, const registry::Meter&) { return Number(std::int64_t{t.stuck_counter.count()}); }},
    {"BatteryMask", [](const Thresholds& t, const registry::Meter&) { return Number(std::uint64_t{t.battery_mask}); }},
    {"ValveMask", [](const Thresholds& t, const registry::Meter&) { return Number(std::uint64_t{t.valve_mask}); }},
    {"TamperMask", [](const Thresholds& t, const registry::Meter&) { return Number(std::uint64_t{t.tamper_mask}); }},
    {"SensorMask", [](const Thresholds& t, const registry::Meter&) { return Number(std::uint64_t{t.sensor_mask}); }},
}};

// With a point or an exponent: a column of floats stays one where a value is whole.
void append_real(std::string& out, double value) {
  const auto begin = out.size();
  base::append_json_number(out, value);
  if (out.find_first_of(".en", begin) == std::string::npos) out += ".0";
}

// What is no UTF-8 does not take the row's other columns with it.
void append_text(std::string& out, std::string_view text) {
  if (base::valid_utf8(text)) base::append_json_string(out, text);
  else out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// By hand: a million of them, at every change of the registry.
class Row {
 public:
  void begin() { text_.assign(1, '{'); }
  std::string& column(std::string_view name) {
    if (text_.size() > 1) text_ += ',';
    text_ += '"';
    text_ += name;
    text_ += "\":";
    return text_;
  }
  std::string_view end() { return text_ += '}'; }

 private:
  std::string text_;
};

void put_meter(Row& row, const registry::Meter& meter) {
  append_text(row.column("DeviceID"), meter.eui.text());
  base::append_json_number(row.column("Meter"), std::uint64_t{meter.number.value});
  append_text(row.column("Tenant"), meter.tenant_name);
  append_text(row.column("District"), meter.district_name);
  append_text(row.column("Building"), meter.building_name);
  append_text(row.column("Floor"), meter.floor);
  append_text(row.column("Unit"), meter.unit_name);
  append_text(row.column("Profile"), meter.profile);
}

void put_number(std::string& out, const Number& number) {
  if (const auto* const real = std::get_if<double>(&number)) append_real(out, *real);
  else if (const auto* const whole = std::get_if<std::int64_t>(&number)) base::append_json_number(out, *whole);
  else base::append_json_number(out, std::get<std::uint64_t>(number));
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_letter(char a, char b) { return lower(a) == lower(b); }

bool ends_with_word(std::string_view text, std::string_view word) {
  return text.size() >= word.size() && std::ranges::equal(text.substr(text.size() - word.size()), word, same_letter);
}

// Whether there is a star for columns, as `SELECT *` or `m.*`; not one of a product, COUNT(*) or a comment.
bool takes_all(std::string_view query) {
  for (auto at = query.find('*'); at != std::string_view::npos; at = query.find('*', at + 1)) {
    auto before = query.substr(0, at);
    before = before.substr(0, before.find_last_not_of(" \t\r\n") + 1);
    const bool columns = before.ends_with('.') || before.ends_with(',') || ends_with_word(before, "select") ||
                         ends_with_word(before, "distinct");
    if (columns) return true;
  }
  return false;
}

std::vector<const ThresholdColumn*> columns_of(std::string_view query) {
  const bool all = takes_all(query);
  std::vector<const ThresholdColumn*> out;
  for (const auto& column : kColumns) {
    if (all || !std::ranges::search(query, column.name, same_letter).empty()) out.push_back(&column);
  }
  return out;
}

}  // namespace

base::Result<void> meter_rows(const registry::Store& registry, base::TenantNumber tenant, const rules::Rules& rules,
                              const std::string& query, const std::function<void(std::string_view row)>& give) {
  const auto columns = columns_of(query);
  Row row;
  base::MeterNumber after;
  for (;;) {
    const auto page = MH_TRY(registry.meters(after, kMetersPage));
    for (const auto& meter : page) {
      if (tenant.value != 0 && meter.tenant != tenant) continue;
      row.begin();
      if (!columns.empty()) {
        const auto& thresholds = rules.of(meter.tenant_name, meter.profile);
        for (const auto* column : columns) put_number(row.column(column->name), column->value(thresholds, meter));
      }
      put_meter(row, meter);
      give(row.end());
    }
    if (page.size() < kMetersPage) return {};
    after = page.back().number;
  }
}

}  // namespace meterhub::app
