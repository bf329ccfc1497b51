// Meters of the registry as rows of reference data.
#include <algorithm>
#include <array>
#include <string_view>

#include <nlohmann/json.hpp>

#include "job_definition.h"

namespace meterhub::app {
namespace {

using nlohmann::json;
using rules::Thresholds;

constexpr std::size_t kMetersPage = 10'000;

double cubic_metres(double litres) { return litres / 1'000; }

// A column and what it holds, volumes in m³.
struct ThresholdColumn {
  std::string_view name;
  json (*value)(const Thresholds&, const registry::Meter&);
};
constexpr std::array<ThresholdColumn, 13> kColumns{{
    {"LowLimit",
     [](const Thresholds& t, const registry::Meter& meter) {
       return json(cubic_metres(static_cast<double>(low_limit_of(t, meter.low_limit_litres))));
     }},
    {"SilenceSeconds",
     [](const Thresholds& t, const registry::Meter& meter) {
       return json(silence_of(t, meter.silence_limit).count());
     }},
    {"LeakStep", [](const Thresholds& t, const registry::Meter&) { return json(cubic_metres(t.leak_step_litres)); }},
    {"NightLimit", [](const Thresholds& t, const registry::Meter&) { return json(cubic_metres(t.night_litres)); }},
    {"TamperTolerance",
     [](const Thresholds& t, const registry::Meter&) { return json(cubic_metres(t.tamper_tolerance_litres)); }},
    {"SpikeFactor", [](const Thresholds& t, const registry::Meter&) { return json(t.spike_factor); }},
    {"SpikeFloor",
     [](const Thresholds& t, const registry::Meter&) { return json(cubic_metres(t.spike_floor_litres)); }},
    {"FlowMax", [](const Thresholds& t, const registry::Meter&) { return json(t.flow_max); }},
    {"StuckSeconds", [](const Thresholds& t, const registry::Meter&) { return json(t.stuck_counter.count()); }},
    {"BatteryMask", [](const Thresholds& t, const registry::Meter&) { return json(t.battery_mask); }},
    {"ValveMask", [](const Thresholds& t, const registry::Meter&) { return json(t.valve_mask); }},
    {"TamperMask", [](const Thresholds& t, const registry::Meter&) { return json(t.tamper_mask); }},
    {"SensorMask", [](const Thresholds& t, const registry::Meter&) { return json(t.sensor_mask); }},
}};

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

base::Result<std::vector<std::string>> meter_rows(const registry::Store& registry, base::TenantNumber tenant,
                                                  const rules::Rules& rules, const std::string& query) {
  const auto columns = columns_of(query);
  std::vector<std::string> out;
  base::MeterNumber after;
  for (;;) {
    const auto page = MH_TRY(registry.meters(after, kMetersPage));
    for (const auto& meter : page) {
      if (tenant.value != 0 && meter.tenant != tenant) continue;
      json row{{"DeviceID", meter.eui.text()},    {"Meter", meter.number.value},
               {"Tenant", meter.tenant_name},     {"District", meter.district_name},
               {"Building", meter.building_name}, {"Floor", meter.floor},
               {"Unit", meter.unit_name},         {"Profile", meter.profile}};
      if (!columns.empty()) {
        const auto& thresholds = rules.of(meter.tenant_name, meter.profile);
        for (const auto* column : columns) row[std::string(column->name)] = column->value(thresholds, meter);
      }
      out.push_back(row.dump(-1, ' ', false, json::error_handler_t::replace));
    }
    if (page.size() < kMetersPage) return out;
    after = page.back().number;
  }
}

}  // namespace meterhub::app
