#include "status.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>

namespace meterhub::console {
namespace {

// The hub gives no credit from here on (hub.h).
constexpr double kFullLogs = 0.85;
// A stage that works is behind by seconds; one whose disk or database fails falls behind for good.
constexpr std::chrono::minutes kFarBehind{5};

constexpr std::string_view kDeadLetters = "_dead_letters_total";
constexpr std::string_view kNoise = "meterhub_connector_noise_total";

// Counters of what did not come in at the hub, and the label that says why.
struct Refusal {
  std::string_view counter;
  std::string_view what;
  const char* label;
};
constexpr std::array kRefusals{
    Refusal{"meterhub_net_connections_refused_total", "connection", "reason"},
    Refusal{"meterhub_net_handshakes_failed_total", "handshake", "reason"},
    Refusal{"meterhub_hub_connections_dropped_total", "connection", "reason"},
    Refusal{"meterhub_hub_claims_total", "token", "result"},
    Refusal{"meterhub_hub_links_refused_total", "link", "condition"},
    Refusal{"meterhub_hub_messages_rejected_total", "message", "reason"},
    Refusal{"meterhub_hub_gwmp_datagrams_total", "datagram", "result"},
};
// Outcomes that these counters count too, and that refuse nothing.
constexpr std::string_view kNoRefusals[] = {"accepted", "push", "pull", "shutdown"};

// "token signature" for a counter of refusals; empty for any other.
std::string refusal_of(std::string_view name, const base::Labels& labels) {
  const auto refusal = std::ranges::find(kRefusals, name, &Refusal::counter);
  if (refusal == kRefusals.end()) return {};
  const auto listener = labels.find("listener");
  if (listener != labels.end() && !listener->second.starts_with("amqp")) return {};
  const auto reason = labels.find(refusal->label);
  if (reason == labels.end() || std::ranges::find(kNoRefusals, reason->second) != std::ranges::end(kNoRefusals)) return {};
  return std::string(refusal->what) + ' ' + reason->second;
}

void append_count(std::string& out, std::string_view name, std::uint64_t value) {
  out += name;
  base::append_json_number(out, value);
}

// Three digits are enough for people, and for milliseconds.
void append_rounded(std::string& out, std::string_view name, double value) {
  out += name;
  base::append_json_number(out, std::round(value * 1000) / 1000);
}

void append_by_reason(std::string& out, std::string_view name, const std::map<std::string, std::uint64_t>& counts) {
  std::uint64_t total = 0;
  for (const auto& [reason, count] : counts) total += count;
  out += name;
  append_count(out, ":{\"total\":", total);
  out += ",\"by_reason\":{";
  bool first = true;
  for (const auto& [reason, count] : counts) {
    if (!std::exchange(first, false)) out += ',';
    base::append_json_string(out, reason);
    append_count(out, ":", count);
  }
  out += "}}";
}

double seconds(std::chrono::microseconds age) { return std::chrono::duration<double>(age).count(); }

void append_lag(std::string& out, const std::vector<StageLag>& stages) {
  std::chrono::microseconds oldest{0};
  for (const auto& stage : stages) oldest = std::max(oldest, stage.oldest);
  append_rounded(out, ",\"lag\":{\"seconds\":", seconds(oldest));
  out += ",\"stages\":[";
  for (const auto& stage : stages) {
    if (out.back() == '}') out += ',';
    out += "{\"name\":";
    base::append_json_string(out, stage.name);
    append_count(out, ",\"records\":", stage.records);
    append_rounded(out, ",\"seconds\":", seconds(stage.oldest));
    out += '}';
  }
  out += "]}";
}

void append_meters(std::string& out, std::size_t total, const auto& count) {
  append_count(out, ",\"meters\":{\"total\":", total);
  for (const auto state : {fleet::MeterState::kOnline, fleet::MeterState::kSilent, fleet::MeterState::kLow, fleet::MeterState::kClosed, fleet::MeterState::kFaulty}) {
    out += ",\"" + std::string(fleet::state_name(state));
    append_count(out, "\":", count(state));
  }
  out += '}';
}

}  // namespace

void Rate::look(base::MonotonicTime at, std::uint64_t total) { looks_[count_++ % kLooks] = {at, total}; }

double Rate::per_second() const {
  if (count_ < 2) return 0;
  const auto& newest = looks_[(count_ - 1) % kLooks];
  const auto& oldest = looks_[count_ <= kLooks ? 0 : count_ % kLooks];
  const auto span = std::chrono::duration<double>(newest.at - oldest.at).count();
  return span > 0 ? static_cast<double>(newest.total - oldest.total) / span : 0;
}

Totals read_totals(const base::Metrics& metrics) {
  Totals out;
  out.received = metrics.total("meterhub_hub_messages_received_total");
  out.settled = metrics.total("meterhub_hub_messages_settled_total");
  out.readings = metrics.total("meterhub_stream_readings_total");
  out.duplicates = metrics.total("meterhub_stream_duplicates_total");
  out.late = metrics.total("meterhub_stream_late_total");
  out.stale = metrics.total("meterhub_stream_stale_total");
  metrics.each_counter([&](const std::string& name, const base::Labels& labels, std::uint64_t value) {
    if (value == 0) return;
    if (const auto refused = refusal_of(name, labels); !refused.empty()) out.refused[refused] += value;
    const bool letters = name.ends_with(kDeadLetters);
    if (!letters && name != kNoise) return;
    const auto reason = labels.find("reason");
    (letters ? out.dead_letters : out.noise)[reason == labels.end() ? "unknown" : reason->second] += value;
  });
  return out;
}

std::string status_json(const Status& status, const fleet::FleetState& fleet) {
  const auto& totals = status.totals;
  std::string out = "{\"time\":\"" + base::rfc3339(status.time) + "\",\"started\":\"" + base::rfc3339(status.started) + '"';
  append_count(out, ",\"packets\":{\"received\":", totals.received);
  append_count(out, ",\"settled\":", totals.settled);
  append_rounded(out, ",\"per_second\":", status.packets_per_second);
  append_count(out, "},\"readings\":{\"total\":", totals.readings);
  append_count(out, ",\"duplicates\":", totals.duplicates);
  append_count(out, ",\"late\":", totals.late);
  append_count(out, ",\"stale\":", totals.stale);
  append_rounded(out, ",\"per_second\":", status.readings_per_second);
  append_by_reason(out, "},\"dead_letters\"", totals.dead_letters);
  append_by_reason(out, ",\"noise\"", totals.noise);
  append_by_reason(out, ",\"refused\"", totals.refused);
  append_lag(out, status.stages);
  append_meters(out, status.meters, [&](fleet::MeterState state) { return fleet.count(state); });
  out += ",\"alerts\":{\"total\":";
  base::append_json_number(out, status.alerts);
  append_rounded(out, "},\"log\":{\"fill\":", status.log_fill);
  out += "},\"event_hubs\":";
  append_event_hubs(out, status.event_hubs);
  out += ",\"warnings\":[";
  for (const auto& warning : status.warnings) {
    if (!out.ends_with('[')) out += ',';
    base::append_json_string(out, warning);
  }
  return out + "]}";
}

std::string tenant_status_json(const Status& status, std::string_view tenant, const Figures& figures) {
  std::string out = "{\"time\":\"" + base::rfc3339(status.time) + "\",\"started\":\"" + base::rfc3339(status.started) + "\",\"tenant\":";
  base::append_json_string(out, tenant);
  append_meters(out, figures.meters, [&](fleet::MeterState state) { return figures.by_state[static_cast<std::size_t>(state)]; });
  out += ",\"alerts\":{\"total\":";
  base::append_json_number(out, figures.alerts);
  return out + "}}";
}

base::Result<void> health_of(const Status& status) {
  if (status.log_fill >= kFullLogs) {
    return base::fail(base::Errc::kResourceExhausted,
                      fmt::format("the logs hold {:.0f} % of their quota: gateways are given no credit", 100 * status.log_fill));
  }
  for (const auto& stage : status.stages) {
    if (stage.oldest <= kFarBehind) continue;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(stage.oldest).count();
    return base::fail(base::Errc::kUnavailable, fmt::format("{} is {} s behind", stage.name, seconds));
  }
  return {};
}

}  // namespace meterhub::console
