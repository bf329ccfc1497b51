// What there is to tell people of an episode. Plain values and their names; pure, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::notify {

enum class Severity : std::uint8_t { kInfo, kWarning, kUrgent, kEmergency };
std::string_view severity_name(Severity severity);
base::Result<Severity> parse_severity(std::string_view name);

enum class NoticeEvent : std::uint8_t { kRaised, kReopened, kCleared, kFloodBegins, kFloodEnds, kTest };
std::string_view event_name(NoticeEvent event);
base::Result<NoticeEvent> parse_event(std::string_view name);

// Wire names of the rules that have words in our languages; of another one its name is shown.
std::span<const std::string_view> known_rules();

// Where the subject is; what is not known is empty.
struct PlaceText {
  std::string district;
  std::string building;
  std::string floor;
  std::string unit;
  bool operator==(const PlaceText&) const = default;
};

struct Notice {
  NoticeEvent event = NoticeEvent::kRaised;
  std::uint64_t episode = 0;  // 0: about none, as a flood
  std::string rule;           // wire name, as "low_balance"
  Severity severity = Severity::kWarning;
  base::TenantNumber tenant;  // 0: unknown
  std::string subject;        // a meter's EUI, a gateway's id
  PlaceText place;
  std::string detail;         // the figure, as "left 3.2 m3"
  base::Timestamp raised{};   // event time: when the episode began
  base::Timestamp at{};       // event time: when what is told happened
  std::uint64_t count = 0;    // of a flood: how many episodes so far; of an episode: observations
  bool operator==(const Notice&) const = default;
};

// As it is kept in the outbox and posted to webhooks.
std::string notice_json(const Notice& notice);
// kCorrupt.
base::Result<Notice> parse_notice(std::string_view json);

}  // namespace meterhub::notify
