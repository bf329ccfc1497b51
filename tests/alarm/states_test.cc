// Every arrow of ISA-18.2's diagram.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(States, NormalBecomesUnacknowledgedWhenTheConditionIsThere) {
  Bench bench;
  bench.there(5);
  const auto& episode = bench.episode();
  EXPECT_EQ(episode.state, State::kUnacknowledged);
  EXPECT_EQ(episode.raised, second(5));
  EXPECT_EQ(episode.last_seen, second(5));
  EXPECT_EQ(episode.count, 1U);
  EXPECT_EQ(episode.detail, "12 l/h");
  EXPECT_EQ(episode.subject, meter(1));
  EXPECT_EQ(episode.cleared, std::nullopt);
  const auto changes = bench.take();
  EXPECT_THAT(changes.episodes, ElementsAre(episode));
  EXPECT_THAT(changes.history, ElementsAre(HistoryEntry{.episode = EpisodeId(1),
                                                        .at = second(5),
                                                        .what = Event::kRaised,
                                                        .from = State::kCleared,
                                                        .to = State::kUnacknowledged,
                                                        .text = "12 l/h"}));
  EXPECT_THAT(changes.notices, ElementsAre(Notice{.event = Event::kRaised,
                                                  .at = second(5),
                                                  .episode = EpisodeId(1),
                                                  .rule = Rule::kLeak,
                                                  .severity = Severity::kWarning,
                                                  .tenant = kTenant,
                                                  .subject = meter(1),
                                                  .detail = "12 l/h",
                                                  .raised = second(5),
                                                  .count = 1}));
  EXPECT_TRUE(bench.take().empty());
}

TEST(States, UnacknowledgedIsClearedWithItsCondition) {
  Bench bench({.flap_window = 60s});
  bench.there(5);
  bench.gone(9);
  EXPECT_EQ(bench.state(), State::kCleared);
  EXPECT_EQ(bench.episode().cleared, second(9));
  EXPECT_EQ(bench.engine.open(), 0U);
  EXPECT_THAT(bench.notices(), ElementsAre("raised 1", "cleared 1"));
}

TEST(States, UnacknowledgedOfALatchedRuleWaitsAsReturned) {
  Bench bench({.latched = true});
  bench.there(5);
  bench.gone(9);
  EXPECT_EQ(bench.state(), State::kReturned);
  EXPECT_EQ(bench.episode().cleared, second(9));
  EXPECT_EQ(bench.engine.open(), 1U);
  EXPECT_THAT(bench.notices(), ElementsAre("raised 1", "cleared 1"));
}

TEST(States, ReturnedIsClearedWhenAcknowledged) {
  Bench bench({.flap_window = 60s, .latched = true});
  bench.there(5);
  bench.gone(9);
  bench.take();
  EXPECT_EQ(bench.acknowledge(20).done, 1U);
  EXPECT_EQ(bench.state(), State::kCleared);
  EXPECT_EQ(bench.episode().cleared, second(9)) << "back to normal, not looked at";
  EXPECT_THAT(bench.history(), ElementsAre("acknowledged returned>cleared at 20"));
}

TEST(States, ReturnedIsUnacknowledgedAgainWhenTheConditionComesBackHoweverLate) {
  Bench bench({.flap_window = 10s, .latched = true});
  bench.there(5);
  bench.gone(9);
  bench.take();
  bench.there(5'000);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.episode().reopened, 1U);
  EXPECT_EQ(bench.episode().raised, second(5));
  EXPECT_EQ(bench.episode().cleared, std::nullopt);
  EXPECT_THAT(bench.history(), ElementsAre("reopened returned>unacknowledged at 5000"));
}

TEST(States, AcknowledgedSaysByWhomAndWhenAndIsClearedWithItsCondition) {
  Bench bench({.flap_window = 60s, .latched = true});
  bench.there(5);
  bench.acknowledge(7);
  EXPECT_EQ(bench.state(), State::kAcknowledged);
  EXPECT_EQ(bench.episode().acknowledged_by, "wang");
  EXPECT_EQ(bench.episode().acknowledged, second(7));
  bench.there(8);
  EXPECT_EQ(bench.state(), State::kAcknowledged);
  bench.gone(9);
  EXPECT_EQ(bench.state(), State::kCleared);
  EXPECT_THAT(bench.history(),
              ElementsAre("raised cleared>unacknowledged at 5", "acknowledged unacknowledged>acknowledged at 7",
                          "cleared acknowledged>cleared at 9"));
}

TEST(States, AReopenedEpisodeMustBeAcknowledgedAnew) {
  Bench bench({.flap_window = 60s});
  bench.there(5);
  bench.acknowledge(7);
  bench.gone(9);
  bench.there(12);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.episode().acknowledged, std::nullopt);
  EXPECT_EQ(bench.episode().acknowledged_by, "");
  EXPECT_THAT(bench.notices(), ElementsAre("raised 1", "acknowledged 1", "cleared 1", "reopened 1"));
}

