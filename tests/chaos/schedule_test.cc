#include "schedule.h"

#include <algorithm>
#include <ranges>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meterhub::chaos {
namespace {

using testing::HasSubstr;

SchedulePlan plan(std::uint64_t seed, Form form, std::string_view faults = "") { return {seed, form, 50, *parse_faults(faults)}; }

std::vector<std::string> texts(const std::vector<Step>& steps) {
  std::vector<std::string> out;
  for (const auto& step : steps) out.push_back(step.text() + " " + std::to_string(step.pause.count()));
  return out;
}

std::ptrdiff_t count(const std::vector<Step>& steps, Fault fault) { return std::ranges::count(steps, fault, &Step::fault); }

TEST(Schedule, IsTheSameForTheSameSeed) {
  EXPECT_EQ(texts(make_schedule(plan(7, Form::kBeside))), texts(make_schedule(plan(7, Form::kBeside))));
  EXPECT_NE(texts(make_schedule(plan(7, Form::kBeside))), texts(make_schedule(plan(8, Form::kBeside))));
}

TEST(Schedule, EndsWithTheLastKillThatCounts) {
  const auto steps = make_schedule(plan(7, Form::kBeside));
  const auto counts = [](const Step& step) { return step.fault == Fault::kKill && step.target != Target::kGateways; };
  EXPECT_EQ(std::ranges::count_if(steps, counts), 50);
  EXPECT_TRUE(counts(steps.back()));
}

TEST(Schedule, DrawsEveryFaultAskedForAndNoOther) {
  const auto steps = make_schedule(plan(7, Form::kBeside, "kill,torn,clock"));
  EXPECT_GT(count(steps, Fault::kTorn), 0);
  EXPECT_GT(count(steps, Fault::kClock), 0);
  EXPECT_EQ(count(steps, Fault::kKill) + count(steps, Fault::kTorn) + count(steps, Fault::kClock), std::ssize(steps));
}

TEST(Schedule, TouchesNoNetworkServerWhereThereIsNone) {
  for (const auto& step : make_schedule(plan(7, Form::kInside))) {
    EXPECT_TRUE(step.target == Target::kPlatform || step.target == Target::kGateways) << step.text();
    EXPECT_TRUE(step.fault != Fault::kLoss5 && step.fault != Fault::kLoss30) << step.text();
  }
}

TEST(Schedule, GivesStepsWithoutKillsToo) { EXPECT_EQ(make_schedule(plan(7, Form::kInside, "torn")).size(), 50U); }

TEST(Faults, NamesWhatItDoesNotKnow) {
  const auto faults = parse_faults("kill,fire");
  ASSERT_FALSE(faults);
  EXPECT_THAT(faults.error().text, HasSubstr("\"fire\""));
  EXPECT_THAT(faults.error().text, HasSubstr("full-disk"));
}

}  // namespace
}  // namespace meterhub::chaos
