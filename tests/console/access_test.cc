#include "access.h"

#include <gtest/gtest.h>

#include <meterhub/console/console.h>

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
  Access access_{"0123456789abcdef"};
};

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
  const auto welcome = access_.welcome();
  EXPECT_EQ(welcome.status, 303u);
  EXPECT_EQ(welcome.header("Location"), "/");
  EXPECT_EQ(welcome.header("Set-Cookie"), "meterhub-8080=0123456789abcdef; Path=/; HttpOnly; SameSite=Strict");
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

TEST(ConsoleKey, WithoutAKeyNobodyIsKnown) {
  const Access access("");
  EXPECT_FALSE(access.is_key(""));
  auto empty = request("/metrics", {{"Authorization", "Bearer "}});
  EXPECT_FALSE(access.check(empty));
}

TEST(ConsoleKey, IsLongAndNewEachTime) {
  EXPECT_EQ(make_key().size(), 32u);
  EXPECT_NE(make_key(), make_key());
}

}  // namespace
}  // namespace meterhub::console
