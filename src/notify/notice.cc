#include <meterhub/notify/notice.h>

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include <meterhub/base/time_text.h>

#include "notice_json.h"

namespace meterhub::notify {
namespace {

using base::Errc;
using nlohmann::json;

constexpr std::array<std::string_view, 4> kSeverities{"info", "warning", "urgent", "emergency"};
constexpr std::array<std::string_view, 6> kEvents{"raised",       "reopened",   "cleared",
                                                  "flood_begins", "flood_ends", "test"};
constexpr std::array<std::string_view, 15> kRules{
    "low_balance",  "own_limit",       "silent_meter",     "silent_gateway", "leak",
    "tamper",       "reverse_counter", "stuck_counter",    "high_flow",      "battery_low",
    "valve_closed", "sensor_fault",    "decrypt_failures", "counter_reset",  "incomplete"};

template <class Enum, std::size_t N>
base::Result<Enum> parse(const std::array<std::string_view, N>& names, std::string_view name, std::string_view what) {
  const auto at = std::ranges::find(names, name);
  if (at != names.end()) return static_cast<Enum>(at - names.begin());
  std::string known;
  for (const auto one : names) (known += known.empty() ? "" : ", ") += one;
  return base::fail(Errc::kInvalidArgument, std::string(what) + " is one of " + known);
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t number_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

}  // namespace

std::string_view severity_name(Severity severity) { return kSeverities[std::to_underlying(severity)]; }
base::Result<Severity> parse_severity(std::string_view name) {
  return parse<Severity>(kSeverities, name, "a severity");
}
std::string_view event_name(NoticeEvent event) { return kEvents[std::to_underlying(event)]; }
base::Result<NoticeEvent> parse_event(std::string_view name) { return parse<NoticeEvent>(kEvents, name, "an event"); }
std::span<const std::string_view> known_rules() { return kRules; }

// Names come from people's files: what is no UTF-8 is replaced, never an exception.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json json_of(const Notice& notice) {
  json out{{"event", event_name(notice.event)},
           {"episode", notice.episode},
           {"rule", notice.rule},
           {"severity", severity_name(notice.severity)},
           {"tenant", notice.tenant.value},
           {"subject", notice.subject},
           {"district", notice.place.district},
           {"building", notice.place.building},
           {"floor", notice.place.floor},
           {"unit", notice.place.unit},
           {"detail", notice.detail},
           {"raised", base::rfc3339(notice.raised)},
           {"at", base::rfc3339(notice.at)}};
  if (notice.count > 0) out["count"] = notice.count;
  return out;
}

std::string notice_json(const Notice& notice) { return dump(json_of(notice)); }

base::Result<Notice> parse_notice(std::string_view text) {
  const auto object = json::parse(text, nullptr, false);
  if (!object.is_object()) return base::fail(Errc::kCorrupt, "a notice in the outbox is no JSON object");
  Notice out;
  out.event = MH_TRY(parse_event(text_at(object, "event")));
  out.severity = MH_TRY(parse_severity(text_at(object, "severity")));
  out.episode = number_at(object, "episode");
  out.rule = text_at(object, "rule");
  out.tenant = base::TenantNumber(static_cast<std::uint32_t>(number_at(object, "tenant")));
  out.subject = text_at(object, "subject");
  out.place = {text_at(object, "district"), text_at(object, "building"), text_at(object, "floor"),
               text_at(object, "unit")};
  out.detail = text_at(object, "detail");
  out.raised = MH_TRY(base::parse_rfc3339(text_at(object, "raised"))).at;
  out.at = MH_TRY(base::parse_rfc3339(text_at(object, "at"))).at;
  out.count = number_at(object, "count");
  return out;
}

}  // namespace meterhub::notify
