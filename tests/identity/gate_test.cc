#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/identity/device_registry.h>
#include <meterhub/sas/token.h>

namespace meterhub::identity {
namespace {

constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";

class GateTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  registry::Policies policies_ = [] {
    auto all = std::make_shared<std::vector<registry::Policy>>();
    all->push_back(
        {"registryRead", "", {registry::PolicyRight::kRegistryRead}, std::string(kKey), std::string(kKey), {}, {}});
    return all;
  }();
  Gate gate_{[this] { return policies_; }, {.host_names = {}, .rate = 10, .burst = 20}, clock_};

  http::Request request(std::uint32_t from = 0x0a000001) {
    http::Request out;
    out.target = "/devices";
    out.peer = net::Address::v4(from, 4711);
    const auto expiry = std::chrono::floor<std::chrono::seconds>(clock_.now()) + std::chrono::hours(1);
    out.headers = {{"authorization", *sas::make_token("localhost", kKey, expiry, "registryRead")}};
    return out;
  }
};

TEST_F(GateTest, SaysWhoAsks) {
  const auto asker = gate_.admit(request());
  ASSERT_TRUE(asker);
  EXPECT_EQ(asker->actor, "policy:registryRead");
  EXPECT_FALSE(asker->rights.has(registry::PolicyRight::kRegistryWrite));
}

TEST_F(GateTest, APolicyThatIsGoneOpensNothingMore) {
  const auto shown = request();
  ASSERT_TRUE(gate_.admit(shown));
  policies_ = std::make_shared<const std::vector<registry::Policy>>();
  EXPECT_EQ(gate_.admit(shown).error().status, 401u);
}

TEST_F(GateTest, ARefusalHasTheFormThatClientsRead) {
  auto nobody = request();
  nobody.headers.clear();
  const auto refused = gate_.admit(nobody).error();
  EXPECT_EQ(refused.status, 401u);
  EXPECT_EQ(refused.header("Content-Type"), "application/json; charset=utf-8");
  const auto body = nlohmann::json::parse(refused.body);
  EXPECT_EQ(body["Message"], "ErrorCode:IotHubUnauthorizedAccess;a token of a policy is needed");
}

TEST_F(GateTest, AnAddressThatAsksTooOftenWaitsAndItsNeighbourDoesNot) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(gate_.admit(request()));
  const auto refused = gate_.admit(request()).error();
  EXPECT_EQ(refused.status, 429u);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_NE(refused.body.find("ErrorCode:ThrottlingException;"), std::string::npos);
  EXPECT_TRUE(gate_.admit(request(0x0a000002)));
  clock_.advance(std::chrono::milliseconds(150));
  EXPECT_TRUE(gate_.admit(request()));
}

}  // namespace
}  // namespace meterhub::identity
