#include "authority.h"

#include <gtest/gtest.h>

#include <meterhub/sas/token.h>

namespace meterhub::identity {
namespace {

constexpr std::string_view kPrimary = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";
constexpr std::string_view kSecondary = "YW5vdGhlciBtYWRlIHVwIGtleSBmb3IgdGhlIHRlc3Q=";
const base::Timestamp kNow(std::chrono::seconds(1'767'225'000));
const std::chrono::sys_seconds kLater(std::chrono::seconds(1'767'225'600));

std::vector<registry::Policy> policies() {
  registry::Policy owner;
  owner.name = "iothubowner";
  owner.rights = {registry::PolicyRight::kRegistryWrite, registry::PolicyRight::kServiceConnect};
  owner.primary_key = kPrimary;
  owner.secondary_key = kSecondary;
  auto elsewhere = owner;
  elsewhere.name = "sender";
  elsewhere.scope = "readings";
  return {owner, elsewhere};
}

std::string token(std::string_view resource, std::string_view policy = "iothubowner", std::string_view key = kPrimary,
                  std::chrono::sys_seconds expiry = kLater) {
  return *sas::make_token(resource, key, expiry, policy);
}

base::Result<Asker> check(const std::string& text, std::string_view target = "/devices/gw-1",
                          const std::vector<std::string>& hosts = {}) {
  return check_token(text, target, policies(), hosts, kNow);
}

TEST(Authority, TakesATokenOfEitherKeyOverTheHost) {
  for (const auto key : {kPrimary, kSecondary}) {
    const auto asker = check(token("hub.example.test", "iothubowner", key));
    ASSERT_TRUE(asker) << asker.error().text;
    EXPECT_EQ(asker->actor, "policy:iothubowner");
    EXPECT_TRUE(asker->rights.has(registry::PolicyRight::kRegistryRead));
  }
}

// The worked example of spec 3.3, made by the SDK's own code.
TEST(Authority, TakesTheSdksOwnToken) {
  EXPECT_TRUE(check(
      "SharedAccessSignature sr=hub.example.test&sig=mHq1FtY2LWcCf1segTlXCY%2BVuD7J0fh1PBEPnj9yQ6k%3D&skn=iothubowner&se=1767225600"));
}

TEST(Authority, RefusesADevicesOwnToken) {
  EXPECT_EQ(check(*sas::make_token("hub.example.test%2Fdevices%2Fgw-1", kPrimary, kLater)).error().code,
            base::Errc::kUnauthorized);
}

TEST(Authority, ATokenOverOneDeviceOpensThatDeviceOnly) {
  const auto narrow = token("hub.example.test%2Fdevices%2Fgw-1");
  EXPECT_TRUE(check(narrow, "/devices/gw-1?api-version=1"));
  EXPECT_FALSE(check(narrow, "/devices/gw-2"));
  EXPECT_FALSE(check(narrow, "/devices"));
  EXPECT_FALSE(check(narrow, "/devices/gw-10"));
}

TEST(Authority, RefusesOtherKeysPoliciesHostsAndTimes) {
  const std::vector<std::string> hosts{"hub.example.test"};
  EXPECT_FALSE(check(token("hub.example.test", "iothubowner", "d3Jvbmcga2V5IHdyb25nIGtleSB3cm9uZyBrZXk=")));
  EXPECT_FALSE(check(token("hub.example.test", "nobody")));
  EXPECT_FALSE(check(token("hub.example.test", "sender"))) << "a policy of an event hub";
  EXPECT_FALSE(check(token("sb%3A%2F%2Fhub.example.test%2Freadings")));
  EXPECT_TRUE(check(token("hub.example.test"), "/devices", hosts));
  EXPECT_TRUE(check(token("hub.example.test%3A8443"), "/devices", hosts));
  EXPECT_FALSE(check(token("other.example.test"), "/devices", hosts));
  EXPECT_FALSE(check(token("hub.example.test", "iothubowner", kPrimary,
                           std::chrono::floor<std::chrono::seconds>(kNow) - std::chrono::seconds(6))));
  EXPECT_FALSE(check(""));
  EXPECT_FALSE(check("Bearer 0123"));
}

TEST(Authority, NoRefusalHoldsTheTokenOrAKey) {
  const auto text = token("hub.example.test", "nobody");
  const auto refused = check(text);
  const auto signature = text.substr(text.find("sig=") + 4, 20);
  EXPECT_EQ(refused.error().text.find(signature), std::string::npos);
  EXPECT_EQ(refused.error().text.find(kPrimary), std::string::npos);
}

}  // namespace
}  // namespace meterhub::identity
