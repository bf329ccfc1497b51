#include <meterhub/fleet/flow.h>

#include <gmock/gmock.h>

#include <numeric>

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;

const base::Timestamp kNow{std::chrono::hours(480'000)};

std::vector<double> litres(const FlowMinutes& flow, std::int64_t minutes, base::Timestamp now = kNow) {
  std::vector<double> out;
  for (const auto& point : flow.points(minutes, now)) out.push_back(point.litres);
  return out;
}

TEST(FlowMinutes, SpreadsAStepOverTheMinutesItTook) {
  FlowMinutes flow;
  flow.add(kNow - 10min - 30s, kNow - 8min - 30s, 12, kNow);
  EXPECT_THAT(litres(flow, 60), testing::ElementsAre(testing::DoubleNear(3, 1e-9), testing::DoubleNear(6, 1e-9),
                                                     testing::DoubleNear(3, 1e-9), 0, 0, 0, 0, 0, 0, 0));
}

TEST(FlowMinutes, AStepThatTookNoTimeIsItsMinutes) {
  FlowMinutes flow;
  flow.add(kNow - 2min, kNow - 2min, 5, kNow);
  flow.add(kNow - 1min, kNow - 2min, 1, kNow);  // a clock that went back
  EXPECT_THAT(litres(flow, 60), testing::ElementsAre(6));
}

TEST(FlowMinutes, ShowsAMinuteOnlyWhenItsReadingsHaveCome) {
  FlowMinutes flow;
  flow.add(kNow - 1min, kNow - 1s, 5, kNow);
  EXPECT_TRUE(litres(flow, 60).empty());
  EXPECT_EQ(litres(flow, 60, kNow + 60s).size(), 1u);
}

TEST(FlowMinutes, ForgetsAfterTwoHours) {
  FlowMinutes flow;
  flow.add(kNow - 119min, kNow - 118min, 5, kNow);
  EXPECT_EQ(litres(flow, 119).front(), 5);
  flow.add(kNow + 30min, kNow + 31min, 7, kNow + 31min);
  const auto later = litres(flow, 119, kNow + 33min);
  EXPECT_EQ(std::accumulate(later.begin(), later.end(), 0.0), 7);
}

TEST(FlowMinutes, TheFutureAndTheDistantPastCountNothing) {
  FlowMinutes flow;
  flow.add(kNow + 24h, kNow + 25h, 5, kNow);
  flow.add(kNow - 26h, kNow - 25h, 5, kNow);
  EXPECT_TRUE(litres(flow, 119, kNow).empty());
  flow.add(kNow - 241min, kNow - 1min, 240, kNow);  // a step over an outage: its share of two hours
  const auto known = litres(flow, 119, kNow);
  EXPECT_NEAR(known.front(), 1, 1e-9);
}

}  // namespace
}  // namespace meterhub::fleet
