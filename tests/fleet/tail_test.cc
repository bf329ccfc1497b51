#include <meterhub/fleet/tail.h>

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;

class FleetTailTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  test::Town town_{clock_};
  FleetState fleet_{20'000};
  std::unique_ptr<FleetTail> tail_;

  void open(TailOptions options = {}) {
    tail_ = std::move(*FleetTail::open(town_.log, town_.directory_of_meters, fleet_, town_.metrics, clock_.now(), options));
  }
  void read() {
    while (tail_->read(clock_.now())) {
    }
  }
};

TEST_F(FleetTailTest, BeginsTwoHoursBackAndFollows) {
  town_.say({.meter = 1});
  clock_.advance(3h);
  town_.say({.meter = 2});
  clock_.advance(1h);
  open();
  read();
  EXPECT_EQ(fleet_.last(MeterNumber(1)), nullptr);
  EXPECT_NE(fleet_.last(MeterNumber(2)), nullptr);
  EXPECT_EQ(fleet_.state(MeterNumber(2)), MeterState::kSilent);
  town_.say({.meter = 1, .fcnt = 2});
  read();
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
}

TEST_F(FleetTailTest, BeginsNoFurtherBackThanAFewReadingsOfEachMeter) {
  for (std::uint32_t round = 1; round <= 10; ++round) {
    town_.say({.meter = 1, .fcnt = round});
    clock_.advance(30s);
  }
  open({.readings_max = 12, .readings_of_meter = 0});  // three a partition
  read();
  ASSERT_EQ(fleet_.ring(MeterNumber(1)).size(), 3u);
  EXPECT_EQ(fleet_.ring(MeterNumber(1)).front().fcnt, 8u);
  open({.readings_max = 12, .readings_of_meter = 2});  // eight meters: sixteen, four a partition
  read();
  EXPECT_EQ(fleet_.ring(MeterNumber(1)).size(), 4u);
}

TEST_F(FleetTailTest, SaysWhetherABlockWasFull) {
  open();
  town_.say({.meter = 1});
  EXPECT_FALSE(tail_->read(clock_.now()));
  for (std::uint32_t round = 2; round <= 1'000; ++round) town_.say({.meter = 1, .fcnt = round});
  EXPECT_TRUE(tail_->read(clock_.now()));
  read();
  EXPECT_EQ(fleet_.last(MeterNumber(1))->fcnt, 1'000u);
}

TEST_F(FleetTailTest, TheSweepFindsSilenceAndMetersThatWereRemoved) {
  open();
  town_.say({.meter = 1});
  town_.say({.meter = 2});
  read();
  tail_->sweep(100, clock_.now());
  EXPECT_EQ(fleet_.count(MeterState::kOnline), 2u);
  EXPECT_EQ(fleet_.count(MeterState::kNew), 6u);
  clock_.advance(61s);
  ASSERT_TRUE(town_.store->remove_meter("test", base::Eui64(2)));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  for (int n = 0; n < 9; ++n) tail_->sweep(1, clock_.now());
  EXPECT_EQ(fleet_.count(MeterState::kSilent), 1u);
  EXPECT_EQ(fleet_.state(MeterNumber(2)), MeterState::kUnknown);
}

TEST_F(FleetTailTest, ReadingsOfUnknownMetersAreLeftOut) {
  open();
  town_.say({.meter = 77});
  town_.say({.meter = 4'000'000'000});
  read();
  EXPECT_LE(fleet_.end(), 9u);
}

TEST_F(FleetTailTest, LimitsComeFromTheRegistryOrTheOptions) {
  registry::MeterSpec spec;
  spec.eui = base::Eui64(1);
  spec.tenant = "Chongqing Gas";
  spec.low_limit_litres = 100;
  ASSERT_TRUE(town_.store->update_meter("test", spec));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  open({.low_limit_litres = 5'000});
  town_.say({.meter = 1, .left = 200});
  town_.say({.meter = 2, .left = 200});
  read();
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
  EXPECT_EQ(fleet_.state(MeterNumber(2)), MeterState::kLow);
}

TEST_F(FleetTailTest, WithoutTheLogThereIsNothingToFollow) {
  log::MemoryLog none(clock_);
  const auto tail = FleetTail::open(none, town_.directory_of_meters, fleet_, town_.metrics, clock_.now(), {});
  ASSERT_FALSE(tail);
  EXPECT_EQ(tail.error().code, base::Errc::kNotFound);
}

}  // namespace
}  // namespace meterhub::fleet
