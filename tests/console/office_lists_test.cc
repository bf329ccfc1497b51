// Episodes and figures of the office over real HTTP: lists, histories, what people do, and whose is whose.
#include <gmock/gmock.h>

#include <meterhub/console/office_lists.h>
#include <meterhub/tables/completeness.h>
#include <meterhub/tables/episodes.h>

#include "console_fixture.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;
using alarm::Rule;
using nlohmann::json;
using testing::ElementsAre;

class OfficeListsTest : public test::ConsoleFixture {
 protected:
  alarm::Episodes episodes_{alarm::Policies()};
  fleet::Surveyed surveyed_;
  fleet::Completeness completeness_;
  bool writes_ = true;

  void SetUp() override {
    ASSERT_TRUE(town_.store->add_tenant("test", "Wuhan Gas"));
    registry::MeterSpec other;
    other.eui = base::Eui64(5);
    other.tenant = "Wuhan Gas";
    other.district = "Hankou";
    other.building = "Tower W";
    ASSERT_TRUE(town_.store->update_meter("test", other));
    ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
    start();
    add_office_lists(*console_, {.episodes = episodes_,
                                 .directory = town_.directory_of_meters,
                                 .clock = clock_,
                                 .database = *town_.database,
                                 .waiting = *loop_,
                                 .surveyed = [this]() -> const fleet::Surveyed& { return surveyed_; },
                                 .completeness = [this]() -> const fleet::Completeness& { return completeness_; },
                                 .act = [this](OfficeView::Act act,
                                               OfficeView::Done done) { this->act(std::move(act), std::move(done)); }});
    raise(Rule::kLowBalance, 1, "left 4.000 m3");
    raise(Rule::kLeak, 2, "130 min");
    raise(Rule::kTamper, 5, "status 12");
    write();
  }
  void act(OfficeView::Act act, OfficeView::Done done) {
    auto outcome = act(episodes_);
    write();
    done(outcome);
  }
  void write() {
    const auto changes = episodes_.take_changes();
    ASSERT_TRUE(town_.database->transact(
        [&](db::Connection& connection) { return tables::write_episodes(connection, changes); }));
  }
  void observe(Rule rule, std::uint64_t eui, bool active, std::string_view detail) {
    episodes_.observe({.rule = rule,
                       .subject = alarm::Subject::meter(base::Eui64(eui)),
                       .tenant = town_.directory_of_meters.meter(base::Eui64(eui))->tenant,
                       .active = active,
                       .at = clock_.now(),
                       .detail = detail});
    clock_.advance(1s);
  }
  void raise(Rule rule, std::uint64_t eui, std::string_view detail) { observe(rule, eui, true, detail); }

