#include <meterhub/fleet/tail.h>

#include <gtest/gtest.h>

#include <meterhub/fleet/completeness_survey.h>

#include "town.h"

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;

class FleetTailTest : public testing::Test, public TailListener {
 protected:
  base::ManualClock clock_;
  test::Town town_{clock_};
  FleetState fleet_{20'000};
  std::unique_ptr<FleetTail> tail_;

  void open(TailOptions options = {}) {
    tail_ = std::move(*FleetTail::open(town_.log, town_.directory_of_meters, fleet_, *this, town_.metrics, clock_.now(), options));
  }
  MeterLimits limits_of(const registry::MeterEntry& meter, const registry::Directory::View&) override {
    const bool own = meter.low_limit_litres != INT32_MIN;
    return {.silence = std::chrono::seconds(meter.silence_limit_s),
            .low_litres = own ? meter.low_limit_litres : 5'000,
            .has_own_limit = own,
            .days = &days_,
            .open_day = open_day_};
  }
  void came_after_closing(const AfterClosing& late) override { closed_.emplace_back(late.offset, late.change.from); }
  DayClock days_{*consumption::LocalTime::of("Asia/Shanghai")};
  std::int32_t open_day_ = INT32_MIN;
  std::vector<std::pair<base::Offset, std::optional<Missing>>> closed_;
  // A record of meter 1 as deduplication marked it.
  template <class Mark>
  void put(std::uint32_t fcnt, Mark mark) {
    auto record = town_.record({.meter = 1, .fcnt = fcnt});
    mark(record.properties);
    const auto topic = *town_.log.topic(log::topics::kReadings);
    town_.put({topic, base::partition_of(base::shard_of(MeterNumber(1)), 4)}, record);
    read();
  }
  CountFigures today() {
    return counted_days(fleet_, MeterNumber(1), clock_.now(), {days_, TailListener::outages()}).today;
  }
  void conditions_seen(const Seen& seen) override {
    seen_.push_back({seen.offset, seen.meter.number, seen.before, seen.now});
  }
  struct Told {
    std::optional<base::Offset> offset;
    MeterNumber meter;
    Conditions before, now;
    bool operator==(const Told&) const = default;
  };
  std::vector<Told> seen_;
  void read() {
    while (tail_->read(clock_.now(), clock_.now())) {
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
  EXPECT_EQ(fleet_.state(MeterNumber(2)), MeterState::kOnline) << "as of its record";
  tail_->sweep(100, clock_.now());
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
  EXPECT_FALSE(tail_->read(clock_.now(), clock_.now()));
  for (std::uint32_t round = 2; round <= 1'000; ++round) town_.say({.meter = 1, .fcnt = round});
  EXPECT_TRUE(tail_->read(clock_.now(), clock_.now()));
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
  open();
  town_.say({.meter = 1, .left = 200});
  town_.say({.meter = 2, .left = 200});
  read();
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
  EXPECT_EQ(fleet_.state(MeterNumber(2)), MeterState::kLow);
}

TEST_F(FleetTailTest, TellsConditionsWithTheRecordTheyComeFrom) {
  open();
  town_.say({.meter = 1, .left = 4'000});
  town_.say({.meter = 1, .fcnt = 2, .left = 4'000});
  town_.say({.meter = 1, .fcnt = 3});
  town_.say({.meter = 1, .fcnt = 4});
  read();
  const auto low = bit(Condition::kLowBalance);
  EXPECT_EQ(seen_, (std::vector<Told>{{base::Offset(0), MeterNumber(1), 0, low},
                                      {base::Offset(1), MeterNumber(1), low, low},
                                      {base::Offset(2), MeterNumber(1), low, 0}}));
  seen_.clear();
  clock_.advance(61s);
  tail_->sweep(100, clock_.now());
  tail_->sweep(100, clock_.now());
  EXPECT_EQ(seen_, (std::vector<Told>{{std::nullopt, MeterNumber(1), 0, bit(Condition::kSilent)}}));
  town_.say({.meter = 1, .fcnt = 5});
  read();
  EXPECT_EQ(seen_.back(), (Told{base::Offset(4), MeterNumber(1), bit(Condition::kSilent), 0}));
}

TEST_F(FleetTailTest, NobodyIsSilentBecauseReadingsWait) {
  open();
  town_.say({.meter = 1});
  read();
  clock_.advance(10min);
  tail_->sweep(100, clock_.now() - 10min);  // the connector has come to there
  EXPECT_EQ(fleet_.state(MeterNumber(1)), MeterState::kOnline);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(FleetTailTest, GoesOnWhereASnapshotEnds) {
  for (std::uint32_t n = 1; n <= 5; ++n) town_.say({.meter = 1, .fcnt = n});
  const auto partition = base::partition_of(base::shard_of(MeterNumber(1)), 4);
  TailOptions options;
  options.from.resize(4);
  options.from[partition.value] = base::Offset(3);
  open(options);
  read();
  EXPECT_EQ(fleet_.ring(MeterNumber(1)).size(), 2u);
  options.from[partition.value] = base::Offset(99);  // of another log
  open(options);
  read();
  EXPECT_EQ(fleet_.ring(MeterNumber(1)).size(), 5u);
}

TEST_F(FleetTailTest, CountsByTheMarksOfDeduplication) {
  open();
  const auto plain = [](log::Properties&) {};
  put(1, plain);
  put(5, plain);
  EXPECT_EQ(today().of(Missing::kLost), 3u);
  put(2, [](log::Properties& p) { p.late = true; });
  put(3, [](log::Properties& p) { p.stale = true; });
  put(4, [](log::Properties& p) { p.late = p.redo = true, p.reason = "replay"; });
  EXPECT_EQ(today().received, 3u);
  EXPECT_EQ(today().late, 1u);
  EXPECT_EQ(today().of(Missing::kLost), 2u);
  put(4, [](log::Properties& p) { p.late = p.redo = true, p.reason = "unknown_devaddr"; });
  EXPECT_EQ(today().of(Missing::kLost), 1u) << "it was never there";
  put(6, [](log::Properties& p) { p.undecoded = true; });
  EXPECT_EQ(today().of(Missing::kRejected), 1u);
  put(6, [](log::Properties& p) { p.late = p.redo = true, p.reason = "unknown_profile"; });
  EXPECT_EQ(today().of(Missing::kRejected), 0u);
  EXPECT_EQ(today().received, 5u);
  EXPECT_EQ(today().expected(), 6u);
}

TEST_F(FleetTailTest, TellsWhatComesForAClosedDay) {
  open();
  put(1, [](log::Properties&) {});
  EXPECT_TRUE(closed_.empty());
  open_day_ = days_.number_of(clock_.now()) + 1;
  put(3, [](log::Properties&) {});
  put(2, [](log::Properties& p) { p.late = true; });
  EXPECT_EQ(closed_, (std::vector<std::pair<base::Offset, std::optional<Missing>>>{{base::Offset(1), Missing::kSilent},
                                                                                   {base::Offset(2), Missing::kLost}}));
}

TEST_F(FleetTailTest, WithoutTheLogThereIsNothingToFollow) {
  log::MemoryLog none(clock_);
  const auto tail = FleetTail::open(none, town_.directory_of_meters, fleet_, *this, town_.metrics, clock_.now(), {});
  ASSERT_FALSE(tail);
  EXPECT_EQ(tail.error().code, base::Errc::kNotFound);
}

}  // namespace
}  // namespace meterhub::fleet
