#include "access.h"

#include <gtest/gtest.h>

#include <meterhub/sas/token.h>

#include "memory_gateways.h"
#include "memory_policies.h"

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
  test::MemoryPolicies policies_;
  void SetUp() override { gateways_.put({"gw-0001", true, std::string(kKey), "", {}, {}}); }
  Access access(std::vector<std::string> hosts = {}) const {
    return {gateways_, policies_, std::move(hosts), {"telemetry", "readings", "flows"}};
  }
  std::string reason(std::string_view token, std::string_view audience = kAudience, base::Timestamp now = kBefore,
                     std::vector<std::string> hosts = {}) {
    const auto claim = access(std::move(hosts)).check_token(token, audience, now);
    return claim ? "" : std::string(claim.error().reason);
  }
  std::string plain(std::string_view user, std::string_view password, std::vector<std::string> hosts = {}) {
    const auto claims = access(std::move(hosts)).check_plain(user, password, kBefore);
    return claims ? "" : std::string(claims.error().reason);
  }
  void policy(const std::string& scope, const std::string& name, std::initializer_list<Right> rights, std::string_view key = kKey) {
    policies_.put({name, scope, test::rights(rights), std::string(key), ""});
  }
  // A policy's token; what its claim permits.
  bool may(std::string_view resource, std::string_view policy, std::string_view link, std::string_view audience = {}) {
    const auto token = sas::make_token(sas::percent_encode(resource), kKey, std::chrono::sys_seconds(std::chrono::seconds(1767225600)), policy);
    const auto claim = access().check_token(*token, audience.empty() ? resource : audience, kBefore);
    EXPECT_TRUE(claim) << claim.error().text;
    return claim && permits(*claim, parse_link_address(link));
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

TEST_F(AccessTest, ATokenOfAPolicyThatDoesNotExistOpensNothing) {
  const auto expiry = std::chrono::sys_seconds(std::chrono::seconds(1767225600));
  const auto token = sas::make_token("hub.example.test", kKey, expiry, "device");
  EXPECT_EQ(reason(*token, "hub.example.test"), "unknown_policy");
  policy("", "device", {Right::kDeviceConnect}, "YW5vdGhlci1rZXktYW5vdGhlci1rZXk=");
  EXPECT_EQ(reason(*token, "hub.example.test"), "signature");
  policy("", "device", {Right::kDeviceConnect});
  EXPECT_EQ(reason(*token, "hub.example.test"), "");
  EXPECT_EQ(reason(*token, "other.example.test"), "audience");
  EXPECT_EQ(reason(*sas::make_token("hub.example.test", kKey, expiry), "hub.example.test"), "not_a_device");
}

TEST_F(AccessTest, TakesTheTokensOfTheSpecificationInBothForms) {
  // spec/azure-amqp.md 3.3: the key's bytes sign for the hub, its text for an event hub.
  policy("", "iothubowner", {Right::kServiceConnect});
  policy("", "service", {Right::kServiceConnect});
  EXPECT_EQ(reason("SharedAccessSignature sr=hub.example.test&sig=mHq1FtY2LWcCf1segTlXCY%2BVuD7J0fh1PBEPnj9yQ6k%3D&se=1767225600&skn=iothubowner",
                   "hub.example.test"), "");
  EXPECT_EQ(reason("SharedAccessSignature sr=sb%3A%2F%2Fhub.example.test%2Fmeters&sig=edvKKBx4DUigk%2FJJXiVpMAu43Rly3rpVuuGvl2Enmmk%3D&se=1767225600&skn=service",
                   "sb://hub.example.test/meters/ConsumerGroups/$Default/Partitions/0"), "");
}

TEST_F(AccessTest, APolicyActsForADeviceThatIsThereAndEnabled) {
  policy("", "device", {Right::kDeviceConnect});
  policy("", "service", {Right::kServiceConnect});
  const std::string own = "h/devices/gw-0001";
  EXPECT_TRUE(may(own, "device", "/devices/gw-0001/messages/events"));
  EXPECT_FALSE(may(own, "device", "/devices/gw-0002/messages/events"));
  EXPECT_TRUE(may("h", "device", "/devices/gw-0001/messages/events", own));
  EXPECT_FALSE(may("h", "device", "/devices/gw-0002/messages/events", own)) << "the claim is for what was asked";
  EXPECT_TRUE(may("h", "device", "/devices/gw-0002/messages/events"));
  EXPECT_FALSE(may("h", "device", "messages/events/ConsumerGroups/$Default/Partitions/0"));
  const auto expiry = std::chrono::sys_seconds(std::chrono::seconds(1767225600));
  EXPECT_EQ(reason(*sas::make_token("h%2Fdevices%2Fgw-0001", kKey, expiry, "service"), "h/devices/gw-0001"), "rights");
  EXPECT_EQ(reason(*sas::make_token("h%2Fdevices%2Fgw-9", kKey, expiry, "device"), "h/devices/gw-9"), "unknown");
  gateways_.put({"gw-0001", false, std::string(kKey), "", {}, {}});
  EXPECT_EQ(reason(*sas::make_token("h%2Fdevices%2Fgw-0001", kKey, expiry, "device"), "h/devices/gw-0001"), "disabled");
}

TEST_F(AccessTest, RightsOfTheHubOpenTheBuiltInEventHubOnlyAndOnlyToRead) {
  policy("", "service", {Right::kServiceConnect});
  policy("", "iothubowner", {Right::kRegistryRead, Right::kRegistryWrite, Right::kServiceConnect, Right::kDeviceConnect});
  for (const auto* name : {"service", "iothubowner"}) {
    for (const auto* link : {"telemetry/ConsumerGroups/$Default/Partitions/0", "Telemetry/consumergroups/x/partitions/1",
                             "messages/events/ConsumerGroups/$Default/Partitions/0", "$management", "messages/events/$management"}) {
      EXPECT_TRUE(may("sb://h/telemetry", name, link)) << link;
      EXPECT_TRUE(may("h", name, link)) << link;
    }
    for (const auto* link : {"telemetry", "telemetry/Partitions/0", "messages/events", "readings/ConsumerGroups/$Default/Partitions/0",
                             "readings/$management", "readings"})
      EXPECT_FALSE(may("h", name, link)) << link;
  }
}

TEST_F(AccessTest, RightsOfAnEventHubHoldWithinTheirScopeAndTheTokensPath) {
  policy("flows", "reader", {Right::kListen});
  policy("flows", "writer", {Right::kSend});
  policy("*", "root", {Right::kListen, Right::kSend, Right::kManage});
  const std::string partition = "flows/ConsumerGroups/$Default/Partitions/1";
  EXPECT_TRUE(may("sb://h/flows", "reader", partition));
  EXPECT_TRUE(may("sb://h/FLOWS/", "reader", partition));
  EXPECT_TRUE(may("sb://h/flows", "reader", "$management"));
  EXPECT_FALSE(may("sb://h/flows", "reader", "flows"));
  EXPECT_FALSE(may("sb://h/flows", "writer", partition));
  EXPECT_TRUE(may("sb://h/flows", "writer", "flows/Partitions/1"));
  EXPECT_TRUE(may("sb://h/flows", "writer", "flows/$management")) << "a producer asks for the partitions";
  EXPECT_TRUE(may("sb://h/flows/Partitions/1", "writer", "flows/Partitions/1"));
  EXPECT_FALSE(may("sb://h/flows/Partitions/1", "writer", "flows/Partitions/10"));
  EXPECT_FALSE(may("sb://h/flows/Partitions/1", "writer", "flows"));
  EXPECT_TRUE(may("sb://h/", "root", partition));
  EXPECT_TRUE(may("sb://h/", "root", "readings/ConsumerGroups/$Default/Partitions/1"));
  EXPECT_FALSE(may("sb://h/flows", "root", "readings/ConsumerGroups/$Default/Partitions/1"));
  EXPECT_FALSE(may("sb://h/flowsandmore", "root", partition));
  EXPECT_FALSE(may("sb://h/flows", "root", "/devices/gw-0001/messages/events"));
}

TEST_F(AccessTest, OnlyServiceConnectOfTheWholeHubSendsToDevicesAndHearsFeedback) {
  policy("", "service", {Right::kServiceConnect});
  policy("", "device", {Right::kDeviceConnect});
  policy("", "iothubowner", {Right::kServiceConnect, Right::kDeviceConnect});
  policy("*", "root", {Right::kListen, Right::kSend, Right::kManage});
  for (const auto* link : {"/messages/devicebound", "/messages/serviceBound/feedback"}) {
    EXPECT_TRUE(may("h", "service", link)) << link;
    EXPECT_TRUE(may("h", "iothubowner", link)) << link;
    EXPECT_FALSE(may("h", "device", link)) << link;
    EXPECT_FALSE(may("sb://h/telemetry", "service", link)) << link;
    EXPECT_FALSE(may("h/devices/gw-0001", "iothubowner", link)) << link;
    EXPECT_FALSE(may("sb://h/", "root", link)) << link;
  }
  const auto* own = "/devices/gw-0001/messages/devicebound";
  EXPECT_TRUE(may("h", "device", own));
  EXPECT_TRUE(may("h/devices/gw-0001", "device", own));
  EXPECT_FALSE(may("h/devices/gw-0001", "device", "/devices/gw-0002/messages/devicebound"));
  EXPECT_FALSE(may("h", "service", own));
  const auto claim = access().check_token(kToken, kAudience, kBefore);
  EXPECT_TRUE(permits(*claim, parse_link_address(own)));
  EXPECT_FALSE(permits(*claim, parse_link_address("/devices/gw-0002/messages/devicebound")));
}

TEST_F(AccessTest, OfPoliciesOfOneNameTheOneThatSignedCounts) {
  policy("flows", "reader", {Right::kListen}, "YW5vdGhlci1rZXktYW5vdGhlci1rZXk=");
  policy("*", "reader", {Right::kSend});
  EXPECT_FALSE(may("sb://h/flows", "reader", "flows/ConsumerGroups/$Default/Partitions/1"));
  EXPECT_TRUE(may("sb://h/flows", "reader", "flows"));
}

TEST_F(AccessTest, ADevicesTokenOpensNeitherEventsNorManagement) {
  const auto claim = access().check_token(kToken, kAudience, kBefore);
  ASSERT_TRUE(claim);
  for (const auto* link : {"telemetry/ConsumerGroups/$Default/Partitions/0", "messages/events/ConsumerGroups/$Default/Partitions/0",
                           "$management", "telemetry", "readings/ConsumerGroups/$Default/Partitions/0", "/devices/gw-0002/messages/events"})
    EXPECT_FALSE(permits(*claim, parse_link_address(link))) << link;
}

TEST_F(AccessTest, PlainTakesATokenOfTheUserThatItNames) {
  EXPECT_EQ(plain("gw-0001@sas.hub", kToken, {"hub.example.test"}), "");
  EXPECT_EQ(plain("gw-0001@sas.hub.example.test", kToken, {"hub.example.test"}), "");
  EXPECT_EQ(plain("gw-0001@sas.any", kToken), "");
  EXPECT_EQ(plain("gw-0001@sas.other", kToken, {"hub.example.test"}), "user");
  EXPECT_EQ(plain("gw-0002@sas.hub", kToken), "user");
  EXPECT_EQ(plain("gw-0001", kToken), "user");
  EXPECT_EQ(plain("gw-0001@sas.", kToken), "user");
  policy("", "service", {Right::kServiceConnect});
  const auto token = *sas::make_token("hub.example.test", kKey, std::chrono::sys_seconds(std::chrono::seconds(1767225600)), "service");
  EXPECT_EQ(plain("service@sas.root.hub", token), "");
  EXPECT_EQ(plain("service@sas.hub", token), "user");
  EXPECT_EQ(plain("iothubowner@sas.root.hub", token), "user");
  EXPECT_EQ(plain("service@sas.root.hub", "SharedAccessSignature sr=hub.example.test"), "malformed");
}

TEST_F(AccessTest, PlainTakesTheKeyOfAPolicyAndNotOfADevice) {
  policy("flows", "reader", {Right::kListen});
  policy("", "service", {Right::kServiceConnect});
  const auto claims = access().check_plain("reader", kKey, kBefore);
  ASSERT_TRUE(claims);
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_TRUE(permits(claims->front(), parse_link_address("flows/ConsumerGroups/$Default/Partitions/1")));
  EXPECT_FALSE(permits(claims->front(), parse_link_address("telemetry/ConsumerGroups/$Default/Partitions/1")));
  EXPECT_EQ(plain("service", kKey), "");
  for (const auto* key : {"", "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk", "wrong"}) EXPECT_EQ(plain("reader", key), "plain");
  EXPECT_EQ(plain("", ""), "plain");
  EXPECT_EQ(plain("gw-0001", kKey), "plain");
}

TEST_F(AccessTest, ADeviceWithoutKeysCannotConnect) {
  gateways_.put({"gw-0001", true, "", "", {}, {}});
  EXPECT_EQ(reason(kToken), "signature");
}

TEST(StillGood, FollowsTheGateway) {
  const Claim claim{.gateway = "g", .key = "k1"};
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
  EXPECT_EQ(parse_link_address("/devices/d/messages/devicebound").node, Node::kDevicebound);
  EXPECT_EQ(parse_link_address("/devices/d/twin").node, Node::kNotOffered);
  EXPECT_EQ(parse_link_address("/devices/d/methods/devicebound").node, Node::kNotOffered);
  EXPECT_EQ(parse_link_address("/devices/d/twins").node, Node::kOtherOfDevice);
  EXPECT_EQ(parse_link_address("amqps://hub/messages/deviceBound").node, Node::kServiceSend);
  EXPECT_EQ(parse_link_address("/messages/serviceBound/feedback").node, Node::kFeedback);
  EXPECT_EQ(parse_link_address("/messages/serviceBound/filenotifications").node, Node::kNotOffered);
  EXPECT_EQ(parse_link_address("/devices/d/modules/m/messages/events").node, Node::kOtherOfDevice);
  for (const auto* text : {"", "/", "devices//messages/events", "devices/d", "devices", "amqps://h"})
    EXPECT_EQ(parse_link_address(text).node, Node::kUnknown) << text;
}

TEST(LinkAddress, NamesEventHubsTheirPartitionsAndManagement) {
  for (const auto* text : {"readings/ConsumerGroups/$Default/Partitions/3", "/readings/consumergroups/$Default/partitions/3",
                           "amqps://h:5671/readings/CONSUMERGROUPS/$Default/PARTITIONS/3"}) {
    const auto address = parse_link_address(text);
    EXPECT_EQ(address.node, Node::kEvents) << text;
    EXPECT_EQ(address.event_hub, "readings") << text;
    EXPECT_EQ(address.group, "$Default") << text;
    EXPECT_EQ(address.partition, "3") << text;
  }
  const auto built_in = parse_link_address("/Messages/Events/ConsumerGroups/g/Partitions/0");
  EXPECT_EQ(built_in.node, Node::kEvents);
  EXPECT_EQ(built_in.event_hub, "telemetry");
  EXPECT_EQ(built_in.group, "g");
  EXPECT_EQ(parse_link_address("messages/events").node, Node::kEventHub);
  EXPECT_EQ(parse_link_address("messages/eventsx").node, Node::kUnknown) << "an event hub's name has no slash";
  EXPECT_EQ(parse_link_address("flows").node, Node::kEventHub);
  EXPECT_EQ(parse_link_address("flows/Partitions/2").partition, "2");
  EXPECT_EQ(parse_link_address("$management").node, Node::kManagement);
  EXPECT_EQ(parse_link_address("flows/$Management").event_hub, "flows");
  for (const auto* text : {"flows/", "flows/x", "flows/Partitions", "flows/Partitions/", "flows/ConsumerGroups/g/Partitions", "$other",
                           "flows/ConsumerGroups//Partitions/0", "flows/ConsumerGroups/g/Partitions/0/x", "a/b/c/d/e/f/g/h", "//"})
    EXPECT_EQ(parse_link_address(text).node, Node::kUnknown) << text;
}

}  // namespace
}  // namespace meterhub::hub