  std::vector<std::string> rules(std::string query) {
    std::vector<std::string> out;
    const auto page = read("/api/v1/episodes" + query);
    for (const auto& row : page["rows"]) out.push_back(row["rule"]);
    return out;
  }
  http::Response post(std::string target, std::string body) {
    return *beside([=, at = *console_->address()] {
      return http::Client::tcp(at).request(
          http::Method::kPost, target, body,
          {{"Authorization", "Bearer 0123456789abcdef"}, {"Content-Type", "application/json"}});
    });
  }
  json act(std::string target, std::string body) {
    const auto answer = post("/api/v1/episodes/" + target, body);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
};

TEST_F(OfficeListsTest, TheGravestComeFirst) {
  EXPECT_THAT(rules(""), ElementsAre("leak", "tamper", "low_balance"));
  EXPECT_THAT(rules("?sort=raised"), ElementsAre("low_balance", "leak", "tamper"));
  EXPECT_THAT(rules("?sort=raised&limit=1&offset=1"), ElementsAre("leak"));
  const auto page = read("/api/v1/episodes?limit=1");
  EXPECT_EQ(page["total"], 3);
  const auto& row = page["rows"][0];
  EXPECT_EQ(row["subject"], "0000000000000002");
  EXPECT_EQ(row["building"], "Tower A");
  EXPECT_EQ(row["district"], "Yuzhong");
  EXPECT_EQ(row["tenant"], "Chongqing Gas");
  EXPECT_EQ(row["state"], "unacknowledged");
  EXPECT_EQ(row["detail"], "130 min");
}

TEST_F(OfficeListsTest, FiltersKnowPlacesAndWords) {
  EXPECT_THAT(rules("?rule=leak,low_balance&sort=raised"), ElementsAre("low_balance", "leak"));
  EXPECT_THAT(rules("?building=Tower%20W"), ElementsAre("tamper"));
  EXPECT_THAT(rules("?district=Yuzhong&severity=emergency"), ElementsAre("leak"));
  episodes_.observe(
      {.rule = Rule::kIncomplete,
       .subject = alarm::Subject::named(alarm::SubjectKind::kBuilding, "Chongqing Gas / Yuzhong / Tower A"),
       .tenant = base::TenantNumber(1),
       .active = true,
       .at = clock_.now()});
  EXPECT_THAT(rules("?district=Yuzhong&kind=building"), ElementsAre("incomplete"));
  EXPECT_THAT(rules("?building=Tower%20A&rule=incomplete"), ElementsAre("incomplete"));
  EXPECT_THAT(rules("?district=Nowhere"), ElementsAre());
  EXPECT_THAT(rules("?tenant=Wuhan%20Gas"), ElementsAre("tamper"));
  EXPECT_THAT(rules("?q=130%20MIN"), ElementsAre("leak"));
  EXPECT_THAT(rules("?subject=0000000000000001"), ElementsAre("low_balance"));
  EXPECT_THAT(rules("?q=%25'%20OR%201=1"), ElementsAre());
  EXPECT_EQ(get("/api/v1/episodes?state=open").status, 400u);
  EXPECT_EQ(get("/api/v1/episodes?colour=red").status, 400u);
}

TEST_F(OfficeListsTest, PeopleActOnOneOrOnAllThatAFilterAdmits) {
  EXPECT_EQ(act("acknowledge?rule=leak", R"({"by":"李娜"})"), json::parse(R"({"done":1,"refused":0,"refusals":[]})"));
  EXPECT_THAT(rules("?state=acknowledged"), ElementsAre("leak"));
  EXPECT_EQ(act("assign", R"({"ids":[1,3,99],"owner":"wang"})")["refusals"],
            json::parse(R"([{"id":99,"why":"unknown"}])"));
  EXPECT_THAT(rules("?owner=wang&sort=raised"), ElementsAre("low_balance", "tamper"));
  EXPECT_EQ(act("comment", R"({"all":true,"text":"looked at"})")["done"], 3);
  EXPECT_EQ(act("shelve?rule=low_balance", R"({"until":"2024-01-01T00:00:00Z"})")["done"], 1);
  EXPECT_EQ(post("/api/v1/episodes/shelve?rule=low_balance", R"({"until":"2099-01-01T00:00:00Z"})").status, 400u);
  EXPECT_THAT(rules("?state=shelved"), ElementsAre("low_balance"));
  const auto history = read("/api/v1/episodes/2")["history"];
  ASSERT_EQ(history.size(), 3u);
  EXPECT_EQ(history[1]["what"], "acknowledged");
  EXPECT_EQ(history[1]["who"], "console:李娜");
  EXPECT_EQ(history[2]["text"], "looked at");
  EXPECT_EQ(read("/api/v1/episodes/counts")["by_state"]["acknowledged"], 1);
}

TEST_F(OfficeListsTest, WhatIsWrongIsRefusedAndNothingDone) {
  for (const auto& [target, body] :
       std::vector<std::pair<std::string, std::string>>{{"acknowledge", "{}"},
                                                        {"acknowledge", "[1]"},
                                                        {"acknowledge", R"({"ids":"all"})"},
                                                        {"acknowledge", R"({"ids":[-1]})"},
                                                        {"acknowledge", R"({"everything":true})"},
                                                        {"acknowledge", R"({"all":"yes"})"},
                                                        {"assign", R"({"all":true})"},
                                                        {"comment", R"({"all":true,"text":""})"},
                                                        {"clear", R"({"all":true})"},
                                                        {"shelve", R"({"all":true,"until":"tomorrow"})"},
                                                        {"acknowledge?rule=fire", "{}"},
                                                        {"acknowledge", R"({"all":true,"by":7})"}})
    EXPECT_EQ(post("/api/v1/episodes/" + target, body).status, 400u) << target << body;
  EXPECT_EQ(post("/api/v1/episodes/explode", R"({"all":true})").status, 404u);
  EXPECT_EQ(get("/api/v1/episodes/77").status, 404u);
  EXPECT_EQ(get("/api/v1/episodes/x").status, 404u);
  EXPECT_THAT(rules("?state=unacknowledged").size(), 3u);
}

TEST_F(OfficeListsTest, ThoseThatAreOverAreListedFromTheDatabase) {
  observe(Rule::kLowBalance, 1, false, "");
  episodes_.tick(clock_.now());
  write();
  EXPECT_THAT(rules("?sort=raised"), ElementsAre("leak", "tamper"));
  const auto page = read("/api/v1/episodes/cleared");
  EXPECT_EQ(page["total"], 1);
  EXPECT_EQ(page["rows"][0]["rule"], "low_balance");
  EXPECT_EQ(page["rows"][0]["state"], "cleared");
  EXPECT_EQ(read("/api/v1/episodes/cleared?meter=0000000000000002")["total"], 0);
  EXPECT_EQ(read("/api/v1/episodes/1")["state"], "cleared");
}

TEST_F(OfficeListsTest, ATenantsKeySeesAndActsOnItsOwn) {
  const auto tenant = town_.store->tenant("Wuhan Gas")->name;
  const auto key =
      town_.store->add_api_key("test", {.name = "wuhan", .tenant = tenant, .right = registry::Right::kOperate});
  ASSERT_TRUE(key) << key.error().text;
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  const http::Fields wuhan{{"Authorization", "Bearer " + key->text}};
  const auto page = json::parse(get("/api/v1/episodes", wuhan).body);
  EXPECT_EQ(page["total"], 1);
  EXPECT_EQ(page["rows"][0]["rule"], "tamper");
  EXPECT_EQ(get("/api/v1/episodes/2", wuhan).status, 404u);
  const auto answer = *beside([&, at = *console_->address()] {
    return http::Client::tcp(at).request(http::Method::kPost, "/api/v1/episodes/acknowledge", R"({"ids":[1,2,3]})",
                                         wuhan);
  });
  EXPECT_EQ(json::parse(answer.body)["done"], 1) << answer.body;
  EXPECT_EQ(json::parse(answer.body)["refused"], 2);
  EXPECT_THAT(rules("?state=acknowledged"), ElementsAre("tamper"));
}

// Moved to another tenant, with a new address there.
TEST_F(OfficeListsTest, AFormerTenantsEpisodeDoesNotSayWhereTheMeterIsNow) {
  observe(Rule::kLowBalance, 1, false, "");
  write();
  for (const auto eui : {1, 2}) {
    registry::MeterSpec moved;
    moved.eui = base::Eui64(static_cast<std::uint64_t>(eui));
    moved.tenant = "Wuhan Gas";
    moved.district = "Hankou";
    moved.building = "Tower W";
    ASSERT_TRUE(town_.store->update_meter("test", moved));
  }
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  for (const auto* const list : {"/api/v1/episodes?rule=leak", "/api/v1/episodes/cleared"}) {
    const auto page = read(list);
    ASSERT_EQ(page["total"], 1) << list;
    EXPECT_EQ(page["rows"][0]["tenant"], "Chongqing Gas");
    for (const auto* const column : {"district", "building", "floor", "unit"})
      EXPECT_EQ(page["rows"][0][column], "") << list << " " << column;
  }
  EXPECT_EQ(read("/api/v1/episodes/2")["building"], "");
  EXPECT_THAT(rules("?building=Tower%20W"), ElementsAre("tamper")) << "no filter tells it either";
  EXPECT_THAT(rules("?q=Hankou"), ElementsAre("tamper"));
}

TEST_F(OfficeListsTest, BuildingsAndDistrictsStandAsSurveyed) {
  surveyed_.as_of = clock_.now();
  for (auto& building : town_.directory_of_meters.buildings())
    surveyed_.buildings.push_back(
        {building, {.meters = 4, .online = 3, .silent = 1, .open_alarms = 2, .flow = 1'234, .used_today = 5'678}});
  surveyed_.districts.push_back({base::TenantNumber(1), "Yuzhong", 2, {.meters = 8}});
  const auto rows = read("/api/v1/building-status?building=Tower%20A")["rows"];
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["silent"], 1);
  EXPECT_EQ(rows[0]["flow"], 1.234);
  EXPECT_EQ(rows[0]["used_today"], 5.678);
  EXPECT_EQ(read("/api/v1/district-status")["rows"][0]["meters"], 8);
  EXPECT_EQ(get("/api/v1/building-status?format=csv").header("Content-Type"), "text/csv; charset=utf-8");
}

