// Conditions and gas used by day, against src/consumption over all readings.
#include <meterhub/fleet/watch.h>

#include <gtest/gtest.h>

#include <random>

#include <meterhub/base/time_text.h>
#include <meterhub/consumption/consumption.h>

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::Timestamp;

Timestamp at(std::string_view text) { return base::parse_rfc3339(text)->at; }
DayClock days_of(std::string_view zone) { return DayClock(*consumption::LocalTime::of(zone)); }

class WatchTest : public testing::Test {
 protected:
  DayClock days_ = days_of("Asia/Shanghai");
  rules::Thresholds thresholds_;
  MeterLimits limits_{.low_litres = 5'000, .thresholds = &thresholds_, .days = &days_};
  MeterWatch watch_;
  Reading last_;
  Timestamp last_at_{};
  Timestamp now_ = at("2026-11-20T02:00:00Z");
  Conditions conditions_ = 0;

  // The next reading, `after` the one before it; bought - left - used is 0 unless said.
  Conditions say(std::int64_t used, base::Duration after = 30s, std::int64_t left = 50'000, std::uint32_t status = 4) {
    Reading next = last_;
    ++next.fcnt;
    next.session = 1;
    next.used = used;
    next.left = left;
    next.bought = used + left;
    next.status = status;
    next.has_status = true;
    return say(next, after);
  }
  Conditions say(const Reading& next, base::Duration after = 30s) {
    const bool first = last_at_ == Timestamp{};
    now_ += after;
    const auto conditions = take_reading(watch_, first ? nullptr : &last_, first ? now_ : last_at_, next, now_, limits_);
    watch_.conditions = conditions;
    last_ = next;
    last_at_ = now_;
    return conditions;
  }
  static bool has(Conditions conditions, Condition condition) { return (conditions & bit(condition)) != 0; }
};

TEST_F(WatchTest, BalancesAreJudgedByTheTenantsLimitAndByTheMetersOwn) {
  limits_.low_litres = 10'000;
  limits_.has_own_limit = true;
  EXPECT_EQ(say(100, 30s, 10'000), 0);
  EXPECT_EQ(say(100, 30s, 9'999), bit(Condition::kOwnLimit));
  EXPECT_EQ(say(100, 30s, 4'999), bit(Condition::kOwnLimit) | bit(Condition::kLowBalance));
  limits_.has_own_limit = false;
  EXPECT_EQ(say(100, 30s, 4'999), bit(Condition::kLowBalance));
  auto next = last_;
  next.left = 80'000;  // topped up
  next.bought = 80'100;
  EXPECT_EQ(say(next), 0);
}

TEST_F(WatchTest, StatusBitsAreThoseOfTheModel) {
  EXPECT_EQ(say(0, 30s, 50'000, 4 | 1), bit(Condition::kBatteryLow));
  EXPECT_EQ(say(0, 30s, 50'000, 4 | 8), bit(Condition::kTamper));
  EXPECT_EQ(say(0, 30s, 50'000, 4 | 16), bit(Condition::kSensorFault));
  EXPECT_EQ(say(0, 30s, 50'000, 2), bit(Condition::kValveClosed));
  thresholds_.battery_mask = 0x100;
  thresholds_.valve_mask = 0;
  EXPECT_EQ(say(0, 30s, 50'000, 2), 0);
  EXPECT_EQ(say(0, 30s, 50'000, 0x100), bit(Condition::kBatteryLow));
  auto next = last_;
  next.has_status = false;
  ++next.fcnt;
  EXPECT_EQ(say(next), 0);
}

TEST_F(WatchTest, FiguresThatCannotBeRightAreTamper) {
  say(1'000);
  auto next = last_;
  ++next.fcnt;
  next.bought += 2;
  EXPECT_EQ(say(next), bit(Condition::kTamper));
  next.bought -= 1;  // one litre of rounding
  ++next.fcnt;
  EXPECT_EQ(say(next), 0);
  next.left += 1'000;  // without a purchase
  next.used -= 999;
  ++next.fcnt;
  EXPECT_TRUE(has(say(next), Condition::kTamper));
}

TEST_F(WatchTest, GasThatFlowsForTwoHoursWithoutAPauseIsALeak) {
  std::int64_t used = 1'000;
  say(used);
  // 20 litres an hour: one every three minutes, six packets.
  int raised = -1;
  for (int n = 1; n <= 6 * 60 && raised < 0; ++n)
    if (has(say(used += n % 6 == 0 ? 1 : 0), Condition::kLeak)) raised = n;
  // From the first litre on, at the first one two hours later.
  EXPECT_EQ(raised, 6 + 240);
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(has(say(used), Condition::kLeak)) << n;
  EXPECT_FALSE(has(say(used), Condition::kLeak)) << "ten minutes and more without a litre";
}

TEST_F(WatchTest, CookingAllDayWithPausesIsNone) {
  std::int64_t used = 1'000;
  for (int n = 0; n < 24 * 120; ++n) {
    const bool burns = n % 120 < 80;  // forty minutes of each hour
    EXPECT_FALSE(has(say(used += burns ? 3 : 0), Condition::kLeak)) << n;
  }
}

TEST_F(WatchTest, MoreThanTheMetersMaximumIsHighFlow) {
  say(1'000);
  EXPECT_EQ(say(1'050), 0);                              // 6 m3/h
  EXPECT_EQ(say(1'101), bit(Condition::kHighFlow));      // 6.12
  EXPECT_EQ(watch_.flow, 6'120u);
  EXPECT_EQ(say(1'152, 60s), 0);                         // a packet was lost
}

TEST_F(WatchTest, ACounterThatStandsForThirtyDaysIsStuck) {
  say(1'000);
  EXPECT_EQ(say(1'000, 30 * 24h), 0);
  EXPECT_EQ(say(1'000), bit(Condition::kStuck));
  EXPECT_EQ(say(1'001), 0);
}

TEST_F(WatchTest, ACounterThatFellRunsBackOrBeganAgain) {
  say(500'000);
  EXPECT_EQ(say(499'000), bit(Condition::kReverse));
  EXPECT_EQ(say(499'010), 0);
  auto next = last_;
  next.generation = 1;
  next.fcnt = 0;
  next.used = 3;
  next.bought = next.left + 3;
  EXPECT_EQ(say(next), bit(Condition::kCounterReset));
  EXPECT_EQ(watch_.used_on(days_.number_of(now_)), 3 + 10 - 1'000);
}

TEST_F(WatchTest, DaysAreLocal) {
  now_ = at("2026-11-20T15:58:30Z");
  say(1'000);  // 23:59 in Chongqing
  const auto today = days_.number_of(now_);
  say(1'005, 60s);  // midnight itself is still today
  say(1'012);
  EXPECT_EQ(days_.number_of(now_), today + 1);
  EXPECT_EQ(watch_.used_on(today), 5);
  EXPECT_EQ(watch_.used_on(today + 1), 7);
  EXPECT_EQ(days_.begin_of(today + 1), at("2026-11-20T16:00:00Z"));
}

TEST_F(WatchTest, WhatWasUsedWhileNothingWasHeardIsSpread) {
  now_ = at("2026-11-20T04:00:00Z") - 30s;
  say(0);
  say(2'400, 24h);  // noon to noon
  const auto today = days_.number_of(now_);
  EXPECT_EQ(watch_.used_on(today - 1), 1'200);
  EXPECT_EQ(watch_.used_on(today), 1'200);
}

TEST_F(WatchTest, OldDaysAreForgotten) {
  say(0);
  const auto first = days_.number_of(now_);
  say(10);
  now_ += 7 * 24h;
  auto next = last_;
  ++next.fcnt;
  last_at_ = now_;
  say(next);
  EXPECT_EQ(watch_.used_on(first), 10);
  now_ += 24h;
  last_at_ = now_;
  ++next.fcnt;
  say(next);
  EXPECT_EQ(watch_.used_on(first), 0);
  EXPECT_EQ(watch_.used_on(first + 100), 0);
}

// The sums of whole days are those of consumption::figures over all readings.
TEST_F(WatchTest, DaysAreThoseOfConsumptionOverRandomMeters) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    watch_ = {};
    last_ = {};
    last_at_ = {};
    const auto begin = at("2026-03-01T00:00:00Z") + std::chrono::minutes(random() % 1440);
    now_ = begin;
    std::vector<consumption::Reading> readings;
    std::int64_t used = 100'000;
    const int count = 2 + static_cast<int>(random() % 60);
    for (int n = 0; n < count; ++n) {
      const auto pause = random() % 8 == 0 ? base::Duration(std::chrono::seconds(random() % 200'000)) : base::Duration(30s);
      used = random() % 30 == 0 ? static_cast<std::int64_t>(random() % 50) : used + static_cast<std::int64_t>(random() % 40);
      say(used, pause + 1s);
      readings.push_back({base::MeterNumber(1), base::SessionNumber(1), base::Generation(0), last_.fcnt, now_, used});
    }
    const auto steps = consumption::steps_of(readings, {});
    const auto today = days_.number_of(now_ - base::Duration(1));
    for (std::int32_t back = 0; back < kDaysKept; ++back) {
      const std::vector edges{days_.begin_of(today - back), days_.begin_of(today - back + 1)};
      EXPECT_EQ(watch_.used_on(today - back), consumption::figures(steps, edges).front().used) << seed << " " << back;
    }
  }
}

TEST(DayClockTest, NumbersRiseByOneAtEachMidnightWhateverTheClocks) {
  for (const auto* zone : {"Asia/Shanghai", "UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Kiritimati",
                           "Pacific/Pago_Pago", "Asia/Kolkata", "Pacific/Apia"}) {
    auto days = days_of(zone);
    const auto time = *consumption::LocalTime::of(zone);
    auto begin = time.begin_of(consumption::Period::kDay, at("2012-02-01T12:00:00Z"));
    auto number = days.number_of(begin);
    for (int n = 0; n < 5'500; ++n) {
      const auto next = time.end_of(consumption::Period::kDay, begin);
      ASSERT_EQ(days.number_of(next - base::Duration(1)), number) << zone << " " << base::rfc3339(begin);
      ASSERT_EQ(days.number_of(next), number + 1) << zone << " " << base::rfc3339(next);
      ASSERT_EQ(days.begin_of(number), begin) << zone;
      begin = next;
      ++number;
    }
    // It is the date's own number.
    EXPECT_EQ(number - days.number_of(at("2012-02-01T12:00:00Z")), 5'500);
  }
  EXPECT_EQ(days_of("UTC").number_of(at("1970-01-11T23:00:00Z")), 10);
  EXPECT_EQ(days_of("Asia/Shanghai").number_of(at("1970-01-11T17:00:00Z")), 11);
  EXPECT_EQ(days_of("America/New_York").number_of(at("1970-01-11T03:00:00Z")), 9);
}

}  // namespace
}  // namespace meterhub::fleet
