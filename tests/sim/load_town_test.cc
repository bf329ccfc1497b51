#include <meterhub/sim/load_town.h>

#include <set>

#include <gtest/gtest.h>

namespace meterhub::sim {
namespace {

TEST(LoadTown, GivesEveryMeterToOneGateway) {
  const auto town = LoadTown::create(1'003, 7).value();
  EXPECT_EQ(town.first_meter(0), 0U);
  EXPECT_EQ(town.first_meter(7), 1'003U);
  for (std::uint32_t g = 0; g < 7; ++g) EXPECT_LT(town.first_meter(g), town.first_meter(g + 1));
}

TEST(LoadTown, KnowsItsMetersByEui) {
  const auto town = LoadTown::create(1'000, 10).value();
  std::set<base::Eui64> euis;
  for (std::uint32_t i = 0; i < town.meters(); ++i) {
    EXPECT_EQ(town.index_of(town.meter(i).eui), i);
    euis.insert(town.meter(i).eui);
  }
  EXPECT_EQ(euis.size(), town.meters());
  EXPECT_EQ(town.index_of(base::Eui64(town.meter(999).eui.value + 1)), std::nullopt);
  EXPECT_EQ(town.index_of(base::Eui64(7)), std::nullopt);
}

TEST(LoadTown, HasAFewMetersThatRunLow) {
  const auto town = LoadTown::create(10'000, 10).value();
  int low = 0;
  for (std::uint32_t i = 0; i < town.meters(); ++i) {
    const auto figures = town.figures(i, 3);
    EXPECT_EQ(figures.bought, figures.used + static_cast<std::uint32_t>(figures.left));
    low += figures.left < 5'000 ? 1 : 0;
  }
  EXPECT_GT(low, 50);
  EXPECT_LT(low, 200);
}

TEST(LoadTown, RefusesSizesThatMakeNoTown) {
  EXPECT_FALSE(LoadTown::create(0, 1));
  EXPECT_FALSE(LoadTown::create(10, 0));
  EXPECT_FALSE(LoadTown::create(10, 11));
  EXPECT_FALSE(LoadTown::create(kTownMetersMax + 1, 1));
}

}  // namespace
}  // namespace meterhub::sim
