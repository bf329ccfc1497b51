#include "access.h"

#include <gtest/gtest.h>

#include <meterhub/console/console.h>
#include <meterhub/crypto/hash.h>

namespace meterhub::console {
namespace {

http::Request request(std::string path, http::Fields headers = {}) {
  http::Request out;
  out.path = std::move(path);
  out.headers = std::move(headers);
  return out;
}

class AccessTest : public testing::Test {
 protected:
  AccessTest() { access_.set_port(8080); }
  base::Result<void> check(http::Request request) { return access_.check(request); }
  // A key of the registry; its text is its name.
  registry::ApiKey add(const std::string& name, std::optional<std::uint32_t> tenant = 1, Right right = Right::kRead) {
    registry::ApiKey key{.number = static_cast<std::uint32_t>(keys_.size() + 1), .name = name, .right = right};
    if (tenant) key.tenant = base::TenantNumber(*tenant);
    key.hash = crypto::sha256(base::as_bytes(name));
    keys_.push_back(key);
    return key;
  }
  std::uint64_t refused(const std::string& reason) {
    return metrics_.counter("meterhub_console_keys_refused_total", "h", {{"reason", reason}}).value();
  }
  base::ManualClock clock_;
  base::Metrics metrics_;
  std::vector<registry::ApiKey> keys_;
  Access access_{"0123456789abcdef", [this] { return std::make_shared<const std::vector<registry::ApiKey>>(keys_); }, clock_, metrics_};
};

http::Fields bearer(const std::string& key) { return {{"Authorization", "Bearer " + key}}; }

TEST_F(AccessTest, TakesTheKeyAsATokenOrACookie) {
  EXPECT_TRUE(check(request("/api/v1/status", {{"Authorization", "Bearer 0123456789abcdef"}})));
  EXPECT_TRUE(check(request("/api/v1/status", {{"cookie", "a=b; meterhub-8080=0123456789abcdef;c=d"}})));
}

TEST_F(AccessTest, RefusesEverythingElse) {
  for (const http::Fields& headers : std::vector<http::Fields>{
           {}, {{"Authorization", "Bearer 0123456789abcdee"}}, {{"Authorization", "Bearer "}},
           {{"Authorization", "Bearer 0123456789abcdef0"}}, {{"Cookie", "meterhub-8081=0123456789abcdef"}},
           {{"Cookie", "meterhub-8080"}}, {{"Cookie", "; ;=;"}},
           // A token that is wrong is not made good by a cookie.
           {{"Authorization", "Bearer x"}, {"Cookie", "meterhub-8080=0123456789abcdef"}}}) {
    const auto answer = check(request("/metrics", headers));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, base::Errc::kUnauthorized);
    EXPECT_EQ(answer.error().text.find("0123"), std::string::npos);
  }
}

TEST_F(AccessTest, TheControlSocketNeedsNoKey) {
  auto local = request("/metrics");
  local.local = true;
  EXPECT_TRUE(check(local));
}

TEST_F(AccessTest, HealthTheFrontDoorAndItsStyleAreOpen) {
  for (const auto* path : {"/", "/health", "/page.css"}) EXPECT_TRUE(check(request(path))) << path;
  EXPECT_FALSE(check(request("/page.js")));
}

TEST_F(AccessTest, TheCookieIsForThisSiteAndNotForScripts) {
  const auto welcome = access_.welcome("0123456789abcdef", false);
  EXPECT_EQ(welcome.status, 303u);
  EXPECT_EQ(welcome.header("Location"), "/");
  EXPECT_EQ(welcome.header("Set-Cookie"), "meterhub-8080=0123456789abcdef; Path=/; HttpOnly; SameSite=Strict");
}

TEST_F(AccessTest, TheCookieOfATlsListenerGoesNowhereElse) {
  EXPECT_TRUE(access_.welcome("0123456789abcdef", true).header("Set-Cookie").ends_with("; Secure"));
}

// Their handler looks at the token, which is no key of ours.
TEST_F(AccessTest, PathsOfTheDeviceRegistryAreItsOwnToGuard) {
  for (const auto* path : {"/devices", "/devices/gw-1", "/statistics/devices", "/twins/gw-1"}) EXPECT_TRUE(check(request(path))) << path;
  EXPECT_FALSE(check(request("/api/v1/devices")));
  EXPECT_FALSE(check(request("/devicesx")));
}

TEST_F(AccessTest, HandlersKnowWhoAsks) {
  auto page = request("/", {{"Authorization", "Bearer 0123456789abcdef"}});
  ASSERT_TRUE(access_.check(page));
  EXPECT_EQ(caller_of(page).actor, "console");
  EXPECT_EQ(caller_of(page).tenant, std::nullopt);
  EXPECT_TRUE(caller_of(page).may(Right::kAdmin));
  auto local = request("/metrics");
  local.local = true;
  ASSERT_TRUE(access_.check(local));
  EXPECT_EQ(caller_of(local).actor, "cli");
}

TEST_F(AccessTest, WhoPassedNoGuardSeesNothing) {
  const auto caller = caller_of(request("/api/v1/status"));
  EXPECT_FALSE(caller.sees(base::TenantNumber(1)));
  EXPECT_FALSE(caller.may(Right::kOperate));
}

TEST_F(AccessTest, AKeyOfTheRegistryMakesItsCaller) {
  add("office", 7, Right::kOperate);
  add("grafana", {}, Right::kRead);
  auto office = request("/api/v1/alerts", bearer("office"));
  ASSERT_TRUE(access_.check(office));
  EXPECT_EQ(caller_of(office).actor, "api:office");
  EXPECT_EQ(caller_of(office).tenant, base::TenantNumber(7));
  EXPECT_EQ(caller_of(office).right, Right::kOperate);
  auto grafana = request("/api/v1/alerts", {{"Cookie", "meterhub-8080=grafana"}});
  ASSERT_TRUE(access_.check(grafana));
  EXPECT_EQ(caller_of(grafana).tenant, std::nullopt);
}

TEST_F(AccessTest, ADisabledEndedOrRemovedKeyIsNoKey) {
  add("office");
  auto asked = request("/api/v1/alerts", bearer("office"));
  ASSERT_TRUE(access_.check(asked));
  const auto caller = caller_of(asked);
  EXPECT_TRUE(access_.stands(caller));

  keys_[0].expires = clock_.now() + std::chrono::seconds(5);
  EXPECT_TRUE(check(request("/api/v1/alerts", bearer("office"))));
  clock_.advance(std::chrono::seconds(5));
  EXPECT_FALSE(check(request("/api/v1/alerts", bearer("office"))));
  EXPECT_FALSE(access_.stands(caller));
  EXPECT_EQ(refused("expired"), 1u);

  keys_[0].expires.reset();
  keys_[0].enabled = false;
  EXPECT_FALSE(check(request("/api/v1/alerts", bearer("office"))));
  EXPECT_FALSE(access_.stands(caller));
  EXPECT_EQ(refused("disabled"), 1u);

  keys_.clear();
  EXPECT_FALSE(check(request("/api/v1/alerts", bearer("office"))));
  EXPECT_FALSE(access_.stands(caller));
  EXPECT_EQ(refused("unknown"), 1u);
}

TEST_F(AccessTest, WrongKeysAreLimitedAndGuessesThatHitTellNothing) {
  add("office");
  add("guessed");
  auto good = request("/api/v1/alerts", bearer("office"));
  ASSERT_TRUE(access_.check(good));
  for (std::uint32_t n = 0; n < Attempts::kWrongMax; ++n) {
    EXPECT_EQ(check(request("/api/v1/alerts", bearer("wrong"))).error().code, base::Errc::kUnauthorized);
  }
  EXPECT_EQ(check(request("/api/v1/alerts", bearer("wrong"))).error().code, base::Errc::kThrottled);
  EXPECT_EQ(check(request("/api/v1/alerts", bearer("guessed"))).error().code, base::Errc::kThrottled);
  EXPECT_TRUE(check(request("/api/v1/alerts", bearer("office")))) << "a neighbour that was there before";
  EXPECT_TRUE(check(request("/health", bearer("wrong"))));
  auto elsewhere = request("/api/v1/alerts", bearer("guessed"));
  elsewhere.peer = net::Address::v4(0x0a000001, 0);
  EXPECT_TRUE(access_.check(elsewhere));
  EXPECT_GE(refused("limited"), 2u);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(check(request("/api/v1/alerts", bearer("guessed"))));
}

TEST_F(AccessTest, AsksWithoutAKeyAreNotTriesOfOne) {
  for (std::uint32_t n = 0; n < 2 * Attempts::kWrongMax; ++n) EXPECT_FALSE(check(request("/api/v1/alerts")));
  EXPECT_TRUE(check(request("/api/v1/alerts", bearer("0123456789abcdef"))));
}

TEST_F(AccessTest, AKeysUseIsToldOnceAMinute) {
  const auto key = add("office");
  EXPECT_TRUE(check(request("/", bearer("office"))));
  EXPECT_TRUE(check(request("/", bearer("0123456789abcdef"))));
  auto used = access_.take_used();
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used[0].key, key.number);
  EXPECT_EQ(used[0].at, clock_.now());
  clock_.advance(std::chrono::seconds(59));
  EXPECT_TRUE(check(request("/", bearer("office"))));
  EXPECT_TRUE(access_.take_used().empty());
  clock_.advance(std::chrono::seconds(1));
  EXPECT_TRUE(check(request("/", bearer("office"))));
  EXPECT_EQ(access_.take_used().size(), 1u);
}

TEST(ConsoleKey, WithoutAKeyNobodyIsKnown) {
  base::ManualClock clock;
  base::Metrics metrics;
  Access access("", [] { return std::make_shared<const std::vector<registry::ApiKey>>(); }, clock, metrics);
  EXPECT_FALSE(access.caller_of_key("", {}));
  auto empty = request("/metrics", {{"Authorization", "Bearer "}});
  EXPECT_FALSE(access.check(empty));
}

TEST(ConsoleKey, IsLongAndNewEachTime) {
  EXPECT_EQ(make_key().size(), 32u);
  EXPECT_NE(make_key(), make_key());
}

}  // namespace
}  // namespace meterhub::console
