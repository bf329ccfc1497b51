#include <gtest/gtest.h>

#include "bench_of_alarms.h"

namespace meterhub::alarm {
namespace {

TEST(Bounds, BeyondOpenMaxARaiseIsCountedAndComesWithALaterObservation) {
  Bench bench({}, {.open_max = 2});
  for (const std::uint64_t number : {1, 2, 3}) bench.there(1, number);
  EXPECT_EQ(bench.engine.open(), 2U);
  EXPECT_EQ(bench.engine.counters().untracked, 1U);
  bench.take();
  bench.gone(2, 1);
  bench.there(3, 3);
  EXPECT_EQ(bench.engine.open(), 2U);
  EXPECT_EQ(bench.episode(3).subject, meter(3));
}

TEST(Bounds, ADelayThatEndsWhileAllAreOpenMustBeginAgain) {
  Bench bench({.raise_after = 10s}, {.open_max = 1});
  bench.there(-9, 1);
  bench.tick(1);
  bench.there(1, 2);
  bench.take();
  bench.tick(11);
  EXPECT_EQ(bench.engine.open(), 1U);
  EXPECT_EQ(bench.engine.counters().untracked, 1U);
  EXPECT_EQ(bench.take().pending_gone.size(), 1U);
  bench.gone(12, 1);
  bench.there(13, 2);
  bench.tick(22);
  EXPECT_EQ(bench.engine.open(), 0U);
  bench.tick(23);
  EXPECT_EQ(bench.engine.open(), 1U);
}

TEST(Bounds, PendingConditionsAreBoundedToo) {
  Bench bench({.raise_after = 10s}, {.open_max = 2});
  for (const std::uint64_t number : {1, 2, 3}) bench.there(1, number);
  EXPECT_EQ(bench.engine.counters().untracked, 1U);
  EXPECT_EQ(bench.take().pending.size(), 2U);
}

TEST(Bounds, NoMoreClearedEpisodesAreRememberedThanMayBeOpen) {
  Bench bench({.flap_window = 1h}, {.open_max = 2});
  for (const std::uint64_t number : {1, 2, 3}) {
    bench.there(static_cast<std::int64_t>(number), number);
    bench.gone(static_cast<std::int64_t>(number), number);
  }
  EXPECT_EQ(bench.engine.counters().unremembered, 1U);
  bench.there(10, 3);
  EXPECT_EQ(bench.episode(4).reopened, 0U);
  bench.there(10, 1);
  EXPECT_EQ(bench.episode(1).reopened, 1U);
  EXPECT_EQ(bench.take().episodes.size(), 4U);
}

TEST(Bounds, OneClearedByHandThatCannotBeRememberedIsRaisedAnewWhenItIsToldAgain) {
  Bench bench({}, {.open_max = 1});
  bench.there(1, 1);
  bench.clear(2);
  bench.there(3, 2);
  bench.clear(4);
  EXPECT_EQ(bench.engine.counters().unremembered, 1U);
  bench.there(5, 2);
  EXPECT_EQ(bench.episode(3).subject, meter(2));
  EXPECT_EQ(bench.engine.open(), 1U);
  for (const auto& episode : bench.take().episodes) {
    EXPECT_EQ(episode.standing, episode.id != EpisodeId(2)) << episode.id.value;
  }
}

}  // namespace
}  // namespace meterhub::alarm
