#include <meterhub/alarm/policy.h>

#include <gtest/gtest.h>

namespace meterhub::alarm {
namespace {

using namespace std::chrono_literals;

TEST(Policy, NamesReadBackAsWhatTheyName) {
  for (std::size_t i = 0; i < kRules; ++i)
    EXPECT_EQ(from_name<Rule>(kRuleNames, name(static_cast<Rule>(i))), static_cast<Rule>(i));
  EXPECT_EQ(name(Rule::kIncomplete), "incomplete");
  EXPECT_EQ(name(Severity::kEmergency), "emergency");
  EXPECT_EQ(name(State::kCleared), "cleared");
  EXPECT_EQ(name(SubjectKind::kTenant), "tenant");
  EXPECT_EQ(from_name<Rule>(kRuleNames, "Leak"), std::nullopt);
}

TEST(Policy, TheDefaultsAreGoodAndTheLatchedOnesAreThoseThatVanishByThemselves) {
  for (std::size_t i = 0; i < kRules; ++i) {
    const auto rule = static_cast<Rule>(i);
    EXPECT_TRUE(check(default_policy(rule))) << name(rule);
    EXPECT_TRUE(default_policy(rule).enabled);
    EXPECT_EQ(default_policy(rule).latched, rule == Rule::kTamper || rule == Rule::kCounterReset) << name(rule);
    EXPECT_EQ(Policies().of(rule, base::TenantNumber(1)), default_policy(rule));
  }
  EXPECT_EQ(default_policy(Rule::kLeak).severity, Severity::kEmergency);
}

TEST(Policy, ATenantsWishGoesOverTheDefaultAlsoWhenThatChanges) {
  Policies policies;
  const base::TenantNumber mine(7), other(8);
  ASSERT_TRUE(policies.set(Rule::kLeak, mine, {.clear_after = 3min}));
  ASSERT_TRUE(policies.set(Rule::kLeak, {.severity = Severity::kInfo, .raise_count = 9}));
  EXPECT_EQ(policies.of(Rule::kLeak, mine),
            (Policy{.severity = Severity::kInfo, .raise_count = 9, .clear_after = 3min}));
  EXPECT_EQ(policies.of(Rule::kLeak, other), (Policy{.severity = Severity::kInfo, .raise_count = 9}));
  EXPECT_EQ(policies.of(Rule::kTamper, mine), default_policy(Rule::kTamper));
}

TEST(Policy, KnowsItsLongestFlapWindow) {
  Policies policies;
  EXPECT_EQ(policies.longest_flap_window(), std::chrono::days(7));
  ASSERT_TRUE(policies.set(Rule::kLeak, base::TenantNumber(1), {.flap_window = std::chrono::days(9)}));
  EXPECT_EQ(policies.longest_flap_window(), std::chrono::days(9));
}

TEST(Policy, RefusesWhatIsOutOfRangeAndChangesNothing) {
  Policies policies;
  EXPECT_FALSE(policies.set(Rule::kLeak, {.raise_after = -1s}));
  EXPECT_FALSE(policies.set(Rule::kLeak, {.flap_window = std::chrono::days(91)}));
  EXPECT_FALSE(policies.set(Rule::kLeak, {.raise_count = 0}));
  EXPECT_FALSE(policies.set(Rule::kLeak, base::TenantNumber(1), {.raise_count = 1'000'001}));
  EXPECT_EQ(policies.of(Rule::kLeak, base::TenantNumber(1)), default_policy(Rule::kLeak));
}

}  // namespace
}  // namespace meterhub::alarm
