// Tokens of policies on a connection.
#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using test::DeviceClient;

class PolicyTest : public test::HubFixture {
 protected:
  void SetUp() override {
    policies_.put({"device", "", test::rights({Right::kDeviceConnect}), std::string(test::kKey), std::string(test::kOtherKey)});
    start();
  }
  std::string policy_token(std::string_view resource, std::string_view key = test::kKey, std::chrono::seconds life = 1h) {
    return *sas::make_token(resource, key, std::chrono::floor<std::chrono::seconds>(clock_.now()) + life, "device");
  }
  // Shows a token and waits for the answer.
  int show(DeviceClient& client, const std::string& token, const std::string& audience) {
    const auto before = client.statuses.size();
    client.put_token(token, audience);
    EXPECT_TRUE(run_until([&] { return client.statuses.size() > before; }));
    return client.statuses.empty() ? 0 : client.statuses.back();
  }
  void dial(DeviceClient& client) { client.dial(hub_->amqp_addresses().front(), net::test::client_context()); }
};

TEST_F(PolicyTest, ADevicePolicysTokenSendsForItsDevice) {
  DeviceClient client(*loop_);
  dial(client);
  EXPECT_EQ(show(client, policy_token(resource("gw-1")), resource("gw-1")), 200);
  EXPECT_TRUE(hub_->is_connected("gw-1"));
  const auto link = client.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.credit(link) > 0; }));
  client.send_body(link, "x");
  ASSERT_TRUE(run_until([&] { return client.outcomes.size() == 1; }));
  EXPECT_EQ(stored().front().properties.gateway, "gw-1");
}

TEST_F(PolicyTest, ATokenOfTheWholeHubSendsForAnyDeviceThatIsEnabled) {
  DeviceClient client(*loop_);
  dial(client);
  EXPECT_EQ(show(client, policy_token("localhost"), "localhost"), 200);
  EXPECT_FALSE(hub_->is_connected("gw-1"));
  const auto link = client.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.credit(link) > 0; }));
  EXPECT_TRUE(hub_->is_connected("gw-1"));
  const auto unknown = client.attach(telemetry_of("gw-9"));
  ASSERT_TRUE(run_until([&] { return client.detached.contains(unknown); }));
  EXPECT_EQ(client.detached[unknown], "amqp:unauthorized-access");
  gateways_.put({"gw-1", false, std::string(test::kKey), "", {}, {}});
  ASSERT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
  EXPECT_TRUE(client.is_open()) << "the token itself is still good";
  EXPECT_TRUE(run_until([&] { return !hub_->is_connected("gw-1"); }));
}

TEST_F(PolicyTest, AnotherKeyEndsWhatTheOldOneOpenedAtOnce) {
  DeviceClient primary(*loop_);
  DeviceClient secondary(*loop_);
  dial(primary);
  dial(secondary);
  EXPECT_EQ(show(primary, policy_token(resource("gw-1")), resource("gw-1")), 200);
  EXPECT_EQ(show(secondary, policy_token(resource("gw-1"), test::kOtherKey), resource("gw-1")), 200);
  const auto link = primary.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return primary.credit(link) > 0; }));
  policies_.put({"device", "", test::rights({Right::kDeviceConnect}), "bmV3LWtleS1uZXcta2V5LW5ldy1rZXk=", std::string(test::kOtherKey)});
  ASSERT_TRUE(run_until([&] { return primary.detached.contains(link); }));
  EXPECT_EQ(primary.detached[link], "amqp:unauthorized-access");
  pass(2s);
  ASSERT_TRUE(run_until([&] { return primary.closed.has_value(); }));
  EXPECT_FALSE(primary.amqp_closed);
  EXPECT_TRUE(secondary.is_open());
  policies_.remove("", "device");
  EXPECT_TRUE(run_until([&] { return secondary.closed.has_value(); }));
}

TEST_F(PolicyTest, ALinkLivesWhileOneOfSeveralTokensPermitsIt) {
  DeviceClient client(*loop_);
  dial(client);
  EXPECT_EQ(show(client, policy_token("localhost", test::kKey, 30s), "localhost"), 200);
  EXPECT_EQ(show(client, token("gw-1", test::kKey, 60s), resource("gw-1")), 200);
  const auto link = client.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.credit(link) > 0; }));
  pass(40s);
  EXPECT_FALSE(client.detached.contains(link));
  pass(30s);
  ASSERT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
}

TEST_F(PolicyTest, AConnectionShowsAsManyTokensOfPoliciesAsItMayAndNoMore) {
  policies_.put({"root", "*", test::rights({Right::kListen}), std::string(test::kKey), ""});
  DeviceClient client(*loop_);
  dial(client);
  const auto expiry = std::chrono::floor<std::chrono::seconds>(clock_.now()) + 1h;
  for (int n = 0; n <= 512; ++n) {
    const auto name = "sb://localhost/telemetry/" + std::to_string(n);
    ASSERT_EQ(show(client, *sas::make_token(sas::percent_encode(name), test::kKey, expiry, "root"), name), n < 512 ? 200 : 403) << n;
  }
}

}  // namespace
}  // namespace meterhub::hub
