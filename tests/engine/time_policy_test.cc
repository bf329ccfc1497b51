#include "time_policy.h"

#include <gtest/gtest.h>

namespace meterhub::engine {
namespace {

constexpr Ticks minutes(int n) { return n * 60 * sql::kTicksPerSecond; }
constexpr Ticks at(int hour, int minute) { return minutes(hour * 60 + minute); }

// stream-sql 5.3, the published example: late 5 min, out of order 2 min, adjust.
TEST(TimePolicy, FollowsThePublishedExample) {
  struct Step {
    Ticks event;
    Ticks arrival;
    Ticks time;
    bool dropped;
  };
  const sql::TimePolicy policy{minutes(5), minutes(2), sql::DisorderAction::kAdjust};
  TimePolicyState state;
  int number = 0;
  for (const auto& step : {Step{at(12, 7), at(12, 7), at(12, 7), false}, Step{at(12, 8), at(12, 8), at(12, 8), false},
                           Step{at(12, 17), at(12, 11), 0, true}, Step{at(12, 8), at(12, 13), at(12, 8), false},
                           Step{at(12, 19), at(12, 16), at(12, 19), false}, Step{at(12, 12), at(12, 17), at(12, 17), false},
                           Step{at(12, 17), at(12, 18), at(12, 17), false}, Step{at(12, 20), at(12, 19), at(12, 20), false},
                           Step{at(12, 16), at(12, 21), at(12, 18), false}, Step{at(12, 23), at(12, 22), at(12, 23), false},
                           Step{at(12, 22), at(12, 24), at(12, 22), false}, Step{at(12, 21), at(12, 27), at(12, 22), false}}) {
    const auto verdict = state.judge(step.event, step.arrival, policy);
    ++number;
    EXPECT_EQ(verdict.dropped, step.dropped) << "event " << number;
    if (!step.dropped) {
      EXPECT_EQ(verdict.time, step.time) << "event " << number;
    }
  }
}

TEST(TimePolicy, DropsInsteadOfAdjustingWhenToldTo) {
  const sql::TimePolicy policy{minutes(5), 0, sql::DisorderAction::kDrop};
  TimePolicyState state;
  EXPECT_FALSE(state.judge(at(12, 10), at(12, 10), policy).dropped);
  EXPECT_EQ(state.judge(at(12, 9), at(12, 10), policy).reason, DropReason::kOutOfOrder);
  EXPECT_EQ(state.judge(at(12, 4), at(12, 10), policy).reason, DropReason::kLate);
  EXPECT_EQ(state.newest(), at(12, 10));
}

TEST(TimePolicy, WithoutArrivalNothingIsEarlyOrLate) {
  TimePolicyState state;
  EXPECT_EQ(state.judge(at(23, 0), std::nullopt, {}).reason, std::nullopt);
}

}  // namespace
}  // namespace meterhub::engine
