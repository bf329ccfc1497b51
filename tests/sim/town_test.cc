#include <meterhub/sim/town.h>

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/sim/registry_files.h>

namespace meterhub::sim {
namespace {

TEST(Town, OfAThousandMetersHasSomeFiveBuildingsAndGateways) {
  const auto town = make_town({.seed = 0xFFFF'FFFF});
  ASSERT_TRUE(town);
  EXPECT_EQ(town->meters.size(), 1'000u);
  EXPECT_THAT(town->buildings.size(), testing::AllOf(testing::Ge(5u), testing::Le(8u)));
  EXPECT_GE(town->gateways.size(), town->buildings.size());
  std::set<std::uint64_t> euis;
  for (const auto& meter : town->meters) euis.insert(meter.eui.value);
  for (const auto& gateway : town->gateways) euis.insert(gateway.eui.value);
  EXPECT_EQ(euis.size(), town->meters.size() + town->gateways.size());
}

TEST(Town, IsTheSameForTheSameSeedAlone) {
  const auto text = [](std::uint64_t seed) { return meters_csv(*make_town({.seed = seed, .meters = 50})); };
  EXPECT_EQ(text(7), text(7));
  EXPECT_NE(text(7), text(8));
}

TEST(Town, RefusesSizesThatMakeNoSense) {
  EXPECT_FALSE(make_town({.meters = 0}));
  EXPECT_FALSE(make_town({.meters = 10, .otaa_meters = 11}));
  EXPECT_FALSE(make_town({.meters = kTownMetersMax + 1}));
}

TEST(RegistryFiles, HoldEveryMeterWithItsKeys) {
  const auto town = make_town({.meters = 3, .otaa_meters = 1});
  ASSERT_TRUE(town);
  base::MemoryDisk disk;
  ASSERT_TRUE(write_registry_files(*town, "hub.example:5671", disk, "fleet"));
  const auto meters = disk.read("fleet/meters.csv");
  ASSERT_TRUE(meters);
  EXPECT_EQ(std::ranges::count(*meters, '\n'), 4);
  const auto columns = std::ranges::count(meters->substr(0, meters->find('\n')), ',');
  EXPECT_EQ(std::ranges::count(*meters, ','), 4 * columns);
  for (const auto& meter : town->meters) EXPECT_THAT(*meters, testing::HasSubstr(meter.eui.text()));
  EXPECT_THAT(gateways_csv(*town, {.ns_plugin = "xor"}), testing::HasSubstr(",Demo Gas,xor,"));
  EXPECT_THAT(*disk.read("fleet/gateways.txt"),
              testing::HasSubstr("HostName=hub.example:5671;DeviceId=gw-00001;SharedAccessKey="));
}

}  // namespace
}  // namespace meterhub::sim
