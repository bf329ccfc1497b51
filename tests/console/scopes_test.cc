#include "scopes.h"

#include <gtest/gtest.h>

#include <set>

#include <meterhub/net/event_loop.h>

#include "scoped_server.h"

namespace meterhub::console {
namespace {

using http::Method;

constexpr Scope kOfTenant{Method::kPost, "/x", Reach::kTenant, Right::kOperate};
constexpr Scope kOfPlatform{Method::kGet, "/x", Reach::kPlatform, Right::kRead};
constexpr Scope kOfSocket{Method::kPost, "/x", Reach::kSocket, Right::kAdmin};

Caller caller(std::optional<std::uint32_t> tenant, Right right) {
  Caller out{.actor = "api:test", .right = right};
  if (tenant) out.tenant = base::TenantNumber(*tenant);
  return out;
}

TEST(Scopes, ARightIncludesThoseBeforeIt) {
  EXPECT_EQ(check_scope(kOfTenant, caller(1, Right::kRead), false).error().code, base::Errc::kForbidden);
  EXPECT_EQ(check_scope(kOfTenant, caller(1, Right::kRead), false).error().text,
            "this needs the right 'operate', the key has 'read'");
  for (const auto right : {Right::kOperate, Right::kManage, Right::kAdmin}) {
    EXPECT_TRUE(check_scope(kOfTenant, caller(1, right), false));
  }
}

TEST(Scopes, ATenantsKeyDoesNotReachThePlatform) {
  EXPECT_TRUE(check_scope(kOfPlatform, caller({}, Right::kRead), false));
  EXPECT_EQ(check_scope(kOfPlatform, caller(1, Right::kManage), false).error().code, base::Errc::kForbidden);
}

TEST(Scopes, TheSocketsRoutesTakeNoKey) {
  EXPECT_EQ(check_scope(kOfSocket, caller({}, Right::kAdmin), false).error().code, base::Errc::kForbidden);
  EXPECT_TRUE(check_scope(kOfSocket, caller({}, Right::kAdmin), true));
}

TEST(Scopes, NoRouteIsStatedTwice) {
  std::set<std::pair<Method, std::string_view>> seen;
  for (const auto& scope : scopes()) EXPECT_TRUE(seen.emplace(scope.method, scope.pattern).second) << scope.pattern;
}

class ScopedServerTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create(clock_));
  base::Metrics metrics_;
  ScopedServer server_{http::Server::create(*loop_, metrics_, {})};
};

TEST_F(ScopedServerTest, RefusesARouteNobodyDecidedAbout) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(server_.route(Method::kGet, "/api/v1/secrets", [](const http::Request&, http::Reply) {}), "scopes.cc");
  EXPECT_DEATH(server_.route(Method::kDelete, "/api/v1/alerts", [](const http::Request&, http::Reply) {}), "scopes.cc");
  EXPECT_DEATH(server_.content("/secrets.js", "text/javascript", ""), "scopes.cc");
  EXPECT_DEATH(server_.upgrade("/", [](const http::Request&, net::ConnectionPtr, std::string) {}), "does later");
}

TEST_F(ScopedServerTest, KnowsItsRoutes) {
  server_.route(Method::kGet, "/api/v1/alerts", [](const http::Request&, http::Reply) {});
  ASSERT_EQ(server_.routes().size(), 1u);
  EXPECT_EQ(server_.routes()[0]->pattern, "/api/v1/alerts");
  EXPECT_EQ(server_.routes()[0]->reach, Reach::kTenant);
}

}  // namespace
}  // namespace meterhub::console
