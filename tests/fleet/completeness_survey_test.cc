#include <meterhub/fleet/completeness_survey.h>

#include <gtest/gtest.h>

#include "followed_fleet.h"

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;

class NoOutages final : public GatewayOutages {
 public:
  std::span<const Outage> outages(std::uint16_t, base::Timestamp) const override { return {}; }
};

class CompletenessSurveyTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  test::Town town_{clock_};
  test::FollowedFleet fleet_{executor_, town_};
  NoOutages outages_;

  std::vector<CountedArea> areas() {
    CountedAreas sum;
    {
      const auto view = town_.directory_of_meters.view();
      for (std::uint32_t n = 1; n <= town_.directory_of_meters.highest_meter().value; ++n) {
        if (const auto* const meter = view.meter(MeterNumber(n))) {
          sum.add(*meter, fleet_.state.counted(meter->number).gateway,
                  counted_days(fleet_.state, meter->number, clock_.now(), {fleet_.days, outages_}));
        }
      }
    }
    return sum.areas(town_.directory_of_meters, fleet_.state.gateways());
  }
  const CountedArea* find(const std::vector<CountedArea>& areas, AreaKind kind, std::string_view name) {
    for (const auto& area : areas) {
      if (area.kind == kind && (area.gateway == name || area.building == name || (kind >= AreaKind::kDistrict)))
        return &area;
    }
    return nullptr;
  }
};

TEST_F(CompletenessSurveyTest, AreasAreTheSumsOfTheirMeters) {
  town_.add_meter("", "", "", 60s);
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  const auto say = [&](std::uint32_t meter, std::uint32_t fcnt, const char* gateway) {
    auto record = town_.record({.meter = meter, .fcnt = fcnt});
    record.properties.gateway = gateway;
    const auto topic = *town_.log.topic(log::topics::kReadings);
    town_.put({topic, base::partition_of(base::shard_of(MeterNumber(meter)), 4)}, record);
  };
  say(1, 1, "gw-a");
  say(6, 1, "gw-a");
  say(9, 1, "gw-b");
  clock_.advance(90s);
  say(1, 4, "gw-b");
  say(6, 3, "gw-a");
  fleet_.look();
  const auto found = areas();
  const auto* const tower = find(found, AreaKind::kBuilding, "Tower A");
  ASSERT_NE(tower, nullptr);
  EXPECT_EQ(tower->figures.today.received, 2u);
  EXPECT_EQ(tower->figures.today.of(Missing::kLost), 2u);
  EXPECT_EQ(find(found, AreaKind::kDistrict, "")->figures.today.expected(), 7u);
  EXPECT_EQ(find(found, AreaKind::kTenant, "")->figures.today.expected(), 8u) << "with the meter that has no building";
  EXPECT_EQ(find(found, AreaKind::kTenant, "")->figures.yesterday, CountFigures());
  EXPECT_EQ(find(found, AreaKind::kGateway, "gw-a")->figures.today.expected(), 3u);
  EXPECT_EQ(find(found, AreaKind::kGateway, "gw-b")->figures.today.expected(), 5u)
      << "all of a meter whose newest it brought";
}

TEST(GatewayNumbersTest, AreGivenOutOnce) {
  GatewayNumbers numbers;
  EXPECT_EQ(numbers.number(""), 0);
  const auto a = numbers.number("gw-a"), b = numbers.number("gw-b");
  EXPECT_NE(a, b);
  EXPECT_EQ(numbers.number("gw-a"), a);
  EXPECT_EQ(numbers.id(b), "gw-b");
  EXPECT_EQ(numbers.id(77), "");
  for (int n = 0; n < 70'000; ++n) numbers.number(std::to_string(n));
  EXPECT_EQ(numbers.end(), 65'536u);
  EXPECT_EQ(numbers.number("one too many"), 0);
  EXPECT_EQ(numbers.number("gw-a"), a);
}

}  // namespace
}  // namespace meterhub::fleet