TEST_F(OfficeListsTest, CompletenessTellsWhatIsMissingAndWhy) {
  completeness_.as_of = clock_.now();
  fleet::CountedArea area{.kind = fleet::AreaKind::kDistrict, .tenant = base::TenantNumber(1), .district = "Yuzhong"};
  area.figures.yesterday.received = 95;
  area.figures.yesterday.late = 2;
  area.figures.yesterday.missing[static_cast<std::size_t>(fleet::Missing::kLost)] = 4;
  area.figures.yesterday.missing[static_cast<std::size_t>(fleet::Missing::kSilent)] = 1;
  completeness_.areas.push_back(area);
  const auto page = read("/api/v1/completeness?day=yesterday&kind=district");
  ASSERT_EQ(page["rows"].size(), 1u);
  const auto& row = page["rows"][0];
  EXPECT_EQ(row["expected"], 100);
  EXPECT_EQ(row["received"], 95);
  EXPECT_EQ(row["lost"], 4);
  EXPECT_EQ(row["silent"], 1);
  EXPECT_EQ(row["percent"], 95.0);
  EXPECT_EQ(read("/api/v1/completeness?kind=gateway")["total"], 0);
  const auto today = read("/api/v1/completeness?day=today");
  EXPECT_EQ(today["rows"][0]["percent"], nullptr) << "nothing was expected yet";
}

