// The arithmetic of a rule that `bench pipeline --add-rule` adds, and how it is shown.
#include "bench/rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bench/report.h"

namespace meterhub::app::bench {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr base::Timestamp kRequested{1'000s};

TEST(RuleTimes, IsNotLiveBeforeTheRowOfAPacketThatWasSentAfterTheRequest) {
  RuleTimes times(kRequested);
  times.add(kRequested - 1us, kRequested + 200ms);
  EXPECT_FALSE(times.live());
  EXPECT_EQ(times.latencies().count(), 0U);
}

TEST(RuleTimes, IsLiveWithTheFirstSuchRowCountedFromTheRequest) {
  RuleTimes times(kRequested);
  times.add(kRequested - 5s, kRequested + 300ms);
  times.add(kRequested + 100ms, kRequested + 400ms);
  times.add(kRequested, kRequested + 900ms);
  EXPECT_EQ(times.live(), 400ms);
  EXPECT_EQ(times.latencies().count(), 2U);
}

TEST(RuleTimes, LatencyIsFromThePacketToItsRow) {
  RuleTimes times(kRequested);
  for (int i = 1; i <= 100; ++i) times.add(kRequested + i * 1s, kRequested + i * 1s + i * 1ms);
  EXPECT_EQ(times.latencies().max(), 100ms);
  // Classes are 1.6 % wide.
  EXPECT_GE(times.latencies().percentile(0.5), 50ms);
  EXPECT_LE(times.latencies().percentile(0.5), 51ms);
  EXPECT_GE(times.latencies().percentile(0.99), 99ms);
}

TEST(RuleShare, IsAboutTwoMetersInAHundred) {
  const auto town = sim::LoadTown::create(20'000, 10);
  ASSERT_TRUE(town);
  EXPECT_NEAR(rule_share(*town), 0.02, 0.004);
}

TEST(RuleReport, ShowsTheRuleOnlyWhereOneWasAdded) {
  Report report;
  EXPECT_THAT(report.text(), Not(HasSubstr("added rule")));
  EXPECT_FALSE(nlohmann::json::parse(report.json()).contains("added_rule"));
  report.rule = AddedRuleFigures{0.02, 35ms, 420ms, {40, 80ms, 90ms, 95ms}, {41, 0, 0}};
  EXPECT_THAT(report.text(), HasSubstr("added rule   live after 0.42 s; answered after 35 ms; 2.00 % of the meters, 41 rows; missing 0 duplicate 0"));
  const auto shown = nlohmann::json::parse(report.json())["added_rule"];
  EXPECT_EQ(shown["live_ms"], 420);
  EXPECT_EQ(shown["row"]["p99_ms"], 90);
  EXPECT_TRUE(report.clean());
}

TEST(RuleReport, RowsThatAreMissingOrThereTwiceSpoilTheRun) {
  Report report;
  report.rule = AddedRuleFigures{0.02, 35ms, {}, {}, {41, 1, 0}};
  EXPECT_FALSE(report.clean());
  report.rule->comparison = {41, 0, 1};
  EXPECT_FALSE(report.clean());
  EXPECT_THAT(report.text(), HasSubstr("no row of a packet after it"));
  EXPECT_TRUE(nlohmann::json::parse(report.json())["added_rule"]["live_ms"].is_null());
}

}  // namespace
}  // namespace meterhub::app::bench
