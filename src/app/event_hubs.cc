#include "event_hubs.h"

#include <algorithm>
#include <chrono>

namespace meterhub::app {
namespace {

constexpr std::size_t kNameMax = 64;
constexpr std::uint64_t kShareOfQuota = 20;  // one part in so many, for all without a quota of their own

// The platform's logs, and words with which addresses of other things begin.
constexpr std::string_view kTaken[] = {log::topics::kTelemetry, log::topics::kDecoded,    log::topics::kReadings, log::topics::kStatus,
                                       log::topics::kJoins,     log::topics::kRetry,      log::topics::kDeadletter, log::topics::kNoise,
                                       "messages",              "devices",                "servicebound",         "external"};

bool is_inner(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_allowed(char c) { return is_inner(c) || c == '.' || c == '-' || c == '_'; }

template <class T>
const T& value_of(const base::Settings& settings, const std::string& name, std::string_view setting) {
  return std::get<T>(settings.value(setting, {name}));
}

}  // namespace

std::string check_event_hub_name(std::string_view name) {
  const bool shaped = !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, is_allowed) &&
                      is_inner(name.front()) && is_inner(name.back());
  if (!shaped) return "an event hub's name is 1 to 64 of a-z, 0-9, '.', '-' and '_', with a letter or digit at both ends";
  if (name.starts_with("job.")) return "logs of jobs have names that begin with job.";
  if (std::ranges::find(kTaken, name) != std::end(kTaken)) return "this name is the platform's own";
  return {};
}

void declare_event_hubs(base::SettingsTable& table) {
  table.section("event_hubs", "Event hubs of your own: logs that clients of Event Hubs may send to and read.");
  table.named("event_hubs", kEventHubsMax, check_event_hub_name);
  table.add({"event_hubs.partitions", "Partitions; fixed once the event hub exists.", base::SettingKind::kInt, "4",
             base::int_between(1, 64)});
  table.add({"event_hubs.retention", "How long events are kept, by time.", base::SettingKind::kDuration, "24h",
             base::duration_between("1m", "3650d")});
  table.add({"event_hubs.rate", "Events a second of all its senders together, and twice as many at once after a pause; one over 4 KiB counts as several. 0 means no limit.",
             base::SettingKind::kInt, "10000", base::int_between(0, 10'000'000)});
  table.add({"event_hubs.quota", "Bytes that are kept at most, the oldest go first; 0 means an equal part of 5 % of log.quota.",
             base::SettingKind::kBytes, "0B"});
}

std::vector<log::TopicSpec> event_hub_logs(const base::Settings& settings, std::uint64_t quota) {
  const auto names = settings.names_in("event_hubs");
  const auto sharing = std::ranges::count_if(
      names, [&](const std::string& name) { return value_of<std::uint64_t>(settings, name, "event_hubs.quota") == 0; });
  std::vector<log::TopicSpec> out;
  for (const auto& name : names) {
    auto& spec = out.emplace_back();
    spec.name = name;
    spec.partitions = static_cast<std::uint32_t>(value_of<std::int64_t>(settings, name, "event_hubs.partitions"));
    spec.retention_age = std::chrono::duration_cast<std::chrono::seconds>(
        value_of<std::chrono::milliseconds>(settings, name, "event_hubs.retention"));
    spec.retention_bytes = value_of<std::uint64_t>(settings, name, "event_hubs.quota");
    if (spec.retention_bytes == 0) spec.retention_bytes = std::max<std::uint64_t>(1, quota / kShareOfQuota / static_cast<std::uint64_t>(sharing));
  }
  return out;
}

double event_hub_rate(const base::Settings& settings, const std::string& name) {
  return static_cast<double>(value_of<std::int64_t>(settings, name, "event_hubs.rate"));
}

}  // namespace meterhub::app
