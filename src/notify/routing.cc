#include <meterhub/notify/routing.h>

#include <algorithm>

namespace meterhub::notify {
namespace {

using std::chrono::minutes;

constexpr std::chrono::seconds kFirstPause{5};
constexpr std::chrono::seconds kLongestPause{15 * 60};

bool on_event(const registry::RouteSpec& route, NoticeEvent event) {
  switch (event) {
    case NoticeEvent::kRaised:
    case NoticeEvent::kReopened: return route.events != "cleared";
    case NoticeEvent::kCleared: return route.events != "raised";
    // A flood is nobody's to acknowledge.
    case NoticeEvent::kFloodBegins: return route.events != "cleared" && route.escalate_after == minutes(0);
    case NoticeEvent::kFloodEnds: return route.events != "raised" && route.escalate_after == minutes(0);
    case NoticeEvent::kTest: break;
  }
  return false;
}

bool matches(const registry::Route& route, const registry::Channel& channel, const Notice& notice) {
  const auto least = parse_severity(route.spec.severity);
  const auto of_tenant = [&](base::TenantNumber tenant) { return tenant.value == 0 || tenant == notice.tenant; };
  return of_tenant(route.tenant) && of_tenant(channel.tenant) && on_event(route.spec, notice.event) &&
         notice.severity >= least.value_or(Severity::kInfo) &&
         (route.spec.rules.empty() || std::ranges::find(route.spec.rules, notice.rule) != route.spec.rules.end());
}

base::Timestamp due_of(const Setup& setup, const registry::RouteSpec& route, const Notice& notice,
                       base::Timestamp now) {
  const auto due = notice.event == NoticeEvent::kCleared ? now : now + route.escalate_after;
  if (notice.severity == Severity::kEmergency) return due;
  return after_quiet(route.quiet, setup.zone(notice.tenant), due);
}

}  // namespace

base::Timestamp after_quiet(const std::optional<registry::QuietHours>& quiet, const consumption::LocalTime& zone,
                            base::Timestamp at) {
  if (!quiet) return at;
  const auto civil = zone.civil(at);
  const minutes time{civil.hour * 60 + civil.minute};
  const bool over_midnight = quiet->from > quiet->to;
  const bool held = over_midnight ? time >= quiet->from || time < quiet->to : time >= quiet->from && time < quiet->to;
  return held ? zone.next(quiet->to, at) : at;
}

std::vector<Routed> route(const Setup& setup, const Notice& notice, base::Timestamp now) {
  std::vector<Routed> out;
  for (const auto& route : setup.routes) {
    const auto* channel = setup.channel(route.channel);
    if (channel == nullptr || !matches(route, *channel, notice)) continue;
    const Routed routed{route.channel, due_of(setup, route.spec, notice, now), route.spec.escalate_after > minutes(0)};
    const auto same = std::ranges::find_if(out, [&](const Routed& other) {
      return other.channel == routed.channel && other.escalation == routed.escalation;
    });
    if (same == out.end()) {
      out.push_back(routed);
    } else {
      same->due = std::min(same->due, routed.due);
    }
  }
  return out;
}

base::Timestamp may_speak(const Pace& pace, const Lane& lane, base::Timestamp now) {
  return lane.last_sent ? std::min(*lane.last_sent, now) + pace.spacing : now;
}

std::optional<base::Timestamp> next_message(const Pace& pace, const Lane& lane, base::Timestamp now) {
  if (!lane.first_due || lane.messages >= pace.messages_max) return std::nullopt;
  auto out = *lane.first_due;
  if (lane.last_sent) out = std::max(out, may_speak(pace, lane, now));
  if (lane.messages > 0) out = std::max(out, std::min(lane.newest_message.value_or(now), now) + pace.beside);
  return out;
}

std::chrono::seconds retry_pause(unsigned attempts) {
  const auto doublings = std::min(attempts == 0 ? 0U : attempts - 1, 16U);
  return std::min(kFirstPause * (1U << doublings), kLongestPause);
}

}  // namespace meterhub::notify
