#include <meterhub/rules/thresholds.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/temporary_directory.h"

namespace meterhub::rules {
namespace {

using testing::ElementsAre;

base::Settings settings(const std::string& text) {
  base::SettingsTable table;
  declare(table);
  const test::TemporaryDirectory folder;
  const auto path = folder / "rules.toml";
  std::ofstream(path) << text;
  auto loaded = base::Settings::load(table, {path.string(), {}, {}});
  EXPECT_TRUE(loaded) << loaded.error().text;
  return std::move(*loaded);
}

TEST(Thresholds, AreThoseOfTheStructWhereNothingIsSet) {
  EXPECT_EQ(Rules(settings("")).of("anybody", "v1"), Thresholds{});
  EXPECT_EQ(Rules().of("anybody", "v1"), Thresholds{});
}

TEST(Thresholds, AreReadByTenantAndModel) {
  const Rules rules(settings(
      "[rules]\nlow_limit_litres = 1\n[rules.tenant.A]\nlow_limit_litres = 2\nsilence_gateway = \"1h\"\n"
      "[rules.model.g4]\nbattery_mask = 0x0100\nlow_limit_litres = 3\n[rules.tenant.A.model.g4]\nlow_limit_litres = 4\n"));
  EXPECT_EQ(rules.of("B", "v1").low_limit_litres, 1);
  EXPECT_EQ(rules.of("A", "v1").low_limit_litres, 2);
  EXPECT_EQ(rules.of("B", "g4").low_limit_litres, 3);
  EXPECT_EQ(rules.of("A", "g4").low_limit_litres, 4);
  EXPECT_EQ(rules.of("A", "g4").battery_mask, 0x100u);
  EXPECT_EQ(rules.of("A", "v1").battery_mask, 1u);
  EXPECT_EQ(rules.of("A", "g4").silence_gateway, std::chrono::hours(1));
  EXPECT_EQ(rules.of("", ""), rules.of("B", "v1"));
  EXPECT_THAT(rules.tenants(), ElementsAre("A"));
  EXPECT_THAT(rules.models(), ElementsAre("g4"));
}

// A name mistyped in read() would give another setting's value, or end the process.
TEST(Thresholds, EveryOneHasItsOwnSetting) {
  const Rules rules(settings(
      "[rules]\nlow_limit_litres = 1\nown_limit = false\nsilence_meter = \"12s\"\nsilence_gateway = \"13s\"\n"
      "leak_duration = \"14m\"\nleak_step_litres = 1.5\nnight_litres = 6\ntamper_tolerance_litres = 7\nspike_factor = 8\n"
      "spike_floor_litres = 9\nflow_max = 10\nstuck_counter = \"11h\"\ndecrypt_failures = 12\ndecrypt_window = \"13m\"\n"
      "completeness_target = 14\nbattery_mask = 15\nvalve_mask = 16\ntamper_mask = 17\nsensor_mask = 18\n"));
  using namespace std::chrono_literals;
  EXPECT_EQ(rules.of("A", "v1"), (Thresholds{1, false, 12s, 13s, 14min, 1.5, 6, 7, 8, 9, 10, 11h, 12, 13min, 14, 15, 16, 17, 18}));
}

TEST(Thresholds, LetTheRegistryStateAMetersOwn) {
  Thresholds some;
  EXPECT_EQ(low_limit_of(some, 700), 700);
  EXPECT_EQ(low_limit_of(some, {}), 5'000);
  some.own_limit = false;
  EXPECT_EQ(low_limit_of(some, 700), 5'000);
  EXPECT_EQ(silence_of(some, std::chrono::hours(1)), std::chrono::hours(1));
  EXPECT_EQ(silence_of(some, std::chrono::seconds(0)), std::chrono::minutes(5));
}

}  // namespace
}  // namespace meterhub::rules
