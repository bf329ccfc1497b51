// Which channels hear of a notice, and when.
#include <meterhub/notify/routing.h>

#include <gmock/gmock.h>

#include "setup_fixture.h"

namespace meterhub::notify {
namespace {

using namespace test;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

const auto kNow = at("2026-01-31T06:05:02Z");
const registry::QuietHours kNight{minutes(22 * 60), minutes(7 * 60)};

std::vector<registry::ChannelNumber> channels_of(const Setup& setup, const Notice& notice) {
  std::vector<registry::ChannelNumber> out;
  for (const auto& routed : route(setup, notice, kNow)) out.push_back(routed.channel);
  return out;
}

TEST(Routing, GoesByRuleSeverityTenantAndEvent) {
  auto setup = two_companies();
  setup.routes = {route_to(kDuty), route_to(kBoss, "emergency")};
  EXPECT_THAT(channels_of(setup, leak()), ElementsAre(kDuty)) << "not grave enough for the boss";
  setup.routes = {route_to(kDuty)};
  setup.routes[0].spec.rules = {"tamper", "low_balance"};
  EXPECT_THAT(channels_of(setup, leak()), IsEmpty());
  setup.routes[0].spec.rules = {"tamper", "leak"};
  EXPECT_THAT(channels_of(setup, leak()), ElementsAre(kDuty));
  setup.routes[0].tenant = kBerlin;
  EXPECT_THAT(channels_of(setup, leak()), IsEmpty());
  setup.routes[0] = route_to(kDuty);
  setup.routes[0].spec.events = "cleared";
  EXPECT_THAT(channels_of(setup, leak()), IsEmpty());
  EXPECT_THAT(channels_of(setup, of_event(leak(), NoticeEvent::kCleared)), ElementsAre(kDuty));
  setup.routes[0].spec.events = "raised";
  EXPECT_THAT(channels_of(setup, of_event(leak(), NoticeEvent::kReopened)), ElementsAre(kDuty));
  EXPECT_THAT(channels_of(setup, of_event(leak(), NoticeEvent::kCleared)), IsEmpty());
}

TEST(Routing, NoTenantsChannelHearsOfAnotherTenant) {
  auto setup = two_companies();
  setup.routes = {route_to(kBerliners)};  // of all, as a registry would not keep it
  EXPECT_THAT(channels_of(setup, leak(1, kChongqing)), IsEmpty());
  EXPECT_THAT(channels_of(setup, leak(1, kBerlin)), ElementsAre(kBerliners));
  EXPECT_THAT(channels_of(setup, leak(1, base::TenantNumber(0))), IsEmpty());
}

TEST(Routing, TellsAChannelOnceHoweverManyRoutesLeadThere) {
  auto setup = two_companies();
  setup.routes = {route_to(kDuty), route_to(kDuty, "urgent")};
  setup.routes[0].spec.quiet = registry::QuietHours{minutes(0), minutes(1439)};
  EXPECT_THAT(route(setup, leak(), kNow), ElementsAre(Routed{kDuty, kNow, false})) << "the earliest of them";
}

TEST(Routing, EscalatesLaterAndNotWhatIsAFlood) {
  auto setup = two_companies();
  setup.routes = {route_to(kDuty), route_to(kBoss)};
  setup.routes[1].spec.escalate_after = minutes(30);
  EXPECT_THAT(route(setup, leak(), kNow),
              ElementsAre(Routed{kDuty, kNow, false}, Routed{kBoss, kNow + minutes(30), true}));
  EXPECT_THAT(route(setup, of_event(leak(), NoticeEvent::kCleared), kNow),
              ElementsAre(Routed{kDuty, kNow, false}, Routed{kBoss, kNow, true}));
  EXPECT_THAT(channels_of(setup, of_event(leak(0), NoticeEvent::kFloodBegins)), ElementsAre(kDuty));
  EXPECT_THAT(channels_of(setup, of_event(leak(0), NoticeEvent::kFloodEnds)), ElementsAre(kDuty));
}

TEST(Routing, HoldsUntilTheMorningOfTheTenant) {
  auto setup = two_companies();
  setup.routes = {route_to(kDuty)};
  setup.routes[0].spec.quiet = kNight;
  const auto due = [&](const char* now, base::TenantNumber tenant) {
    return base::rfc3339(route(setup, leak(1, tenant), at(now))[0].due);
  };
  EXPECT_EQ(due("2026-01-31T13:59:59Z", kChongqing), "2026-01-31T13:59:59Z") << "21:59:59 in Chongqing";
  EXPECT_EQ(due("2026-01-31T14:00:00Z", kChongqing), "2026-01-31T23:00:00Z");
  EXPECT_EQ(due("2026-01-31T22:59:59Z", kChongqing), "2026-01-31T23:00:00Z") << "past midnight";
  EXPECT_EQ(due("2026-01-31T23:00:00Z", kChongqing), "2026-01-31T23:00:00Z");
  EXPECT_EQ(due("2026-01-31T14:00:00Z", kBerlin), "2026-01-31T14:00:00Z") << "it is afternoon there";
  EXPECT_EQ(due("2026-03-28T22:00:00Z", kBerlin), "2026-03-29T05:00:00Z") << "clocks are turned that night";
  EXPECT_EQ(due("2026-01-31T14:00:00Z", base::TenantNumber(77)), "2026-01-31T23:00:00Z")
      << "an unknown tenant is in China";
}

TEST(Routing, QuietHoursMayBeWithinADay) {
  const auto zone = *consumption::LocalTime::of("Asia/Shanghai");
  const registry::QuietHours noon{minutes(12 * 60), minutes(14 * 60)};
  EXPECT_EQ(after_quiet(noon, zone, at("2026-01-31T03:59:00Z")), at("2026-01-31T03:59:00Z"));
  EXPECT_EQ(after_quiet(noon, zone, at("2026-01-31T05:30:00Z")), at("2026-01-31T06:00:00Z"));
  EXPECT_EQ(after_quiet(noon, zone, at("2026-01-31T06:00:00Z")), at("2026-01-31T06:00:00Z"));
}

TEST(Routing, AnEmergencyWakesPeople) {
  auto setup = two_companies();
  setup.routes = {route_to(kDuty), route_to(kBoss)};
  setup.routes[0].spec.quiet = kNight;
  setup.routes[1].spec.quiet = kNight;
  setup.routes[1].spec.escalate_after = minutes(10);
  auto notice = leak();
  const auto night = at("2026-01-31T18:00:00Z");
  EXPECT_EQ(route(setup, notice, night)[1].due, at("2026-01-31T23:00:00Z"));
  notice.severity = Severity::kEmergency;
  EXPECT_EQ(route(setup, notice, night)[0].due, night);
  EXPECT_EQ(route(setup, notice, night)[1].due, night + minutes(10));
}

TEST(Pacing, TheFirstGoesAtOnceAndTheNextAMinuteLater) {
  const Pace pace;
  EXPECT_EQ(next_message(pace, {}, kNow), std::nullopt) << "nothing to say";
  EXPECT_EQ(next_message(pace, {.first_due = kNow}, kNow), kNow);
  EXPECT_EQ(next_message(pace, {.first_due = kNow, .last_sent = kNow - seconds(20)}, kNow), kNow + seconds(40));
  EXPECT_EQ(next_message(pace, {.first_due = kNow + minutes(5), .last_sent = kNow - seconds(20)}, kNow),
            kNow + minutes(5));
}

TEST(Pacing, AClockThatWasSetBackCostsAMinuteAndNotMore) {
  EXPECT_EQ(next_message({}, {.first_due = kNow, .last_sent = kNow + minutes(600)}, kNow), kNow + minutes(1));
}

TEST(Pacing, AMessageThatFailsHoldsUpOthersForAWhileOnly) {
  Lane lane{.first_due = kNow, .last_sent = {}, .messages = 1, .newest_message = kNow - minutes(1)};
  EXPECT_EQ(next_message({}, lane, kNow), kNow + minutes(9));
  lane.messages = 3;
  EXPECT_EQ(next_message({}, lane, kNow), std::nullopt);
}

TEST(Pacing, RetriesComeMoreAndMoreSeldom) {
  EXPECT_EQ(retry_pause(1), seconds(5));
  EXPECT_EQ(retry_pause(2), seconds(10));
  EXPECT_EQ(retry_pause(5), seconds(80));
  EXPECT_EQ(retry_pause(50), minutes(15));
}

}  // namespace
}  // namespace meterhub::notify