TEST_F(OfficeListsTest, ClosedDaysAreAListOfTheDatabase) {
  const auto row = [](std::uint32_t tenant, std::string_view kind, std::string subject, std::int32_t day) {
    tables::CompletenessRow out{
        .day = day, .tenant = base::TenantNumber(tenant), .kind = kind, .subject = std::move(subject)};
    out.received = 90;
    out.missing[static_cast<std::size_t>(tables::MissingColumn::kLost)] = 10;
    return out;
  };
  const std::vector rows{row(1, "tenant", "Chongqing Gas", 20'777), row(1, "tenant", "Chongqing Gas", 20'778),
                         row(1, "meter", "0000000000000001", 20'777), row(2, "tenant", "Wuhan Gas", 20'777)};
  ASSERT_TRUE(town_.database->transact(
      [&](db::Connection& connection) { return tables::write_completeness(connection, rows); }));
  const auto page = read("/api/v1/completeness/days");
  EXPECT_EQ(page["total"], 3) << "meters are told to those who ask for them";
  EXPECT_EQ(page["rows"][0]["day"], "2026-11-20");
  EXPECT_EQ(page["rows"][0]["percent"], 90.0);
  EXPECT_EQ(page["rows"][0]["lost"], 10);
  EXPECT_EQ(page["rows"][1]["day"], "2026-11-21");
  EXPECT_EQ(read("/api/v1/completeness/days?limit=1&offset=2")["rows"][0]["tenant"], "Wuhan Gas");
  EXPECT_EQ(read("/api/v1/completeness/days?kind=meter")["rows"][0]["subject"], "0000000000000001");
  EXPECT_EQ(read("/api/v1/completeness/days?from=2026-11-21")["total"], 1);
  EXPECT_EQ(read("/api/v1/completeness/days?to=2026-11-20&tenant=Wuhan%20Gas")["total"], 1);
  EXPECT_EQ(read("/api/v1/completeness/days?tenant=nobody")["total"], 0);
  for (const auto* const wrong : {"2026-11-31", "yesterday", "2026-11-2", "20261120xx"})
    EXPECT_EQ(get(std::string("/api/v1/completeness/days?from=") + wrong).status, 400u) << wrong;
}

}  // namespace
}  // namespace meterhub::console
