#include "places.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "town.h"

namespace meterhub::console {
namespace {

using nlohmann::json;

class PlacesTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  fleet::test::Town town_{clock_, 4};
  fleet::FleetState fleet_{20'000};
  const Caller all_{.actor = "console"};
  const Caller another_{.actor = "api:other", .tenant = base::TenantNumber(2)};
};

TEST_F(PlacesTest, ABuildingListsItsFlatsFloorByFloor) {
  fleet_.heard(base::MeterNumber(2), clock_.now());
  fleet_.judge(base::MeterNumber(2), {}, clock_.now());
  const auto buildings = town_.directory_of_meters.buildings();
  ASSERT_EQ(buildings.size(), 2u);
  EXPECT_EQ(json::parse(building_json(town_.directory_of_meters, fleet_, buildings[0], all_)), json::parse(R"({
    "building": "Tower A", "district": "Yuzhong", "tenant": "Chongqing Gas", "floors": 2, "flats": [
      {"eui": "0000000000000001", "floor": "1", "unit": "101", "state": "new"},
      {"eui": "0000000000000003", "floor": "1", "unit": "103", "state": "new"},
      {"eui": "0000000000000002", "floor": "2", "unit": "102", "state": "online"},
      {"eui": "0000000000000004", "floor": "2", "unit": "104", "state": "new"}]})"));
}

TEST_F(PlacesTest, MetersWithoutABuildingStandUnderAnEmptyName) {
  EXPECT_EQ(unplaced_json(town_.directory_of_meters, fleet_, all_), "");
  town_.add_meter("", "", "", std::chrono::seconds(60));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  const auto place = json::parse(unplaced_json(town_.directory_of_meters, fleet_, all_));
  EXPECT_EQ(place["building"], "");
  ASSERT_EQ(place["flats"].size(), 1u);
  EXPECT_EQ(place["flats"][0]["eui"], "0000000000000009");
}

TEST_F(PlacesTest, AnUnknownMeterIsNotFound) {
  EXPECT_EQ(meter_json(town_.directory_of_meters, fleet_, base::Eui64(99), all_).error().code, base::Errc::kNotFound);
}

TEST_F(PlacesTest, AMeterNeverHeardHasNoLastReading) {
  const auto meter = json::parse(*meter_json(town_.directory_of_meters, fleet_, base::Eui64(5), all_) + "}");
  EXPECT_EQ(meter, json::parse(R"({"eui": "0000000000000005", "number": 5, "tenant": "Chongqing Gas", "district": "Yuzhong",
    "building": "Tower B", "floor": "1", "unit": "101", "profile": "v1", "state": "new", "last": null})"));
}

TEST_F(PlacesTest, AnotherTenantsMetersAreNotThere) {
  const auto& directory = town_.directory_of_meters;
  const auto hidden = meter_json(directory, fleet_, base::Eui64(5), another_);
  ASSERT_FALSE(hidden);
  EXPECT_EQ(hidden.error().code, base::Errc::kNotFound);
  EXPECT_EQ(hidden.error().text, "the registry has no meter 0000000000000005") << "as one that does not exist";
  EXPECT_EQ(json::parse(building_json(directory, fleet_, directory.buildings()[0], another_))["flats"], json::array());
  town_.add_meter("", "", "", std::chrono::seconds(60));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  EXPECT_EQ(unplaced_json(directory, fleet_, another_), "");
}

TEST(NaturalLess, CountsNumbersInsideAsNumbers) {
  std::vector<std::string_view> texts{"10", "9", "B1", "1", "B2", "", "10A", "010", "B10"};
  std::ranges::stable_sort(texts, natural_less);
  EXPECT_THAT(texts, testing::ElementsAre("", "B1", "B2", "B10", "1", "9", "10", "010", "10A"));
}

}  // namespace
}  // namespace meterhub::console