// From unacknowledged, acknowledged and returned.
TEST(States, AnyOpenEpisodeIsShelvedForATime) {
  Bench bench({.latched = true});
  for (const std::uint64_t number : {1, 2, 3}) bench.there(1, number);
  bench.acknowledge(2, Bench::only(2));
  bench.gone(3, 3);
  bench.take();
  EXPECT_EQ(bench.shelve(10, 100).done, 3U);
  EXPECT_EQ(bench.state(1), State::kShelved);
  EXPECT_EQ(bench.episode(1).shelved_until, second(100));
  EXPECT_THAT(bench.history(), ElementsAre("shelved unacknowledged>shelved at 10", "shelved acknowledged>shelved at 10",
                                           "shelved returned>shelved at 10"));
}

TEST(States, NothingIsToldOfAShelvedOneWhateverItsConditionDoes) {
  Bench bench;
  bench.there(1);
  bench.shelve(2, 100);
  bench.take();
  bench.gone(3);
  EXPECT_EQ(bench.state(), State::kShelved);
  EXPECT_EQ(bench.episode().cleared, second(3));
  bench.there(4);
  EXPECT_EQ(bench.state(), State::kShelved);
  EXPECT_EQ(bench.episode().cleared, std::nullopt);
  EXPECT_EQ(bench.episode().reopened, 1U);
  const auto changes = bench.take();
  EXPECT_THAT(changes.notices, IsEmpty());
  ASSERT_EQ(changes.history.size(), 2U);
  EXPECT_EQ(changes.history[0].what, Event::kReturned);
  EXPECT_EQ(changes.history[1].what, Event::kReopened);
}

TEST(States, AShelfTimeThatEndsWhileTheConditionStandsMakesItUnacknowledgedAgain) {
  Bench bench;
  bench.there(1);
  bench.acknowledge(2);
  bench.shelve(3, 100);
  bench.take();
  bench.tick(99);
  EXPECT_EQ(bench.state(), State::kShelved);
  bench.tick(500);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  EXPECT_EQ(bench.episode().acknowledged, std::nullopt);
  EXPECT_EQ(bench.episode().shelved_until, std::nullopt);
  const auto changes = bench.take();
  ASSERT_EQ(changes.notices.size(), 1U);
  EXPECT_EQ(changes.notices[0].event, Event::kReopened);
  EXPECT_EQ(changes.notices[0].at, second(100));
  EXPECT_EQ(changes.history.at(0).what, Event::kUnshelved);
}

TEST(States, AShelfTimeThatEndsAfterTheConditionHasGoneClearsIt) {
  Bench bench({.flap_window = 1h});
  bench.there(1);
  bench.shelve(3, 100);
  bench.gone(50);
  bench.take();
  bench.tick(100);
  EXPECT_EQ(bench.state(), State::kCleared);
  EXPECT_EQ(bench.episode().cleared, second(50));
  EXPECT_THAT(bench.notices(), ElementsAre("cleared 1"));
}

