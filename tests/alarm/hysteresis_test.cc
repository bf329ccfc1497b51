#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Hysteresis, RaisesWhenTheConditionStoodLongEnoughThoughItIsNotToldAgain) {
  Bench bench({.raise_after = 60s});
  bench.there(0);
  bench.tick(59);
  EXPECT_EQ(bench.engine.open(), 0U);
  bench.tick(600);
  EXPECT_EQ(bench.episode().raised, second(60));
  EXPECT_EQ(bench.episode().last_seen, second(0));
}

TEST(Hysteresis, AnObservationEndsDelaysAsATickDoes) {
  Bench bench({.raise_after = 60s});
  bench.there(0);
  bench.there(600);
  EXPECT_EQ(bench.episode().raised, second(60));
  EXPECT_EQ(bench.episode().last_seen, second(600));
  EXPECT_EQ(bench.episode().count, 2U);
}

TEST(Hysteresis, AConditionThatGoesBeforeItsTimeIsForgotten) {
  Bench bench({.raise_after = 60s});
  bench.there(0);
  bench.gone(59);
  bench.there(61);
  bench.tick(120);
  EXPECT_EQ(bench.engine.open(), 0U);
  bench.tick(121);
  EXPECT_EQ(bench.episode().raised, second(121));
}

TEST(Hysteresis, ADelayHasEndedWhenTheConditionGoesAtThatVeryTime) {
  Bench bench({.raise_after = 60s, .flap_window = 1h});
  bench.there(0);
  bench.gone(60);
  EXPECT_THAT(bench.history(),
              ElementsAre("raised cleared>unacknowledged at 60", "cleared unacknowledged>cleared at 60"));
}

