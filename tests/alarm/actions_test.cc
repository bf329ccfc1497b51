#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

using base::Errc;
using testing::ElementsAre;
using testing::IsEmpty;

using Refused = std::pair<EpisodeId, Refusal>;

TEST(Actions, AssignCommentAndWhoDidIt) {
  Bench bench;
  bench.there(1);
  bench.take();
  ASSERT_TRUE(bench.engine.assign({}, Bench::by(2), "li"));
  ASSERT_TRUE(bench.engine.comment({}, Bench::by(3), "valve is old"));
  ASSERT_TRUE(bench.engine.assign({}, Bench::by(4), ""));
  EXPECT_EQ(bench.episode().owner, "");
  EXPECT_EQ(bench.episode().comment, "valve is old");
  const auto changes = bench.take();
  EXPECT_THAT(changes.notices, IsEmpty());
  const auto entry = [](std::int64_t at, Event what, std::string text) {
    return HistoryEntry{EpisodeId(1),           second(at),     "wang", what, State::kUnacknowledged,
                        State::kUnacknowledged, std::move(text)};
  };
  EXPECT_THAT(changes.history,
              ElementsAre(entry(2, Event::kAssigned, "li"), entry(3, Event::kCommented, "valve is old"),
                          entry(4, Event::kAssigned, "")));
}

TEST(Actions, SayWhichWereRefusedAndWhy) {
  Bench bench({.flap_window = 1h});
  for (const std::uint64_t number : {1, 2, 3, 4}) bench.there(1, number);
  bench.acknowledge(2, Bench::only(1));
  bench.shelve(2, 100, Bench::only(2));
  bench.gone(3, 3);
  const Filter all{.ids = std::vector{EpisodeId(1), EpisodeId(2), EpisodeId(3), EpisodeId(4), EpisodeId(9)}};
  const auto outcome = bench.acknowledge(5, all);
  EXPECT_EQ(outcome.done, 1U);
  EXPECT_THAT(outcome.refused, testing::UnorderedElementsAre(Refused(EpisodeId(1), Refusal::kAcknowledged),
                                                             Refused(EpisodeId(2), Refusal::kShelved),
                                                             Refused(EpisodeId(3), Refusal::kCleared),
                                                             Refused(EpisodeId(9), Refusal::kUnknown)));
  EXPECT_THAT(bench.unshelve(5, Bench::only(4)).refused, ElementsAre(Refused(EpisodeId(4), Refusal::kNotShelved)));
}

TEST(Actions, ATenantsUserReachesNothingOfAnotherByItsNumber) {
  Bench bench;
  bench.there(1);
  auto which = Bench::only(1);
  which.tenants = std::vector{base::TenantNumber(2)};
  EXPECT_THAT(bench.acknowledge(2, which).refused, ElementsAre(Refused(EpisodeId(1), Refusal::kUnknown)));
  EXPECT_EQ(bench.acknowledge(2, {.tenants = std::vector<base::TenantNumber>{}}).done, 0U);
  EXPECT_EQ(bench.state(), State::kUnacknowledged);
}

TEST(Actions, ADelayThatHasEndedEndsBeforeThem) {
  Bench bench({.clear_after = 10s, .flap_window = 1h});
  bench.there(1);
  bench.gone(2);
  EXPECT_THAT(bench.acknowledge(20, Bench::only(1)).refused, ElementsAre(Refused(EpisodeId(1), Refusal::kCleared)));
  EXPECT_EQ(bench.episode().cleared, second(12));
}

TEST(Actions, ACommentIsTakenWhileAClearedOneIsRemembered) {
  Bench bench({.flap_window = 1h});
  bench.there(1);
  bench.gone(2);
  EXPECT_EQ(bench.engine.comment(Bench::only(1), Bench::by(5), "was the stove")->done, 1U);
  EXPECT_EQ(bench.engine.comment(Bench::only(1), Bench::by(9'000), "late")->done, 0U);
}

TEST(Actions, RefuseARequestThatIsWrongAndDoNothing) {
  Bench bench;
  bench.there(1);
  bench.take();
  auto& engine = bench.engine;
  const std::string long_name(101, 'x'), long_text(1'001, 'x');
  EXPECT_EQ(engine.acknowledge({}, {.who = "", .at = second(2)}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.acknowledge({}, {.who = long_name, .at = second(2)}).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.assign({}, Bench::by(2), long_name).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.comment({}, Bench::by(2), "").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.comment({}, Bench::by(2), long_text).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.clear({}, Bench::by(2), "").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.shelve({}, Bench::by(2), second(2)).error().code, Errc::kInvalidArgument);
  EXPECT_EQ(engine.shelve({}, Bench::by(2), second(2) + std::chrono::days(367)).error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(bench.take().empty());
}

TEST(Actions, ByFilterTheyReachAHundredThousand) {
  constexpr std::uint64_t kMeters = 100'000;
  Bench bench({}, {.flood_raises = kMeters});
  for (std::uint64_t number = 1; number <= kMeters; ++number)
    bench.see(true, 1, number, number % 2 == 0 ? Rule::kLeak : Rule::kLowBalance);
  bench.take();
  EXPECT_EQ(bench.acknowledge(2, {.rules = {Rule::kLowBalance}}).done, kMeters / 2);
  const auto changes = bench.take();
  EXPECT_EQ(changes.episodes.size(), kMeters / 2);
  EXPECT_EQ(changes.history.size(), kMeters / 2);
  EXPECT_EQ(changes.notices.size(), kMeters / 2);
  const auto counts = bench.engine.counts();
  EXPECT_EQ(counts.by_state[static_cast<std::size_t>(State::kAcknowledged)], kMeters / 2);
  const auto all = bench.acknowledge(3);
  EXPECT_EQ(all.done, kMeters / 2);
  EXPECT_EQ(all.refused.size(), kMeters / 2);
}

}  // namespace
}  // namespace meterhub::alarm
