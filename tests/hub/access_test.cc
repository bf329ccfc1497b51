#include "access.h"

#include <gtest/gtest.h>

#include <meterhub/sas/token.h>

#include "memory_gateways.h"

namespace meterhub::hub {
namespace {

constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";
// spec/azure-amqp.md 3.3
constexpr std::string_view kToken =
    "SharedAccessSignature sr=hub.example.test%2Fdevices%2Fgw-0001"
    "&sig=uZwWVci74tCA9JW5l50DTPCvBO4GznK%2BvOjcTKcI%2BM4%3D&se=1767225600";
constexpr std::string_view kAudience = "hub.example.test%2Fdevices%2Fgw-0001";
const base::Timestamp kBefore(std::chrono::seconds(1767225600 - 60));

class AccessTest : public ::testing::Test {
 protected:
  test::MemoryGateways gateways_;
  void SetUp() override { gateways_.put({"gw-0001", true, std::string(kKey), "", {}, {}}); }
  std::string reason(std::string_view token, std::string_view audience = kAudience, base::Timestamp now = kBefore,
                     std::vector<std::string> hosts = {}) {
    const auto claim = check_token(token, audience, gateways_, hosts, now);
    return claim ? "" : std::string(claim.error().reason);
  }
};

TEST_F(AccessTest, TakesATokenOfTheDeviceUntilItsExpiryAndSkew) {
  EXPECT_EQ(reason(kToken), "");
  EXPECT_EQ(reason(kToken, kAudience, kBefore + std::chrono::seconds(64)), "");
  EXPECT_EQ(reason(kToken, kAudience, kBefore + std::chrono::seconds(66)), "expired");
}

TEST_F(AccessTest, TakesTheSecondaryKeyToo) {
  gateways_.put({"gw-0001", true, "YW5vdGhlci1rZXk=", std::string(kKey), {}, {}});
  EXPECT_EQ(reason(kToken), "");
}

TEST_F(AccessTest, RefusesWithTheReason) {
  EXPECT_EQ(reason("SharedAccessSignature sr=x"), "malformed");
  EXPECT_EQ(reason(kToken, "hub.example.test%2Fdevices%2Fgw-0002"), "audience");
  EXPECT_EQ(reason(kToken, kAudience, kBefore, {"other.example"}), "host");
  EXPECT_EQ(reason(kToken, kAudience, kBefore, {"hub.example.test"}), "");
  gateways_.put({"gw-0001", false, std::string(kKey), "", {}, {}});
  EXPECT_EQ(reason(kToken), "disabled");
  gateways_.put({"gw-0001", true, "YW5vdGhlci1rZXk=", "", {}, {}});
  EXPECT_EQ(reason(kToken), "signature");
  gateways_.remove("gw-0001");
  EXPECT_EQ(reason(kToken), "unknown");
}

TEST_F(AccessTest, AHubTokenOpensNothingHere) {
  const auto policy = sas::make_token("hub.example.test", kKey, std::chrono::sys_seconds(std::chrono::seconds(1767225600)), "device");
  EXPECT_EQ(reason(*policy, "hub.example.test"), "not_a_device");
}

TEST_F(AccessTest, ADeviceWithoutKeysCannotConnect) {
  gateways_.put({"gw-0001", true, "", "", {}, {}});
  EXPECT_EQ(reason(kToken), "signature");
}

TEST(StillGood, FollowsTheGateway) {
  const Claim claim{"g", "k1", {}};
  const Gateway same{"g", true, "k1", "k2", {}, {}};
  const Gateway moved{"g", true, "k0", "k1", {}, {}};
  const Gateway other{"g", true, "k2", "k3", {}, {}};
  const Gateway disabled{"g", false, "k1", "k2", {}, {}};
  EXPECT_TRUE(still_good(claim, &same));
  EXPECT_TRUE(still_good(claim, &moved));
  EXPECT_FALSE(still_good(claim, &other));
  EXPECT_FALSE(still_good(claim, &disabled));
  EXPECT_FALSE(still_good(claim, nullptr));
}

TEST(LinkAddress, IsReadWithAndWithoutSlashOrPrefix) {
  for (const auto* text : {"/devices/d 1/messages/events", "devices/d 1/messages/events",
                           "amqps://h:5671/devices/d 1/messages/events"}) {
    const auto address = parse_link_address(text);
    EXPECT_EQ(address.node, Node::kTelemetry) << text;
    EXPECT_EQ(address.gateway, "d 1") << text;
  }
  EXPECT_EQ(parse_link_address("$cbs").node, Node::kCbs);
  EXPECT_EQ(parse_link_address("/devices/d/messages/devicebound").node, Node::kOtherOfDevice);
  EXPECT_EQ(parse_link_address("/devices/d/modules/m/messages/events").node, Node::kOtherOfDevice);
  for (const auto* text : {"", "/", "devices//messages/events", "devices/d", "messages/events", "amqps://h"})
    EXPECT_EQ(parse_link_address(text).node, Node::kUnknown) << text;
}

}  // namespace
}  // namespace meterhub::hub
