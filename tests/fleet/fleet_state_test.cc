#include <meterhub/fleet/fleet_state.h>

#include <gmock/gmock.h>

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;

const base::Timestamp kNow{std::chrono::hours(480'000)};

class FleetStateTest : public testing::Test {
 protected:
  FleetState fleet_{20'000};
  MeterLimits limits_{60s, 5'000};

  static Reading reading(std::uint32_t fcnt, std::int64_t used, std::int64_t left = 100'000, std::uint32_t status = 4) {
    Reading out;
    out.session = 1;
    out.fcnt = fcnt;
    out.used = used;
    out.left = left;
    out.status = status;
    out.has_status = true;
    return out;
  }
  void say(std::uint32_t meter, const Reading& reading, base::Timestamp at = kNow, base::Timestamp now = kNow) {
    fleet_.put(MeterNumber(meter), reading, at, now);
    fleet_.heard(MeterNumber(meter), at);
    fleet_.judge(MeterNumber(meter), limits_, now);
  }
  MeterState state_after(base::Timestamp now, std::uint32_t meter = 1) {
    fleet_.judge(MeterNumber(meter), limits_, now);
    return fleet_.state(MeterNumber(meter));
  }
  double flowed() const {
    double out = 0;
    for (const auto& point : fleet_.flow().points(100, kNow + 5min)) out += point.litres;
    return out;
  }
};

TEST_F(FleetStateTest, AMeterThatWasNeverHeardIsNew) { EXPECT_EQ(state_after(kNow), MeterState::kNew); }

TEST_F(FleetStateTest, TheGravestStateWins) {
  say(1, reading(1, 0));
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
  say(1, reading(2, 0, 4'999));
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kLow);
  say(1, reading(3, 0, -100, 0x0002u));
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kClosed);
  EXPECT_EQ(state_after(kNow + 61s), MeterState::kSilent);
  say(1, reading(4, 0, -100, 0x0002u | 0x0008u), kNow + 61s, kNow + 61s);
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kFaulty);
  EXPECT_EQ(state_after(kNow + 1h), MeterState::kFaulty);
}

TEST_F(FleetStateTest, SilenceBeginsAfterTheLimitAndEndsWithAReading) {
  say(1, reading(1, 0));
  EXPECT_EQ(state_after(kNow + 60s), MeterState::kOnline);
  EXPECT_EQ(state_after(kNow + 60s + 1us), MeterState::kSilent);
  say(1, reading(2, 0), kNow + 70s, kNow + 70s);
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
}

TEST_F(FleetStateTest, AnUndecodedReadingIsHeardAndSaysNothing) {
  say(1, reading(1, 0, 1'000));
  fleet_.heard(MeterNumber(1), kNow + 50s);
  EXPECT_EQ(state_after(kNow + 100s), MeterState::kLow);
}

TEST_F(FleetStateTest, CountsEachMeterOnceInItsState) {
  say(1, reading(1, 0));
  say(2, reading(1, 0, 0));
  say(3, reading(1, 0, 0));
  fleet_.forget(MeterNumber(3));
  EXPECT_EQ(fleet_.count(MeterState::kOnline), 1u);
  EXPECT_EQ(fleet_.count(MeterState::kLow), 1u);
  EXPECT_EQ(fleet_.last(MeterNumber(3)), nullptr);
}

TEST_F(FleetStateTest, ALateReadingChangesNeitherTheLastNorTheFlow) {
  say(1, reading(5, 1'000));
  say(1, reading(7, 1'030), kNow + 60s, kNow + 60s);
  say(1, reading(6, 1'020), kNow + 30s, kNow + 90s);
  EXPECT_EQ(fleet_.last(MeterNumber(1))->fcnt, 7u);
  EXPECT_NEAR(flowed(), 30, 1e-6);
  std::vector<std::uint32_t> kept;
  for (const auto& one : fleet_.ring(MeterNumber(1))) kept.push_back(one.fcnt);
  EXPECT_THAT(kept, testing::ElementsAre(5, 6, 7));
}

TEST_F(FleetStateTest, ResetsAndStepsBackAreNoFlow) {
  say(1, reading(1, 1'000));
  say(1, reading(2, 400), kNow + 30s, kNow + 30s);
  auto reset = reading(0, 5'000);
  reset.generation = 1;
  say(1, reset, kNow + 60s, kNow + 60s);
  EXPECT_EQ(flowed(), 0);
  auto next = reading(1, 5'010);
  next.generation = 1;
  say(1, next, kNow + 90s, kNow + 90s);
  EXPECT_NEAR(flowed(), 10, 1e-6);
}

TEST_F(FleetStateTest, ARejoinGoesOnWithTheSameRegister) {
  say(1, reading(900, 1'000));
  auto joined = reading(0, 1'008);
  joined.session = 2;
  say(1, joined, kNow + 30s, kNow + 30s);
  EXPECT_NEAR(flowed(), 8, 1e-6);
}

TEST_F(FleetStateTest, AReadingDecodedAgainReplacesItself) {
  say(1, reading(1, 1'000));
  say(1, reading(1, 2'000), kNow, kNow + 10s);
  EXPECT_EQ(fleet_.last(MeterNumber(1))->used, 2'000);
  EXPECT_EQ(fleet_.ring(MeterNumber(1)).size(), 1u);
  EXPECT_EQ(flowed(), 0);
}

TEST_F(FleetStateTest, TheRingHoldsTheNewestFifty) {
  for (std::uint32_t n = 1; n <= 60; ++n) say(1, reading(n, n));
  say(1, reading(3, 3));  // older than all that is kept
  const auto ring = fleet_.ring(MeterNumber(1));
  ASSERT_EQ(ring.size(), FleetState::kRing);
  EXPECT_EQ(ring.front().fcnt, 11u);
  EXPECT_EQ(ring.back().fcnt, 60u);
}

TEST_F(FleetStateTest, ALargeFleetKeepsNoRings) {
  say(1, reading(1, 1));
  EXPECT_TRUE(fleet_.keeps_rings());
  say(20'001, reading(1, 1));
  EXPECT_FALSE(fleet_.keeps_rings());
  EXPECT_TRUE(fleet_.ring(MeterNumber(1)).empty());
  EXPECT_NE(fleet_.last(MeterNumber(1)), nullptr);
}

TEST_F(FleetStateTest, ChangesAreToldOnceWithTheirLastState) {
  say(1, reading(1, 0));
  say(1, reading(2, 0, 0));
  say(2, reading(1, 0));
  using Change = FleetState::Change;
  EXPECT_THAT(fleet_.take_changes(10), testing::UnorderedElementsAre(Change(MeterNumber(1), MeterState::kLow),
                                                                     Change(MeterNumber(2), MeterState::kOnline)));
  EXPECT_TRUE(fleet_.take_changes(10).empty());
  say(2, reading(2, 0));
  EXPECT_TRUE(fleet_.take_changes(10).empty());
}

TEST_F(FleetStateTest, ChangesBeyondTheLimitFollow) {
  for (std::uint32_t n = 1; n <= 5; ++n) say(n, reading(1, 0));
  EXPECT_EQ(fleet_.take_changes(3).size(), 3u);
  EXPECT_EQ(fleet_.take_changes(3).size(), 2u);
}

}  // namespace
}  // namespace meterhub::fleet
