#include "gateways.h"

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::office {
namespace {

using namespace std::chrono_literals;
using alarm::Rule;

class GatewaysTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  fleet::test::Town town_{clock_};
  rules::Rules rules_;
  Gateways gateways_;
  alarm::Episodes episodes_{alarm::Policies()};
  base::Timestamp listening_{};

  GatewaysTest() {
    for (const auto* id : {"gw-1", "gw-2"}) EXPECT_TRUE(town_.store->add_gateway("test", {.id = id}));
    EXPECT_TRUE(town_.directory_of_meters.load(*town_.store));
  }
  std::vector<std::string> open(Rule rule) {
    Limits limits(town_.directory_of_meters, rules_);
    gateways_.judge(town_.directory_of_meters, limits, episodes_, clock_.now(), listening_);
    clock_.advance(alarm::default_policy(rule).raise_after);
    gateways_.judge(town_.directory_of_meters, limits, episodes_, clock_.now(), listening_);
    episodes_.tick(clock_.now());
    std::vector<std::string> out;
    alarm::Filter filter;
    filter.rules = {rule};
    for (const auto& episode : episodes_.list(filter, {}, {}).episodes) out.push_back(episode.subject.name);
    return out;
  }
};

TEST_F(GatewaysTest, SilentAreThoseThatWereHeardOnce) {
  gateways_.heard("gw-1", clock_.now());
  EXPECT_TRUE(open(Rule::kSilentGateway).empty());
  clock_.advance(6min);
  EXPECT_EQ(open(Rule::kSilentGateway), std::vector<std::string>{"gw-1"}) << "gw-2 is not installed yet";
}

TEST_F(GatewaysTest, NobodyIsSilentBeforeThePlatformListened) {
  gateways_.heard("gw-1", clock_.now());
  clock_.advance(1h);
  listening_ = clock_.now();
  EXPECT_TRUE(open(Rule::kSilentGateway).empty());
}

TEST_F(GatewaysTest, ADisabledOneIsNotMissed) {
  gateways_.heard("gw-1", clock_.now());
  ASSERT_TRUE(town_.store->set_gateway_enabled("test", "gw-1", false));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  clock_.advance(1h);
  EXPECT_TRUE(open(Rule::kSilentGateway).empty());
}

TEST_F(GatewaysTest, FailuresCountWithinTheirWindow) {
  for (int n = 0; n < 19; ++n) gateways_.undecrypted("gw-1", clock_.now(), 10min);
  EXPECT_EQ(gateways_.undecrypted("gw-1", clock_.now()), 19u);
  clock_.advance(5min);
  gateways_.undecrypted("gw-1", clock_.now(), 10min);
  EXPECT_EQ(gateways_.undecrypted("gw-1", clock_.now()), 20u);
  EXPECT_EQ(gateways_.undecrypted("gw-1", clock_.now() + 6min), 1u);
  EXPECT_EQ(gateways_.undecrypted("gw-1", clock_.now() + 1h), 0u);
  gateways_.undecrypted("gw-1", clock_.now() - 1h, 10min);  // told late
  EXPECT_EQ(gateways_.undecrypted("gw-1", clock_.now()), 20u);
}

TEST_F(GatewaysTest, RemembersWhenTheyWereNotHeard) {
  using fleet::Outage;
  const auto spans = [&](const std::vector<Outage>& outages) {
    std::vector<std::pair<base::Duration, base::Duration>> out;
    for (const auto& outage : outages) out.emplace_back(clock_.now() - outage.from, clock_.now() - outage.to);
    return out;
  };
  gateways_.heard("gw-1", clock_.now());
  gateways_.heard("gw-1", clock_.now() + 5min);
  EXPECT_TRUE(gateways_.outages("gw-1", clock_.now() + 9min).empty());
  gateways_.heard("gw-1", clock_.now() + 15min);
  gateways_.heard("gw-1", clock_.now() + 7min);  // told late
  clock_.advance(30min);
  using Spans = std::vector<std::pair<base::Duration, base::Duration>>;
  EXPECT_EQ(spans(gateways_.outages("gw-1", clock_.now())), (Spans{{25min, 15min}, {15min, 0min}}));
  EXPECT_TRUE(gateways_.outages("gw-2", clock_.now()).empty());
  for (int n = 0; n < 1000; ++n) {
    clock_.advance(6min);
    gateways_.heard("gw-1", clock_.now());
  }
  EXPECT_EQ(gateways_.outages("gw-1", clock_.now()).size(), Gateways::kOutages);
  clock_.advance(49h);
  gateways_.heard("gw-1", clock_.now());
  clock_.advance(1min);
  gateways_.heard("gw-1", clock_.now());
  EXPECT_EQ(gateways_.outages("gw-1", clock_.now()).size(), 1u);
}

TEST_F(GatewaysTest, OfTheDirectoryOnly) {
  for (int n = 0; n < 1000; ++n) gateways_.heard("stranger-" + std::to_string(n), clock_.now());
  gateways_.heard("gw-1", clock_.now());
  open(Rule::kSilentGateway);
  EXPECT_EQ(gateways_.heard_last("stranger-1"), base::Timestamp{});
  EXPECT_NE(gateways_.heard_last("gw-1"), base::Timestamp{});
}

}  // namespace
}  // namespace meterhub::office
