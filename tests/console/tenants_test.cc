// Keys of tenants at the whole console: what they see, and what they do not.
#include <gmock/gmock.h>

#include <filesystem>
#include <mutex>

#include "console_fixture.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;
using http::Client;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Meter 9, of its own building, is Other Gas's; meters 1 to 8 are Chongqing Gas's.
class TenantsTest : public test::ConsoleFixture {
 protected:
  TenantsTest() {
    EXPECT_TRUE(town_.store->add_tenant("test", "Other Gas"));
    town_.add_meter("=Other Tower", "1", "101", 60s, "Other Gas");
    EXPECT_TRUE(town_.store->add_gateway("test", {.id = "gw-ours", .tenant = "Chongqing Gas"}));
    EXPECT_TRUE(town_.store->add_gateway("test", {.id = "gw-other", .tenant = "Other Gas"}));
    ours_ = key("ours", "Chongqing Gas", Right::kRead);
    other_ = key("other", "Other Gas", Right::kManage);
    watcher_ = key("watcher", "", Right::kRead);
    options_.scratch = (town_.directory / "scratch").string();
    std::filesystem::create_directories(options_.scratch);
    reload();
  }
  std::string key(const std::string& name, const std::string& tenant, Right right) {
    return town_.store->add_api_key("test", {.name = name, .tenant = tenant, .right = right})->text;
  }
  void reload() { ASSERT_TRUE(town_.directory_of_meters.load(*town_.store)); }
  http::Response ask(const std::string& text, const std::string& target, http::Method method = http::Method::kGet) {
    return get(target, {{"Authorization", "Bearer " + text}}, method);
  }
  json told(const std::string& text, const std::string& target) {
    const auto answer = ask(text, target);
    EXPECT_EQ(answer.status, 200u) << target << " " << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
  std::string ours_, other_, watcher_;
};

TEST_F(TenantsTest, SeeTheirOwnMetersOnly) {
  start();
  town_.say({.meter = 1});
  town_.say({.meter = 9});
  pass(1s);
  EXPECT_EQ(told(other_, "/api/v1/status")["meters"]["total"], 1);
  EXPECT_EQ(told(other_, "/api/v1/status")["meters"]["online"], 1);
  EXPECT_EQ(told(other_, "/api/v1/status")["tenant"], "Other Gas");
  EXPECT_FALSE(told(other_, "/api/v1/status").contains("packets"));
  EXPECT_EQ(told(ours_, "/api/v1/status")["meters"]["total"], 8);
  EXPECT_EQ(told(watcher_, "/api/v1/status")["meters"]["total"], 9);
  EXPECT_EQ(told(other_, "/api/v1/buildings").size(), 1u);
  EXPECT_EQ(told(ours_, "/api/v1/buildings").size(), 2u);
  EXPECT_EQ(told(other_, "/api/v1/meters")["total"], 1);
  EXPECT_EQ(told(other_, "/api/v1/meters/0000000000000009")["state"], "online");
  const auto hidden = ask(other_, "/api/v1/meters/0000000000000001");
  const auto absent = ask(other_, "/api/v1/meters/0000000000000099");
  EXPECT_EQ(hidden.status, 404u);
  EXPECT_EQ(absent.status, 404u);
  EXPECT_EQ(hidden.body.size(), absent.body.size()) << "no word tells the one from the other";
  EXPECT_EQ(told(other_, "/api/v1/gateways")["rows"].size(), 1u);
  EXPECT_EQ(told(other_, "/api/v1/gateways")["rows"][0]["id"], "gw-other");
}

TEST_F(TenantsTest, SeeTheirOwnAlertsOnly) {
  start();
  town_.alert(1);
  town_.alert(9, 2);
  for (const auto* target : {"/api/v1/alerts", "/api/v1/alerts?after=0", "/api/v1/alerts?tenant=Other+Gas"}) {
    const auto rows = told(other_, target);
    ASSERT_EQ(rows.size(), 1u) << target;
    EXPECT_EQ(rows[0]["DeviceID"], "0000000000000009");
  }
  EXPECT_EQ(told(other_, "/api/v1/alerts?tenant=Chongqing+Gas"), json::array());
  EXPECT_EQ(told(other_, "/api/v1/alerts?eui=0000000000000001"), json::array());
  EXPECT_EQ(told(other_, "/api/v1/status")["alerts"]["total"], 1);
  EXPECT_EQ(told(watcher_, "/api/v1/alerts").size(), 2u);
}

TEST_F(TenantsTest, SeeTheirOwnFlowOnly) {
  start();
  pass(60s);
  const auto begin = std::chrono::floor<std::chrono::minutes>(clock_.now());
  town_.say({.meter = 1, .fcnt = 1, .used = 0, .time = begin});
  pass(180s);
  town_.say({.meter = 1, .fcnt = 2, .used = 50, .time = begin + 60s});
  pass(1s);
  EXPECT_EQ(told(ours_, "/api/v1/flow")["points"][0]["flow"], 3.0);
  EXPECT_EQ(told(other_, "/api/v1/flow")["points"], json::array());
  EXPECT_EQ(told(watcher_, "/api/v1/flow")["points"][0]["flow"], 3.0);
}

TEST_F(TenantsTest, DoNotReachThePlatform) {
  start();
  for (const auto* target : {"/metrics", "/api/v1/routes"}) {
    EXPECT_EQ(ask(other_, target).status, 403u) << target;
    EXPECT_EQ(ask(watcher_, target).status, 200u) << target;
  }
  EXPECT_EQ(ask(other_, "/").status, 401u) << "the page is the platform's";
  EXPECT_EQ(get("/?key=" + other_, {}).status, 401u);
  EXPECT_EQ(get("/?key=" + watcher_, {}).status, 303u);
  EXPECT_EQ(ask(other_, "/api/v1/openapi.json").status, 200u);
  EXPECT_EQ(ask(other_, "/health").status, 200u);
}

TEST_F(TenantsTest, AKeyThatIsShutOutIsShutOutAtOnce) {
  start();
  EXPECT_EQ(ask(other_, "/api/v1/meters").status, 200u);
  ASSERT_TRUE(town_.store->set_api_key_enabled("test", "other", false));
  reload();
  EXPECT_EQ(ask(other_, "/api/v1/meters").status, 401u);
}

TEST_F(TenantsTest, ListsComeAsCsvAndXlsx) {
  start();
  const auto csv = ask(other_, "/api/v1/meters?format=csv&lang=zh");
  EXPECT_EQ(csv.status, 200u);
  EXPECT_EQ(csv.header("Content-Type"), "text/csv; charset=utf-8");
  EXPECT_EQ(csv.header("Content-Disposition"), "attachment; filename=\"meters.csv\"");
  EXPECT_THAT(csv.body, testing::StartsWith("\xEF\xBB\xBF表号,户号,"));
  EXPECT_THAT(csv.body, HasSubstr("0000000000000009,101,1,'=Other Tower,Yuzhong,Other Gas,v1,new,,,,,,,\r\n"));
  EXPECT_THAT(csv.body, Not(HasSubstr("Tower A")));
  const auto sheet = ask(other_, "/api/v1/meters?format=xlsx");
  EXPECT_EQ(sheet.status, 200u) << sheet.body;
  EXPECT_EQ(sheet.header("Content-Type"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
  EXPECT_EQ(sheet.body.substr(0, 2), "PK");
  for (int n = 0; n < 400 && !std::filesystem::is_empty(options_.scratch); ++n) loop_->run_once(5ms);
  EXPECT_TRUE(std::filesystem::is_empty(options_.scratch));
  EXPECT_EQ(ask(other_, "/api/v1/meters?format=xlsx&limit=1048576").status, 400u);
  EXPECT_EQ(ask(watcher_, "/api/v1/alerts?format=csv").status, 200u);
}

TEST_F(TenantsTest, PagesTellWhereTheNextBegins) {
  start();
  const auto first = told(ours_, "/api/v1/meters?limit=5&sort=-eui");
  EXPECT_EQ(first["total"], 8);
  EXPECT_EQ(first["rows"][0]["eui"], "0000000000000008");
  EXPECT_EQ(first["next_offset"], 5);
  const auto second = told(ours_, "/api/v1/meters?limit=5&sort=-eui&offset=5");
  EXPECT_EQ(second["rows"].size(), 3u);
  EXPECT_EQ(second["next_offset"], nullptr);
  EXPECT_EQ(ask(ours_, "/api/v1/meters?limit=1001").status, 400u);
  EXPECT_THAT(ask(ours_, "/api/v1/meters?colour=red").body, HasSubstr("state, district, building"));
}

TEST_F(TenantsTest, FollowTheirOwnEventsOnly) {
  start();
  pass(1s);
  std::string seen;
  std::mutex mutex;
  const auto has = [&](std::string_view text) {
    const std::lock_guard lock(mutex);
    return seen.find(text) != std::string::npos;
  };
  auto following = std::async(std::launch::async, [&, at = *console_->address()] {
    const auto take = [&](std::string_view piece) {
      const std::lock_guard lock(mutex);
      seen += piece;
      return true;
    };
    return Client::tcp(at).follow("/api/v1/events", take, {{"Authorization", "Bearer " + other_}});
  });
  const auto until = [&](std::string_view text) {
    for (int n = 0; n < 400 && !has(text); ++n) loop_->run_once(std::chrono::milliseconds(5));
    return has(text);
  };
  ASSERT_TRUE(until("event: status\ndata: {\"time\""));
  const auto publish = console_->publisher();
  publish("episodes", base::TenantNumber(1), "{\"of\":\"ours\"}");
  publish("episodes", std::nullopt, "{\"of\":\"platform\"}");
  publish("episodes", base::TenantNumber(2), "{\"of\":\"other\"}");
  town_.say({.meter = 1});
  town_.say({.meter = 9});
  pass(2s);
  town_.alert(1);
  town_.alert(9, 2);
  pass(1s);
  EXPECT_TRUE(until("event: episodes\ndata: {\"of\":\"other\"}\n\n"));
  EXPECT_TRUE(until("event: states\ndata: [{\"eui\":\"0000000000000009\",\"state\":\"online\"}]\n\n"));
  EXPECT_TRUE(until("event: alerts\ndata: [{\"id\":2,"));
  // A key that is shut out does not follow on.
  ASSERT_TRUE(town_.store->remove_api_key("test", "other"));
  reload();
  pass(1s);
  EXPECT_TRUE(beside([&] { return following.get(); }));
  EXPECT_THAT(seen, Not(HasSubstr("0000000000000001")));
  EXPECT_THAT(seen, Not(HasSubstr("ours")));
  EXPECT_THAT(seen, Not(HasSubstr("platform")));
  EXPECT_THAT(seen, Not(HasSubstr("packets")));
  publish("late", std::nullopt, "{}");
  console_.reset();
  publish("too late", std::nullopt, "{}");
  turn();
}

}  // namespace
}  // namespace meterhub::console
