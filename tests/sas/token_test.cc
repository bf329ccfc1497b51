#include <meterhub/sas/token.h>

#include <gtest/gtest.h>

namespace meterhub::sas {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

// The worked examples: made by the vendor's own SDKs from a made-up key.
constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";
constexpr sys_seconds kExpiry{seconds(1767225600)};
constexpr std::string_view kDevice =
    "SharedAccessSignature sr=hub.example.test%2Fdevices%2Fgw-0001"
    "&sig=uZwWVci74tCA9JW5l50DTPCvBO4GznK%2BvOjcTKcI%2BM4%3D&se=1767225600";
constexpr std::string_view kPolicy =
    "SharedAccessSignature sr=hub.example.test"
    "&sig=mHq1FtY2LWcCf1segTlXCY%2BVuD7J0fh1PBEPnj9yQ6k%3D&skn=iothubowner&se=1767225600";
constexpr std::string_view kEventHub =
    "SharedAccessSignature sr=sb%3A%2F%2Fhub.example.test%2Fmeters"
    "&sig=edvKKBx4DUigk%2FJJXiVpMAu43Rly3rpVuuGvl2Enmmk%3D&se=1767225600&skn=service";

TEST(SasToken, ReadsTheSdksOwnTokens) {
  const auto device = parse_token(kDevice);
  ASSERT_TRUE(device);
  EXPECT_EQ(device->resource.kind, Resource::Kind::kDevice);
  EXPECT_EQ(device->resource.host, "hub.example.test");
  EXPECT_EQ(device->resource.device_id, "gw-0001");
  EXPECT_EQ(device->policy, "");
  EXPECT_EQ(device->expiry, kExpiry);
  const auto policy = parse_token(kPolicy);
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->resource.kind, Resource::Kind::kHub);
  EXPECT_EQ(policy->policy, "iothubowner");
  const auto hub = parse_token(kEventHub);
  ASSERT_TRUE(hub);
  EXPECT_EQ(hub->resource.kind, Resource::Kind::kEventHub);
  EXPECT_EQ(hub->resource.path, "meters");
}

TEST(SasToken, VerifiesTheSdksOwnSignaturesWithTheOneKey) {
  for (const auto text : {kDevice, kPolicy, kEventHub}) {
    const auto token = parse_token(text);
    ASSERT_TRUE(token);
    EXPECT_TRUE(signed_by(*token, kKey)) << text;
    EXPECT_FALSE(signed_by(*token, "b3RoZXI=")) << text;
    EXPECT_FALSE(signed_by(*token, "")) << text;
    EXPECT_FALSE(signed_by(*token, "not base64!")) << text;
  }
}

TEST(SasToken, IsMadeAsTheSdksMakeIt) {
  EXPECT_EQ(make_token("hub.example.test%2Fdevices%2Fgw-0001", kKey, kExpiry), kDevice);
  EXPECT_EQ(make_token("sb%3A%2F%2Fhub.example.test%2Fmeters", kKey, kExpiry, "service"), kEventHub);
  EXPECT_EQ(make_token(percent_encode("sb://hub.example.test/meters"), kKey, kExpiry, "service"), kEventHub);
  const auto policy = make_token("hub.example.test", kKey, kExpiry, "iothubowner");
  EXPECT_TRUE(signed_by(*parse_token(*policy), kKey));
  EXPECT_FALSE(make_token("h%2Fdevices%2Fd", "not base64!", kExpiry));
}

TEST(SasToken, IsSignedOverTheResourceAsItStands) {
  // The same resource in lower-case hex is another text, with a signature of its own.
  const auto made = make_token("hub.example.test%2fdevices%2fgw-0001", kKey, kExpiry);
  ASSERT_TRUE(made);
  EXPECT_NE(*made, kDevice);
  EXPECT_TRUE(signed_by(*parse_token(*made), kKey));
  std::string respelled(kDevice);
  respelled.replace(respelled.find("%2F"), 3, "%2f");
  EXPECT_FALSE(signed_by(*parse_token(respelled), kKey));
}

