#include <meterhub/alarm/policy_settings.h>

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/temporary_directory.h"

namespace meterhub::alarm {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr base::TenantNumber kGas(3), kOther(4);

base::Result<Policies> read(const std::string& text) {
  base::SettingsTable table;
  declare(table);
  const test::TemporaryDirectory folder;
  const auto path = folder / "alarms.toml";
  std::ofstream(path) << text;
  const auto settings = base::Settings::load(table, {path.string(), {}, {}});
  if (!settings) return std::unexpected(settings.error());
  return read_policies(*settings, [](std::string_view name) -> std::optional<base::TenantNumber> {
    return name == "Gas" ? std::optional(kGas) : std::nullopt;
  });
}

TEST(PolicySettings, AreTheRulesOwnWhereNothingIsSet) {
  const auto policies = read("");
  ASSERT_TRUE(policies) << policies.error().text;
  for (std::size_t place = 0; place < kRules; ++place) {
    const auto rule = static_cast<Rule>(place);
    EXPECT_EQ(policies->of(rule, kGas), default_policy(rule)) << name(rule);
  }
}

// A name mistyped in the reader would give another field's value.
TEST(PolicySettings, EveryFieldHasItsOwn) {
  const auto policies = read(
      "[alarms.rule.leak]\nenabled = false\nseverity = \"info\"\nraise_after = \"1s\"\nraise_count = 2\n"
      "clear_after = \"3s\"\nflap_window = \"4s\"\nlatched = true\n");
  ASSERT_TRUE(policies) << policies.error().text;
  EXPECT_EQ(policies->of(Rule::kLeak, kOther), (Policy{false, Severity::kInfo, 1s, 2, 3s, 4s, true}));
  EXPECT_EQ(policies->of(Rule::kTamper, kOther), default_policy(Rule::kTamper));
}

TEST(PolicySettings, TheMostExactTableWins) {
  const auto policies = read(
      "[alarms]\nclear_after = \"1m\"\n[alarms.rule.leak]\nclear_after = \"2m\"\n"
      "[alarms.tenant.Gas]\nclear_after = \"3m\"\nraise_count = 5\n[alarms.tenant.Gas.rule.leak]\nclear_after = \"4m\"\n");
  ASSERT_TRUE(policies) << policies.error().text;
  EXPECT_EQ(policies->of(Rule::kTamper, kOther).clear_after, 1min);
  EXPECT_EQ(policies->of(Rule::kLeak, kOther).clear_after, 2min);
  EXPECT_EQ(policies->of(Rule::kTamper, kGas).clear_after, 3min);
  EXPECT_EQ(policies->of(Rule::kLeak, kGas).clear_after, 4min);
  EXPECT_EQ(policies->of(Rule::kLeak, kGas).raise_count, 5U);
  EXPECT_EQ(policies->of(Rule::kLeak, kOther).raise_count, default_policy(Rule::kLeak).raise_count);
  EXPECT_EQ(policies->of(Rule::kLeak, kGas).severity, Severity::kEmergency) << "left open everywhere";
}

TEST(PolicySettings, SayWhatIsWrong) {
  EXPECT_THAT(read("[alarms.rule.leek]\nraise_count = 2\n").error().text,
              HasSubstr("there is no such rule; there are low_balance"));
  EXPECT_THAT(read("[alarms.tenant.Gass]\nraise_count = 2\n").error().text, HasSubstr("no such tenant"));
  EXPECT_THAT(read("[alarms.rule.leak]\nseverity = \"bad\"\n").error().text, HasSubstr("emergency"));
  EXPECT_FALSE(read("[alarms.rule.leak]\nflap_window = \"91d\"\n"));
}

}  // namespace
}  // namespace meterhub::alarm
