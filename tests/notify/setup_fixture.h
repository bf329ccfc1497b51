// A setup of two companies with their channels, and notices about their meters.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <meterhub/base/time_text.h>
#include <meterhub/notify/notice.h>
#include <meterhub/notify/setup.h>

namespace meterhub::notify::test {

using std::chrono::minutes;

inline base::Timestamp at(const char* text) { return base::parse_rfc3339(text)->at; }

inline const base::TenantNumber kChongqing(1);
inline const base::TenantNumber kBerlin(2);
inline const registry::ChannelNumber kDuty(1);   // the platform's, Chinese
inline const registry::ChannelNumber kBoss(2);   // the platform's, English
inline const registry::ChannelNumber kBerliners(3);  // of Berlin alone

inline Setup two_companies() {
  Setup out;
  out.tenants.emplace(kChongqing, TenantView{"重庆燃气", *consumption::LocalTime::of("Asia/Shanghai")});
  out.tenants.emplace(kBerlin, TenantView{"Berlin Gas", *consumption::LocalTime::of("Europe/Berlin")});
  for (const auto& [number, name, language] :
       {std::tuple{kDuty, "duty", "zh"}, {kBoss, "boss", "en"}, {kBerliners, "berliners", "en"}}) {
    registry::Channel channel;
    channel.number = number;
    channel.spec.name = name;
    channel.spec.language = language;
    channel.spec.kind = registry::ChannelKind::kWebhook;
    if (number == kBerliners) channel.tenant = kBerlin;
    out.channels.push_back(channel);
  }
  return out;
}

inline registry::Route route_to(registry::ChannelNumber channel, const char* severity = "info") {
  registry::Route out;
  out.channel = channel;
  out.spec.severity = severity;
  return out;
}

inline Notice leak(std::uint64_t episode = 1, base::TenantNumber tenant = kChongqing) {
  Notice out;
  out.episode = episode;
  out.rule = "leak";
  out.severity = Severity::kUrgent;
  out.tenant = tenant;
  out.subject = "70b3d50000000001";
  out.place = {"渝中", "阳光小区3#楼", "2", "201"};
  out.detail = "0.8 m3/h since 02:00";
  out.raised = out.at = at("2026-01-31T06:05:00Z");
  return out;
}

inline Notice of_event(Notice notice, NoticeEvent event) {
  notice.event = event;
  return notice;
}

}  // namespace meterhub::notify::test