TEST(SasToken, RejectsATokenWhoseExpiryHasPassed) {
  const auto token = parse_token(kDevice);
  ASSERT_TRUE(token);
  EXPECT_TRUE(alive(*token, kExpiry - seconds(1)));
  EXPECT_TRUE(alive(*token, kExpiry + seconds(4)));
  EXPECT_FALSE(alive(*token, kExpiry + seconds(5)));
  EXPECT_FALSE(alive(*token, kExpiry, seconds(0)));
}

TEST(SasToken, RejectsWhatIsNoToken) {
  for (const std::string_view text :
       {"", "SharedAccessSignature ", "SharedAccessSignature sr=h&sig=x", "SharedAccessSignature sr=h&se=1",
        "SharedAccessSignature sig=x&se=1", "sr=h&sig=x&se=1", "SharedAccessSignature sr=h&sr=h&sig=x&se=1",
        "SharedAccessSignature sr=h&sig=x&se=soon", "SharedAccessSignature sr=h&sig=x&se=-1",
        "SharedAccessSignature sr=h&sig=x&se=99999999999999999999", "SharedAccessSignature sr=h%2&sig=x&se=1",
        "SharedAccessSignature sr=h%2Fthings%2Fd&sig=x&se=1", "SharedAccessSignature sr=h%2Fdevices%2F&sig=x&se=1",
        "SharedAccessSignature sr=%2Fdevices%2Fd&sig=x&se=1", "SharedAccessSignature sr=h%3Ax&sig=x&se=1"}) {
    EXPECT_FALSE(parse_token(text)) << text;
  }
  EXPECT_FALSE(parse_token("SharedAccessSignature sr=h&sig=x&se=1&pad=" + std::string(5000, 'x')));
}

TEST(SasToken, TakesFieldsInAnyOrderAndSignsWithThePort) {
  const auto made = make_token("localhost%3A5999%2Fdevices%2Fd%20%2B", kKey, kExpiry);
  ASSERT_TRUE(made);
  const auto token = parse_token(*made);
  ASSERT_TRUE(token);
  EXPECT_EQ(token->resource.host, "localhost");
  EXPECT_EQ(token->resource.port, "5999");
  EXPECT_EQ(token->resource.device_id, "d +");
  EXPECT_TRUE(parse_token("SharedAccessSignature se=1&skn=p&sig=a%3D&sr=h"));
}

Resource resource(std::string_view text) { return parse_resource(text).value(); }

TEST(Resource, IsComparedWithoutCaseOrPortInTheHostOnly) {
  EXPECT_TRUE(covers(resource("HUB.test/devices/a"), resource("hub.test:5671/devices/a")));
  EXPECT_FALSE(covers(resource("hub.test/devices/a"), resource("hub.test/devices/A")));
  EXPECT_FALSE(covers(resource("hub.test/devices/a"), resource("other.test/devices/a")));
  EXPECT_EQ(resource("amqps://Hub:5671/devices/d").host, "hub");
  EXPECT_EQ(resource("[::1]:5671/devices/d").host, "[::1]");
  EXPECT_EQ(resource("[::1]/devices/d").port, "");
  EXPECT_EQ(resource("h/devices/d/modules/m/messages/events").module_id, "m");
}

TEST(Resource, CoversWhatLiesBelowItButNotItsNeighbours) {
  EXPECT_TRUE(covers(resource("sb://h/hub"), resource("sb://h/hub/Partitions/1")));
  EXPECT_TRUE(covers(resource("sb://h/"), resource("sb://h/hub")));
  EXPECT_FALSE(covers(resource("sb://h/hub"), resource("sb://h/hub2/Partitions/1")));
  EXPECT_FALSE(covers(resource("sb://h/hub/Partitions/1"), resource("sb://h/hub")));
  EXPECT_TRUE(covers(resource("h"), resource("h/devices/d")));
  EXPECT_TRUE(covers(resource("h/devices/d"), resource("h/devices/d/messages/events")));
  EXPECT_FALSE(covers(resource("h/devices/d"), resource("h/devices/d2")));
  EXPECT_FALSE(covers(resource("h/devices/d"), resource("h")));
  EXPECT_FALSE(covers(resource("h"), resource("sb://h/hub")));
}

}  // namespace
}  // namespace meterhub::sas
