#include <set>

#include "identity_fixture.h"

namespace meterhub::identity::test {
namespace {

using http::Method;
using nlohmann::json;

class DeviceLists : public DeviceRegistryTest {
 protected:
  void add(int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(store_->add_gateway("test", {.id = "gw-" + std::to_string(i), .enabled = i % 2 == 0}));
  }
  http::Response query(const std::string& text, http::Fields headers = {}) {
    return answer(Method::kPost, "/devices/query", {{"query", text}}, std::move(headers)).response;
  }
};

TEST_F(DeviceLists, ListsAtMostWhatIsAsked) {
  add(5);
  EXPECT_EQ(get("/devices/").size(), 5u);
  EXPECT_EQ(get("/devices?top=2").size(), 2u);
  EXPECT_EQ(refused(answer(Method::kGet, "/devices?top=0")), "400 ArgumentInvalid");
  EXPECT_EQ(refused(answer(Method::kGet, "/devices?top=1001")), "400 ArgumentInvalid");
}

TEST_F(DeviceLists, QueriesAnswerTwins) {
  add(3);
  const auto rows = read(query("SELECT * FROM devices WHERE status = 'disabled'"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["deviceId"], "gw-1");
  EXPECT_EQ(rows[0]["authenticationType"], "sas");
  EXPECT_FALSE(rows[0].contains("authentication")) << "no keys in a query's rows";
}

TEST_F(DeviceLists, QueriesSeeTheConnection) {
  add(3);
  states_.states["gw-2"] = {true, clock_.now(), clock_.now()};
  const auto rows = read(query("SELECT * FROM devices WHERE connectionState = 'Connected'"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["deviceId"], "gw-2");
}

TEST_F(DeviceLists, PagesGoThroughAllDevicesOnce) {
  add(7);
  std::set<std::string> seen;
  http::Fields headers{{"x-ms-max-item-count", "3"}};
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const auto page = query("SELECT * FROM devices", headers);
    for (const auto& row : read(page)) EXPECT_TRUE(seen.insert(row["deviceId"]).second);
    more = !page.header("x-ms-continuation").empty();
    headers = {{"x-ms-max-item-count", "3"}, {"x-ms-continuation", std::string(page.header("x-ms-continuation"))}};
  }
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_EQ(pages, 3);
}

TEST_F(DeviceLists, AFullLastPageIsTheLast) {
  add(3);
  EXPECT_EQ(query("SELECT * FROM devices", {{"x-ms-max-item-count", "3"}}).header("x-ms-continuation"), "");
}

// What one request looks at is bounded; the next one goes on there.
TEST_F(DeviceLists, AQueryThatFindsLittleGoesOnInTheNextRequest) {
  auto import = std::move(*store_->begin_import("test"));
  for (int i = 0; i < 20'500; ++i) ASSERT_TRUE(import->put_gateway({.id = "gw-" + std::to_string(i)}, false));
  ASSERT_TRUE(import->commit());
  import.reset();  // it holds the store
  const auto first = query("SELECT * FROM devices WHERE deviceId = 'gw-20499'");
  EXPECT_EQ(read(first), json::array());
  const std::string token(first.header("x-ms-continuation"));
  ASSERT_FALSE(token.empty());
  const auto second = query("SELECT * FROM devices WHERE deviceId = 'gw-20499'", {{"x-ms-continuation", token}});
  EXPECT_EQ(read(second).size(), 1u);
  EXPECT_EQ(second.header("x-ms-continuation"), "");
}

TEST_F(DeviceLists, RefusesWhatIsNoQueryOrNoToken) {
  EXPECT_EQ(refused(answer(Method::kPost, "/devices/query", {{"query", "SELECT deviceId FROM devices"}})),
            "400 ArgumentInvalid");
  EXPECT_EQ(refused(answer(Method::kPost, "/devices/query", json::object())), "400 ArgumentInvalid");
  for (const auto* const token : {"x", "ZGV2aWNlcy1hZnRlcjo=", "ZGV2aWNlcy1hZnRlcjotMQ=="}) {
    EXPECT_EQ(query("SELECT * FROM devices", {{"x-ms-continuation", token}}).status, 400u) << token;
  }
  EXPECT_EQ(query("SELECT * FROM devices", {{"x-ms-max-item-count", "0"}}).status, 400u);
}

}  // namespace
}  // namespace meterhub::identity::test