TEST(States, AShelfTimeThatEndsAfterALatchedConditionHasGoneLetsItWaitForAcknowledgement) {
  Bench bench({.latched = true});
  bench.there(1, 1);
  bench.there(1, 2);
  bench.acknowledge(2, Bench::only(2));
  bench.shelve(3, 100);
  bench.gone(50, 1);
  bench.gone(50, 2);
  bench.take();
  bench.tick(100);
  EXPECT_EQ(bench.state(1), State::kReturned);
  EXPECT_EQ(bench.engine.find(EpisodeId(2)), nullptr) << "somebody had taken note of it before: cleared";
  EXPECT_THAT(bench.notices(), ElementsAre("cleared 1", "cleared 2"));
}

TEST(States, SomebodyTakesItOutOfTheShelf) {
  Bench bench;
  bench.there(1);
  bench.shelve(3, 100);
  bench.take();
  EXPECT_EQ(bench.unshelve(10).done, 1U);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  bench.tick(200);
  EXPECT_THAT(bench.history(), ElementsAre("unshelved shelved>unacknowledged at 10"));
}

TEST(States, AShelfTimeCanBeChanged) {
  Bench bench;
  bench.there(1);
  bench.shelve(3, 100);
  EXPECT_EQ(bench.shelve(4, 50).done, 1U);
  bench.tick(60);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
}

TEST(States, ClearedByHandItIsOverThoughTheConditionStands) {
  Bench bench;
  bench.there(1);
  bench.take();
  EXPECT_EQ(bench.clear(10).done, 1U);
  EXPECT_EQ(bench.state(), State::kCleared);
  EXPECT_EQ(bench.episode().cleared, second(10));
  EXPECT_TRUE(bench.episode().standing);
  const auto changes = bench.take();
  EXPECT_EQ(changes.history.at(0).text, "looked at it");
  EXPECT_EQ(changes.history.at(0).who, "wang");
  EXPECT_EQ(changes.notices.at(0).event, Event::kCleared);
  EXPECT_EQ(changes.notices.at(0).who, "wang");
}

TEST(States, ClearedByHandItIsRaisedAgainOnlyAfterTheConditionWasSeenGone) {
  Bench bench({.clear_after = 10s});
  bench.there(1);
  bench.clear(2);
  bench.take();
  bench.there(1'000);
  bench.gone(2'000);
  bench.there(2'009);  // not gone for ten seconds
  bench.there(3'000);
  EXPECT_EQ(bench.engine.open(), 0U);
  bench.gone(4'000);
  bench.there(4'010);
  EXPECT_EQ(bench.engine.open(), 1U);
  EXPECT_EQ(bench.state(2), State::kUnacknowledged);
  EXPECT_THAT(bench.history(), ElementsAre("raised cleared>unacknowledged at 4010"));
}

TEST(States, ClearedByHandFromTheShelf) {
  Bench bench;
  bench.there(1, 1);
  bench.there(1, 2);
  bench.shelve(2, 100);
  bench.gone(3, 2);
  bench.take();
  EXPECT_EQ(bench.clear(10).done, 2U);
  EXPECT_EQ(bench.state(1), State::kCleared);
  EXPECT_EQ(bench.engine.find(EpisodeId(2)), nullptr);
  EXPECT_THAT(bench.notices(), ElementsAre("cleared 1", "cleared 2"));
}

TEST(States, ALatchedOneMustBeAcknowledgedBeforeItIsClearedByHand) {
  Bench bench({.latched = true});
  bench.there(1, 1);
  bench.there(1, 2);
  bench.gone(2, 2);
  bench.take();
  const auto refused = bench.clear(5).refused;
  EXPECT_THAT(refused, ElementsAre(std::pair(EpisodeId(1), Refusal::kUnacknowledged),
                                   std::pair(EpisodeId(2), Refusal::kUnacknowledged)));
  EXPECT_TRUE(bench.take().empty());
  bench.acknowledge(6, Bench::only(1));
  EXPECT_EQ(bench.clear(7, Bench::only(1)).done, 1U);
}

TEST(States, ADisabledRuleClearsWithTheNextObservation) {
  Bench bench;
  bench.there(1);
  bench.engine.set_policies(all_rules({.enabled = false}));
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
  bench.there(2);
  bench.there(3, 2);
  EXPECT_EQ(bench.engine.open(), 0U);
}

}  // namespace
}  // namespace meterhub::alarm
