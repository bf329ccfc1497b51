#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr EpisodesOptions kSmall{.flood_raises = 20};

void raise(Bench& bench, std::uint64_t first, std::uint64_t last, std::int64_t at) {
  for (auto number = first; number <= last; ++number) bench.there(at, number);
}

TEST(Flood, ARuleThatFiresForAllAtOnceIsOneNotice) {
  Bench bench({}, kSmall);
  raise(bench, 1, 500, 30);
  const auto changes = bench.take();
  ASSERT_EQ(changes.notices.size(), 1U);
  EXPECT_EQ(changes.notices[0], (Notice{.event = Event::kFloodBegins,
                                        .at = second(30),
                                        .rule = Rule::kLeak,
                                        .severity = Severity::kWarning,
                                        .tenant = kTenant,
                                        .raised = second(30),
                                        .count = 21}));
  ASSERT_EQ(changes.episodes.size(), 500U);
  for (const auto& episode : changes.episodes) EXPECT_TRUE(episode.flood);
  EXPECT_EQ(changes.history.size(), 500U);
  ASSERT_EQ(bench.engine.floods().size(), 1U);
  EXPECT_EQ(bench.engine.floods()[0].raised, 500U);
}

TEST(Flood, BeginsWithTheRaiseThatIsTooMuchInTenMinutes) {
  Bench bench({}, kSmall);
  raise(bench, 1, 10, 0);
  raise(bench, 11, 20, 500);
  EXPECT_EQ(bench.notices().size(), 20U);
  raise(bench, 21, 30, 1'200);
  raise(bench, 31, 40, 1'201);
  EXPECT_EQ(bench.notices().size(), 20U);
  EXPECT_THAT(bench.engine.floods(), IsEmpty());
  raise(bench, 41, 42, 1'202);
  EXPECT_THAT(bench.notices(), ElementsAre("flood_begins 21"));
}

TEST(Flood, AFloodOfOneRuleOrTenantSilencesNoOther) {
  Bench bench({}, kSmall);
  raise(bench, 1, 50, 0);
  bench.take();
  bench.see(true, 1, 1, Rule::kTamper);
  bench.see(true, 1, 900, Rule::kLeak, base::TenantNumber(2));
  bench.see(true, 1, 901, Rule::kLeak);
  EXPECT_THAT(bench.notices(), ElementsAre("raised 51", "raised 52"));
}

TEST(Flood, OfWhatItRaisedNothingIsToldButWhatWasToldBeforeIsToldToTheEnd) {
  Bench bench({}, kSmall);
  raise(bench, 1, 5, 0);
  EXPECT_EQ(bench.notices().size(), 5U);
  raise(bench, 6, 50, 1);
  EXPECT_THAT(bench.notices(), ElementsAre("flood_begins 21"));
  bench.acknowledge(2, {.ids = std::vector{EpisodeId(1), EpisodeId(30)}});
  bench.gone(3, 2);
  bench.gone(3, 31);
  EXPECT_THAT(bench.notices(), ElementsAre("acknowledged 1", "cleared 2"));
}

TEST(Flood, EndsAfterTenMinutesBelowATenth) {
  Bench bench({}, kSmall);
  raise(bench, 1, 50, 0);
  const auto begin = std::chrono::floor<std::chrono::minutes>(second(0));
  bench.take();
  // Two in ten minutes are a tenth.
  for (std::uint64_t number = 100; number < 104; ++number)
    bench.engine.observe({.rule = Rule::kLeak,
                          .subject = meter(number),
                          .tenant = kTenant,
                          .active = true,
                          .at = begin + std::chrono::minutes((number - 100) * 5 + 5)});
  bench.engine.tick(begin + 25min + 59s);
  EXPECT_THAT(bench.notices(), IsEmpty());
  bench.engine.tick(begin + 2h);
  const auto notices = bench.take().notices;
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_EQ(notices[0].event, Event::kFloodEnds);
  EXPECT_EQ(notices[0].at, begin + 26min) << "the one of minute 15 has left the ten minutes";
  EXPECT_EQ(notices[0].count, 54U);
  EXPECT_EQ(notices[0].raised, second(0));
  bench.there(8'000, 200);
  EXPECT_THAT(bench.notices(), ElementsAre("raised 55"));
}

TEST(Flood, ItsEndDoesNotDependOnWhenTimeIsTold) {
  std::vector<base::Timestamp> ends;
  for (const auto step : {1s, 250s, 100'000s}) {
    Bench bench({}, kSmall);
    raise(bench, 1, 50, 7);
    for (base::Timestamp at = second(7); at < second(0) + 200'000s; at += step) bench.engine.tick(at);
    const auto notices = bench.take().notices;
    ASSERT_EQ(notices.size(), 2U);
    ends.push_back(notices[1].at);
  }
  EXPECT_EQ(ends[0], ends[1]);
  EXPECT_EQ(ends[0], ends[2]);
  EXPECT_EQ(ends[0], std::chrono::floor<std::chrono::minutes>(second(7)) + 11min);
}

TEST(Flood, OfAGreatTenantIsAShareOfItsSubjects) {
  Bench bench({}, kSmall);
  bench.engine.set_subjects(kTenant, 5'000);
  raise(bench, 1, 100, 0);
  EXPECT_EQ(bench.notices().size(), 100U);
  raise(bench, 101, 101, 1);
  EXPECT_THAT(bench.notices(), ElementsAre("flood_begins 101"));
}

TEST(Flood, ARaiseThatReopensAfterTheFloodIsTold) {
  Bench bench({.flap_window = 10h}, kSmall);
  raise(bench, 1, 50, 0);
  bench.gone(10, 30);
  bench.there(11, 30);
  bench.take();
  bench.tick(5'000);
  bench.gone(5'001, 30);
  EXPECT_THAT(bench.notices(), ElementsAre("flood_ends 50"));
  bench.there(5'002, 30);
  bench.gone(5'003, 30);
  EXPECT_THAT(bench.notices(), ElementsAre("reopened 30", "cleared 30"));
}

TEST(Flood, ItsCountsAreHandedOutAndTakenBack) {
  Bench bench({}, kSmall);
  raise(bench, 1, 3, 0);
  auto changes = bench.take();
  ASSERT_EQ(changes.flows.size(), 1U);
  EXPECT_FALSE(changes.flows[0].flood);
  EXPECT_EQ(changes.flows[0].minutes[0], 3U);
  bench.tick(2'000);
  changes = bench.take();
  EXPECT_THAT(changes.flows, IsEmpty());
  EXPECT_THAT(changes.flows_gone, Contains(std::pair(kTenant, Rule::kLeak)));
}

}  // namespace
}  // namespace meterhub::alarm