TEST(Hysteresis, RaisesWhenTheConditionWasToldOftenEnough) {
  Bench bench({.raise_count = 3});
  bench.there(0);
  bench.there(1);
  bench.gone(2);
  bench.there(3);
  bench.there(4);
  bench.tick(1'000);
  EXPECT_EQ(bench.engine.open(), 0U);
  bench.there(1'001);
  EXPECT_EQ(bench.episode().raised, second(1'001));
  EXPECT_EQ(bench.episode().count, 3U);
}

TEST(Hysteresis, TimeAndCountMustBothBeMet) {
  Bench bench({.raise_after = 60s, .raise_count = 3});
  bench.there(0, 1);
  bench.there(1, 1);
  bench.there(100, 1);  // the count comes last
  EXPECT_EQ(bench.episode(1).raised, second(100));
  bench.there(200, 2);
  bench.there(201, 2);
  bench.there(202, 2);
  EXPECT_EQ(bench.engine.open(), 1U);
  bench.tick(300);  // the time comes last
  EXPECT_EQ(bench.episode(2).raised, second(260));
}

TEST(Hysteresis, ClearsWhenTheConditionWasGoneLongEnough) {
  Bench bench({.clear_after = 60s, .flap_window = 1h});
  bench.there(0);
  bench.gone(10);
  bench.gone(20);
  bench.tick(69);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.episode().gone_since, second(10));
  bench.tick(1'000);
  EXPECT_EQ(bench.episode().cleared, second(70));
  EXPECT_EQ(bench.episode().last_seen, second(0));
}

TEST(Hysteresis, AConditionThatComesBackBeforeThatIsTheSameAndNothingIsTold) {
  Bench bench({.clear_after = 60s});
  bench.there(0);
  bench.take();
  bench.gone(10);
  bench.there(69);
  bench.tick(500);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.episode().reopened, 0U);
  EXPECT_EQ(bench.episode().count, 2U);
  const auto changes = bench.take();
  EXPECT_THAT(changes.history, IsEmpty());
  EXPECT_THAT(changes.notices, IsEmpty());
}

TEST(Hysteresis, ARaiseWithinTheFlapWindowReopensTheEpisode) {
  Bench bench({.flap_window = 60s});
  bench.there(0);
  bench.gone(10);
  bench.there(69);
  EXPECT_EQ(bench.engine.open(), 1U);
  EXPECT_EQ(bench.episode().reopened, 1U);
  EXPECT_EQ(bench.episode().raised, second(0));
  EXPECT_EQ(bench.episode().count, 2U);
  bench.gone(70);
  bench.there(130);
  EXPECT_EQ(bench.episode(2).reopened, 0U) << "the window is over at its end";
}

TEST(Hysteresis, WithoutAFlapWindowEachRaiseIsAnEpisode) {
  Bench bench;
  bench.there(0);
  bench.gone(0);
  bench.there(0);
  EXPECT_EQ(bench.state(2), State::kUnacknowledged);
}

TEST(Hysteresis, TheFlapWindowAsksWhenItIsRaisedNotWhenTheConditionCame) {
  Bench bench({.raise_after = 30s, .flap_window = 60s});
  bench.there(0);
  bench.gone(40);
  bench.there(60);
  bench.tick(95);
  EXPECT_EQ(bench.episode(1).reopened, 1U);
  bench.gone(100);
  bench.there(131);  // raised at 161, a second too late
  bench.tick(200);
  EXPECT_EQ(bench.episode(2).raised, second(161));
  EXPECT_EQ(bench.engine.find(EpisodeId(1)), nullptr);
}

TEST(Hysteresis, AnEpisodeIsForgottenAfterItsFlapWindow) {
  Bench bench({.flap_window = 60s});
  bench.there(0);
  bench.gone(10);
  bench.tick(69);
  EXPECT_NE(bench.engine.find(EpisodeId(1)), nullptr);
  bench.tick(70);
  EXPECT_EQ(bench.engine.find(EpisodeId(1)), nullptr);
  EXPECT_EQ(bench.take().episodes.size(), 1U) << "and is handed out all the same";
}

TEST(Hysteresis, AMeterThatWentToAnotherTenantHasAnEpisodeOfItsOwnThere) {
  Bench bench({.flap_window = 60s});
  bench.there(0);
  bench.gone(10);
  bench.see(true, 20, 1, Rule::kLeak, base::TenantNumber(2));
  EXPECT_EQ(bench.episode(2).tenant, base::TenantNumber(2));
  EXPECT_EQ(bench.engine.open(), 1U);
}

// The meter 1 of tenant 1 under a rule that waits for nothing, seen of tenant 2 at second 20.
struct Move {
  explicit Move(const Policy& policy = {}) : bench(policy) {
    bench.there(0);
    bench.there(10);
  }
  void to_the_other(bool active) { bench.see(active, 20, 1, Rule::kLeak, base::TenantNumber(2), "7 l/h"); }
  Bench bench;
};

TEST(Hysteresis, AnOpenEpisodeEndsWhereItsMeterGoesToAnotherTenant) {
  Move move({.clear_after = 60s, .flap_window = 60s});
  (void)move.bench.take();
  move.to_the_other(true);
  const auto changes = move.bench.take();
  ASSERT_EQ(changes.episodes.size(), 2U);
  const auto of = [&](std::uint32_t tenant) {
    return *std::ranges::find(changes.episodes, base::TenantNumber(tenant), &Episode::tenant);
  };
  EXPECT_EQ(of(1).state, State::kCleared);
  EXPECT_EQ(of(1).cleared, second(20));
  EXPECT_EQ(of(1).detail, "12 l/h") << "not the other's figure";
  EXPECT_FALSE(of(1).standing);
  EXPECT_EQ(of(2).state, State::kUnacknowledged);
  EXPECT_EQ(of(2).raised, second(20));
  EXPECT_EQ(of(2).count, 1U) << "what the first tenant's meter said is not counted";
  EXPECT_EQ(of(2).reopened, 0U);
  ASSERT_EQ(changes.notices.size(), 2U);
  EXPECT_EQ(changes.notices[0].event, Event::kCleared);
  EXPECT_EQ(changes.notices[0].tenant, kTenant);
  EXPECT_EQ(changes.notices[1].event, Event::kRaised);
  EXPECT_EQ(changes.notices[1].tenant, base::TenantNumber(2));
}

TEST(Hysteresis, AnEpisodeOfAMeterThatIsWellElsewhereIsOver) {
  Move move({.clear_after = 60s, .latched = true});
  move.to_the_other(false);
  EXPECT_EQ(move.bench.engine.open(), 0U) << "nobody of the first tenant can look at it any more";
  EXPECT_THAT(move.bench.notices(), ElementsAre("raised 1", "cleared 1"));
  move.bench.there(30);
  EXPECT_EQ(move.bench.episode(2).tenant, kTenant) << "back again: a new one";
}

TEST(Hysteresis, WhatOneTenantClearedByHandIsRaisedForTheNext) {
  Move move;
  EXPECT_EQ(move.bench.clear(15).done, 1U);
  move.to_the_other(true);
  EXPECT_EQ(move.bench.episode(2).tenant, base::TenantNumber(2));
}

TEST(Hysteresis, TheRulesOfTheNextTenantHoldFromItsFirstObservation) {
  constexpr base::TenantNumber kNext(2);
  for (const bool is_on_there : {false, true}) {
    auto policies = all_rules({.enabled = !is_on_there});
    ASSERT_TRUE(policies.set(Rule::kLeak, kNext, {.enabled = is_on_there}));
    Bench bench;
    bench.engine.set_policies(std::move(policies));
    bench.there(0);
    EXPECT_EQ(bench.engine.open(), is_on_there ? 0U : 1U);
    bench.see(true, 20, 1, Rule::kLeak, kNext);
    EXPECT_EQ(bench.engine.open(), is_on_there ? 1U : 0U);
  }
}

TEST(Hysteresis, AnotherTenantsObservationsDoNotCountTowardsARaise) {
  Move move({.raise_count = 3});
  move.to_the_other(true);
  EXPECT_EQ(move.bench.engine.open(), 0U);
  for (const auto at : {30, 40}) move.bench.see(true, at, 1, Rule::kLeak, base::TenantNumber(2));
  EXPECT_EQ(move.bench.episode(1).count, 3U);
}

TEST(Hysteresis, WhatIsOlderThanWhatWasJudgedIsLeftOut) {
  Bench bench;
  bench.there(10);
  bench.gone(9);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.engine.counters().stale, 1U);
}

TEST(Hysteresis, UnlessItIsKnownToBeTheNewest) {
  Bench bench({.clear_after = 60s, .flap_window = 1h});
  bench.there(10);
  bench.engine.observe({.rule = Rule::kLeak,
                        .subject = Subject::meter(base::Eui64(1)),
                        .tenant = kTenant,
                        .at = second(5),
                        .is_newest = true});
  bench.tick(69);
  EXPECT_EQ(bench.state(), State::kUnacknowledged) << "its delay counts from what was judged";
  bench.tick(70);
  EXPECT_EQ(bench.episode().cleared, second(70));
  EXPECT_EQ(bench.engine.counters().stale, 0U);
}

TEST(Hysteresis, TheNewestObservationIsWhatAnOldOneIsMeasuredBy) {
  Bench bench;
  bench.there(10);
  bench.there(20);
  bench.gone(15);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
}

TEST(Hysteresis, NorDoesItUndoWhatTimeHasDecided) {
  Bench bench({.raise_after = 60s, .clear_after = 60s, .flap_window = 1h});
  bench.there(0);
  bench.tick(600);
  bench.gone(30);
  bench.tick(1'000);
  EXPECT_EQ(bench.episode().raised, second(60));
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  bench.gone(1'100);
  bench.tick(2'000);
  bench.there(1'130);
  bench.tick(3'000);
  EXPECT_EQ(bench.engine.open(), 0U);
  EXPECT_EQ(bench.episode().cleared, second(1'160));
  EXPECT_EQ(bench.engine.counters().stale, 2U);
}

TEST(Hysteresis, RulesOfOneSubjectAndSubjectsOfOneRuleHaveEpisodesOfTheirOwn) {
  Bench bench;
  bench.see(true, 0, 1, Rule::kLeak);
  bench.see(true, 0, 1, Rule::kTamper);
  bench.see(true, 0, 2, Rule::kLeak);
  for (const auto* const name : {"gw-1", "gw-2"}) {
    bench.engine.observe({.rule = Rule::kSilentGateway,
                          .subject = Subject::named(SubjectKind::kGateway, name),
                          .tenant = kTenant,
                          .active = true,
                          .at = second(0)});
  }
  EXPECT_EQ(bench.engine.open(), 5U);
  bench.see(false, 1, 1, Rule::kTamper);
  EXPECT_EQ(bench.engine.open(), 4U);
}

TEST(Hysteresis, DelaysUnderWayFollowANewPolicy) {
  Bench bench({.raise_after = 1h});
  bench.there(0);
  bench.tick(100);
  bench.engine.set_policies(all_rules({.raise_after = 60s}));
  bench.tick(101);
  EXPECT_EQ(bench.episode().raised, second(60));
}

TEST(Hysteresis, ANewPolicyDecidesNothingBeforeWhatWasJudged) {
  Bench bench({.raise_after = 1h});
  bench.there(0);
  bench.there(100);
  bench.engine.set_policies(all_rules({.raise_after = 60s, .clear_after = 1h, .flap_window = 1h}));
  bench.tick(101);
  EXPECT_EQ(bench.episode().raised, second(100));
  bench.gone(200);
  bench.gone(300);
  bench.engine.set_policies(all_rules({.clear_after = 60s, .flap_window = 1h}));
  bench.tick(301);
  EXPECT_EQ(bench.episode().cleared, second(300));
}

TEST(Hysteresis, ADetailIsCutBetweenCharacters) {
  Bench bench;
  std::string detail(199, 'x');
  detail += "余额";
  bench.see(true, 0, 1, Rule::kLowBalance, kTenant, detail);
  EXPECT_EQ(bench.episode().detail, std::string(199, 'x'));
}

}  // namespace
}  // namespace meterhub::alarm
