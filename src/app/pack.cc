#include "pack.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <meterhub/base/assert.h>

#include "queries.h"

namespace meterhub::app {
namespace {

using nlohmann::json;

// An output and its table; the archive's has none.
struct Output {
  std::string_view name;
  std::string_view table;
};
struct PackJob {
  std::string_view name;
  std::string_view query;
  bool meters = false;  // reads the reference input Meters
  std::vector<Output> outputs;
};

// `usage_trend` and `peak_flow` are figures of the office that late readings correct: a job's are provisional.
const std::vector<PackJob>& pack() {
  static const std::vector<PackJob> kPack{
      {"raw-archive", queries::k01_raw_archive, false, {{"BlobOutput", ""}}},
      {"low-balance-alert", queries::k02_low_balance_alert, false, {{"SQLOutput", "alerts"}}},
      {"low-balance-crossing",
       queries::k03_low_balance_crossing,
       true,
       {{"LowBalanceAlert", "low_balance_crossing"}, {"LowBalanceReminder", "low_balance_reminder"}}},
      {"status-alarms",
       queries::k04_status_alarms,
       true,
       {{"AlarmRaised", "alarm_raised"}, {"AlarmCleared", "alarm_cleared"}}},
      {"silent-meter",
       queries::k05_silent_meter,
       false,
       {{"SilentMeter", "silent_meter"}, {"MeterBack", "meter_back"}}},
      {"leak-suspicion",
       queries::k06_leak_suspicion,
       true,
       {{"LeakSuspicion", "leak_suspicion"}, {"NightFlow", "night_flow"}}},
      {"tamper", queries::k07_tamper, true, {{"TamperAlert", "tamper_alert"}}},
      {"usage-trend", queries::k08_usage_trend, true, {{"UsageTrend", "usage_trend_provisional"}}},
      {"peak-flow", queries::k09_peak_flow, true, {{"PeakFlow", "peak_flow_provisional"}}},
      {"top-consumers", queries::k10_top_consumers, true, {{"TopConsumers", "top_consumers"}}},
      {"meter-reset", queries::k11_meter_reset, false, {{"MeterReset", "meter_reset"}}},
      {"flow-spike", queries::k13_flow_spike, true, {{"FlowSpike", "flow_spike"}}}};
  return kPack;
}

// Keys sorted and no blanks, as the API keeps what users send: the same definition is the same text.
std::string definition_of(const PackJob& job) {
  json out;
  out["inputs"]["EventHubInput"]["log"] = "readings";
  if (job.meters) out["inputs"]["Meters"]["reference"] = "meters";
  for (const auto& output : job.outputs) {
    auto& sink = out["outputs"][std::string(output.name)];
    if (output.table.empty()) {
      // The archive's files are for tools that want plain JSON; larger ones are kinder to them.
      sink = {{"kind", "blob"}, {"folder", job.name}};
      out["policy"]["linger"] = "5s";
    } else {
      sink = {{"kind", "table"}, {"table", output.table}, {"retention", "7d"}};
    }
  }
  return out.dump();
}

std::string cubic_metres(double litres) { return fmt::format("{}", litres / 1'000); }

// Of 240 packets in two hours, a packet every 30 s, 40 may be lost.
constexpr double kPacketsAMinute = 200.0 / 120;

std::string literal_of(std::string_view mark, const rules::Thresholds& platform) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(platform.leak_duration).count() / 10 * 10;
  if (mark == "low_limit") {
    auto text = cubic_metres(static_cast<double>(platform.low_limit_litres));
    return text.contains('.') ? text : text + ".0";
  }
  if (mark == "battery_mask") return std::to_string(platform.battery_mask);
  if (mark == "tamper_mask") return std::to_string(platform.tamper_mask);
  if (mark == "sensor_mask") return std::to_string(platform.sensor_mask);
  if (mark == "silence_seconds") return std::to_string(platform.silence_meter.count());
  if (mark == "leak_minutes") return std::to_string(minutes);
  if (mark == "leak_packets") return fmt::format("{:.0f}", std::floor(static_cast<double>(minutes) * kPacketsAMinute));
  if (mark == "leak_step") return cubic_metres(platform.leak_step_litres);
  if (mark == "night_limit") return cubic_metres(platform.night_litres);
  if (mark == "tamper_tolerance") return cubic_metres(platform.tamper_tolerance_litres);
  if (mark == "spike_floor") return cubic_metres(platform.spike_floor_litres);
  MH_ASSERT(mark == "spike_factor");
  return fmt::format("{}", platform.spike_factor);
}

}  // namespace

const std::vector<std::string>& pack_names() {
  static const auto kNames = [] {
    std::vector<std::string> out;
    for (const auto& job : pack()) out.emplace_back(job.name);
    return out;
  }();
  return kNames;
}

std::string check_pack(const base::SettingValue& value) {
  for (const auto& name : std::get<std::vector<std::string>>(value)) {
    if (std::ranges::find(pack_names(), name) == pack_names().end())
      return fmt::format("the pack has no job \"{}\"; it has {}", name, fmt::join(pack_names(), ", "));
  }
  return {};
}

std::string with_thresholds(std::string_view query, const rules::Thresholds& platform) {
  constexpr std::string_view kOpen = " /*= ", kClose = " */";
  std::string out;
  for (;;) {
    const auto mark = query.find(kOpen);
    if (mark == std::string_view::npos) return out + std::string(query);
    const auto literal = query.find_last_not_of("0123456789.", mark - 1) + 1;
    const auto name = mark + kOpen.size(), end = query.find(kClose, name);
    MH_ASSERT(literal < mark && end != std::string_view::npos);
    out += query.substr(0, literal);
    out += literal_of(query.substr(name, end - name), platform);
    out += query.substr(mark, end + kClose.size() - mark);
    query.remove_prefix(end + kClose.size());
  }
}

std::vector<registry::JobSpec> pack_jobs(const std::vector<std::string>& names, const rules::Thresholds& platform) {
  std::vector<registry::JobSpec> out;
  for (const auto& job : pack()) {
    if (std::ranges::find(names, job.name) == names.end()) continue;
    out.push_back({std::string(job.name), definition_of(job), with_thresholds(job.query, platform), {}, true});
  }
  return out;
}

}  // namespace meterhub::app
