#include <gmock/gmock.h>

#include "made_readings.h"

namespace meterhub::consumption {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::pair<StepKind, Litres>> told(const std::vector<Step>& steps) {
  std::vector<std::pair<StepKind, Litres>> out;
  for (const auto& step : steps) out.emplace_back(step.kind, step.used);
  return out;
}
auto step(StepKind kind, Litres used) { return std::pair(kind, used); }

TEST(Steps, AreDifferencesOfTheCounter) {
  const std::vector readings{reading(0, 100), reading(30, 103), reading(60, 103)};
  EXPECT_THAT(told(steps_of(readings, {})), ElementsAre(step(StepKind::kMeasured, 3), step(StepKind::kMeasured, 0)));
  EXPECT_THAT(steps_of({}, {}), IsEmpty());
  EXPECT_THAT(steps_of(std::vector{reading(0, 1)}, {}), IsEmpty());
}

TEST(Steps, DoNotCareForOrderOrRepetition) {
  const std::vector readings{reading(60, 109), reading(0, 100), reading(30, 103), reading(60, 109), reading(0, 100)};
  EXPECT_THAT(told(steps_of(readings, {})), ElementsAre(step(StepKind::kMeasured, 3), step(StepKind::kMeasured, 6)));
}

TEST(Steps, BridgeGaps) {
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 100), reading(300, 110), reading(601, 120)}, {})),
              ElementsAre(step(StepKind::kMeasured, 10), step(StepKind::kBridged, 10)));
}

// A meter that was given a new battery counts its frames anew; its gas counter goes on, or begins at zero too.
TEST(Steps, GoOnOverARestartOfTheFrameCounter) {
  auto later = reading(30, 101, 1);
  later.fcnt = 0;
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 100), later}, {})), ElementsAre(step(StepKind::kMeasured, 1)));
  later.counter = 2;
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 100), later}, {})), ElementsAre(step(StepKind::kReset, 2)));
}

TEST(Steps, TellRollOverFromResetAndFromACounterThatRunsBackwards) {
  Rules rules;
  rules.capacity = 1'000'000;
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 999'990), reading(30, 5)}, rules)), ElementsAre(step(StepKind::kRollOver, 15)));
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 999'990), reading(30, 5)}, {})), ElementsAre(step(StepKind::kReset, 5)));
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 500'000), reading(30, 5)}, rules)), ElementsAre(step(StepKind::kReset, 5)));
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 500'000), reading(30, 499'000)}, rules)), ElementsAre(step(StepKind::kReverse, -1'000)));
}

// 16 m3/h are 400 litres in a minute and a half: 30 s, and a minute of grace.
TEST(Steps, BelieveARestartAtZeroOnlyAsFarAsGasCanFlow) {
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 500), reading(30, 400)}, {})), ElementsAre(step(StepKind::kReset, 400)));
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 500), reading(30, 401)}, {})), ElementsAre(step(StepKind::kReverse, -99)));
}

// Of a gateway an hour ahead, and of one that is behind: their packets say how much, not when.
TEST(Steps, LeaveOutReadingsWhoseClocksContradictTheirCounters) {
  auto ahead = reading(30, 110);
  ahead.at = second(3'630);
  auto behind = reading(90, 130);
  behind.at = second(-500);
  const auto steps = steps_of(std::vector{reading(0, 100), ahead, reading(60, 120), behind, reading(120, 140)}, {});
  EXPECT_THAT(told(steps), ElementsAre(step(StepKind::kMeasured, 20), step(StepKind::kMeasured, 20)));
  EXPECT_EQ(steps[0].from.at, second(0));
  EXPECT_EQ(steps[1].to.at, second(120));
}

// Packets of one second do not contradict each other.
TEST(Steps, KeepReadingsOfOneTime) {
  auto same = reading(31, 104);
  same.at = second(30);
  auto wrong = reading(40, 106);
  wrong.at = second(-50);
  EXPECT_THAT(told(steps_of(std::vector{reading(0, 100), reading(30, 103), same, wrong}, {})),
              ElementsAre(step(StepKind::kMeasured, 3), step(StepKind::kMeasured, 1)));
}

TEST(Steps, FollowMetersThatHungInOnePlaceOneAfterTheOther) {
  const std::vector readings{reading(0, 5'000), reading(30, 5'010), reading(600, 3, 0, 7), reading(630, 9, 0, 7)};
  EXPECT_THAT(told(steps_of(readings, {})),
              ElementsAre(step(StepKind::kMeasured, 10), step(StepKind::kExchange, 0), step(StepKind::kMeasured, 6)));
  const std::vector<Exchange> notes{{base::MeterNumber(1), {}, 5'012}, {base::MeterNumber(7), 1, {}}};
  EXPECT_THAT(told(steps_of(readings, {}, notes)),
              ElementsAre(step(StepKind::kMeasured, 10), step(StepKind::kExchange, 4), step(StepKind::kMeasured, 6)));
}

TEST(Steps, OfMetersExchangedTwiceADayAndOfOnesThatOverlap) {
  const std::vector readings{reading(0, 100), reading(30, 101), reading(60, 10, 0, 2), reading(90, 12, 0, 2), reading(45, 105),
                             reading(120, 70, 0, 3), reading(150, 77, 0, 3), reading(100, 110)};
  Litres sum = 0;
  for (const auto& one : steps_of(readings, {})) sum += one.used;
  // The first meter's to its last reading, at 100 s; the second's are all before that; the third's from 120 s on.
  EXPECT_EQ(sum, 10 + 7);
  EXPECT_THAT(steps_of(readings, {}), SizeIs(5));
}

TEST(Steps, HaveNames) {
  EXPECT_EQ(name(StepKind::kRollOver), "roll_over");
  EXPECT_EQ(name(StepKind::kExchange), "exchange");
}

}  // namespace
}  // namespace meterhub::consumption
