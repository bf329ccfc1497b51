#include <meterhub/consumption/local_time.h>

#include <random>

#include <gtest/gtest.h>

#include <meterhub/base/time_text.h>

namespace meterhub::consumption {
namespace {

base::Timestamp at(const char* text) { return base::parse_rfc3339(text)->at; }

TEST(LocalTime, DaysOfChongqingBeginAtFourInTheAfternoonOfUtc) {
  const auto zone = *LocalTime::of("Asia/Shanghai");
  EXPECT_EQ(zone.begin_of(Period::kDay, at("2026-03-01T15:59:59Z")), at("2026-02-28T16:00:00Z"));
  EXPECT_EQ(zone.begin_of(Period::kDay, at("2026-03-01T16:00:00Z")), at("2026-03-01T16:00:00Z"));
  EXPECT_EQ(zone.begin_of(Period::kMonth, at("2026-03-01T15:59:59Z")), at("2026-02-28T16:00:00Z"));
  EXPECT_EQ(zone.end_of(Period::kMonth, at("2026-02-10T00:00:00Z")), at("2026-02-28T16:00:00Z"));
  EXPECT_EQ(zone.end_of(Period::kHour, at("2026-02-10T00:00:00Z")), at("2026-02-10T01:00:00Z"));
  EXPECT_EQ(zone.begin_of(Period::kFiveMinutes, at("2026-02-10T00:14:59Z")), at("2026-02-10T00:10:00Z"));
}

TEST(LocalTime, DaysMayHave23Or25Hours) {
  const auto zone = *LocalTime::of("Europe/Berlin");
  EXPECT_EQ(zone.edges(Period::kDay, at("2026-03-29T00:00:00Z"), at("2026-03-29T12:00:00Z")),
            (std::vector{at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z")}));
  EXPECT_EQ(zone.edges(Period::kDay, at("2026-10-25T00:00:00Z"), at("2026-10-25T12:00:00Z")),
            (std::vector{at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")}));
}

TEST(LocalTime, KnowsNoZoneThatTheSystemDoesNot) {
  EXPECT_EQ(LocalTime::of("Asia/Chungking/Flat").error().code, base::Errc::kInvalidArgument);
  EXPECT_FALSE(LocalTime::of(""));
}

// Also where clocks are turned at midnight, by half an hour, or a day was skipped.
TEST(LocalTime, EveryInstantIsInOnePeriod) {
  std::mt19937_64 random(3);
  for (const char* const name : {"Asia/Shanghai", "America/Havana", "America/Sao_Paulo", "Asia/Amman", "Australia/Lord_Howe",
                                 "Pacific/Apia", "Asia/Kathmandu", "UTC"}) {
    const auto zone = *LocalTime::of(name);
    for (int i = 0; i < 20'000; ++i) {
      const base::Timestamp time(std::chrono::microseconds(random() % 2'500'000'000'000'000ULL));
      for (const auto period : {Period::kFiveMinutes, Period::kHour, Period::kDay, Period::kMonth}) {
        const auto begin = zone.begin_of(period, time), end = zone.end_of(period, time);
        ASSERT_LE(begin, time) << name;
        ASSERT_GT(end, time) << name << ' ' << base::rfc3339(time);
        ASSERT_EQ(zone.end_of(period, begin), end) << name << ' ' << base::rfc3339(time);
        ASSERT_EQ(zone.begin_of(period, end), end) << name << ' ' << base::rfc3339(time);
      }
    }
  }
}

TEST(LocalTime, ShowsWhatTheClockOnTheWallShows) {
  const auto shanghai = *LocalTime::of("Asia/Shanghai");
  EXPECT_EQ(shanghai.civil(base::parse_rfc3339("2026-01-31T23:05:09Z")->at), (CivilTime{2026, 2, 1, 7, 5, 9}));
}

TEST(LocalTime, FindsTheNextTimeOfTheDayAcrossMidnightAndTurnedClocks) {
  const auto next = [](const char* zone, int minutes, const char* at) {
    return base::rfc3339(LocalTime::of(zone)->next(std::chrono::minutes(minutes), base::parse_rfc3339(at)->at));
  };
  EXPECT_EQ(next("Asia/Shanghai", 7 * 60, "2026-01-31T15:00:00Z"), "2026-01-31T23:00:00Z");
  EXPECT_EQ(next("Asia/Shanghai", 7 * 60, "2026-01-31T23:00:00Z"), "2026-02-01T23:00:00Z") << "later, not now";
  // Berlin: clocks go from 02:00 to 03:00 on 2026-03-29, and back from 03:00 to 02:00 on 2026-10-25.
  EXPECT_EQ(next("Europe/Berlin", 7 * 60, "2026-03-28T22:00:00Z"), "2026-03-29T05:00:00Z");
  EXPECT_EQ(next("Europe/Berlin", 150, "2026-03-28T22:00:00Z"), "2026-03-29T01:00:00Z") << "02:30 is skipped";
  EXPECT_EQ(next("Europe/Berlin", 7 * 60, "2026-10-24T22:00:00Z"), "2026-10-25T06:00:00Z");
}

}  // namespace
}  // namespace meterhub::consumption
