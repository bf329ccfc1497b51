#include "household.h"

#include <gtest/gtest.h>

namespace meterhub::sim {
namespace {

constexpr base::Timestamp kMidnight{std::chrono::seconds(1'700'006'400)};  // 2023-11-15 00:00
constexpr std::chrono::milliseconds kMinute{60'000};

TEST(Household, UsesAboutAsMuchInADayAsATownDoes) {
  std::int64_t litres = 0;
  std::int64_t busiest = 0;
  constexpr std::uint32_t kFlats = 400;
  for (std::uint32_t flat = 0; flat < kFlats; ++flat) {
    Household household(1, flat);
    Figures figures{10'000'000, 0};
    for (int minute = 0; minute < 24 * 60; ++minute) {
      const auto before = figures.used;
      household.live(figures, kMidnight + minute * kMinute, kMinute, static_cast<std::uint64_t>(minute));
      const bool evening = minute >= 18 * 60 && minute < 19 * 60;
      busiest += evening ? figures.used - before : 0;
    }
    litres += figures.used;
  }
  // 397 m3 a year on average, a tenth more in November.
  EXPECT_NEAR(static_cast<double>(litres) / kFlats, 1'190, 240);
  EXPECT_NEAR(static_cast<double>(busiest) / static_cast<double>(litres), 0.115, 0.04);
}

TEST(Household, LeavesAboutOneMeterInAHundredBelowFiveCubicMetres) {
  int low = 0;
  constexpr int kMeters = 20'000;
  for (std::uint32_t i = 0; i < kMeters; ++i) low += Household(3, i).initial().left() < 5'000 ? 1 : 0;
  EXPECT_NEAR(low, kMeters / 100, kMeters / 400);
}

TEST(Household, StopsUsingGasWhenTheValveIsClosed) {
  Household household(1, 5);
  Figures figures{1'000, 7'000};
  const auto used = figures.used;
  EXPECT_EQ(household.status(figures) & (status::kValveClosed | status::kOverdraft),
            status::kValveClosed | status::kOverdraft);
  std::uint64_t turn = 0;
  while (figures.left() < 0) {
    household.live(figures, kMidnight, kMinute, ++turn);
  }
  EXPECT_EQ(figures.used, used);
  EXPECT_TRUE(household.status(figures) & status::kValveOpen);
}

}  // namespace
}  // namespace meterhub::sim
