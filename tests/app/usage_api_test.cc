#include "usage_api.h"

#include <algorithm>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <meterhub/base/time_text.h>
#include <meterhub/console/caller.h>
#include <meterhub/registry/store.h>
#include <meterhub/tables/database.h>

#include "../support/temporary_directory.h"

namespace meterhub::app {
namespace {

using nlohmann::json;
using tables::UsagePeriod;
using namespace std::chrono_literals;

base::Timestamp at(std::string_view text) { return base::parse_rfc3339(text).value().at; }

class UsageApiTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto store = std::move(*registry::Store::open({folder_ / "registry.sqlite", {}}, clock_));
    for (const auto* const name : {"Gas", "Other"}) ASSERT_TRUE(store->add_tenant("test", name));
    registry::MeterSpec spec;
    spec.eui = base::Eui64(1);
    spec.tenant = "Gas";
    ASSERT_TRUE(store->add_meter("test", spec));
    ASSERT_TRUE(directory_.load(*store));
    const auto database = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
    const auto fill = [&](db::Connection& connection) -> base::Result<void> {
      tables::UsageSums sums;
      for (const auto& [tenant, zone] : {std::pair("Gas", "high"), {"Gas", "low"}, {"Other", "low"}}) {
        const auto place = MH_TRY(tables::usage_place(connection, {store->tenant(tenant)->number, "=North", zone}));
        // The last day of October and the first two of November, as Shanghai has them.
        for (int day = 0; day < 3; ++day) {
          const auto begin = at("2026-10-30T16:00:00Z") + std::chrono::days(day);
          sums[{UsagePeriod::kDay, place, begin, begin + 24h}] = {1'001 + day, 1, 2, 10};
        }
        sums[{UsagePeriod::kHour, place, at("2026-10-31T00:00:00Z"), at("2026-10-31T01:00:00Z")}] = {-20, 0, 2, 3};
      }
      MH_TRY_VOID(tables::put_usage_unit(connection, {.key = {0, 0}, .files = {}}, sums));
      return tables::set_usage_computed_to(connection, at("2026-10-31T16:00:00Z"));
    };
    const auto done = database->transact(fill);
    ASSERT_TRUE(done) << done.error().text;
  }

  http::Response ask(const std::string& path, http::Fields query, bool local = true) {
    http::Request request;
    request.path = path;
    request.query = std::move(query);
    request.local = local;
    return api_.answer(request);
  }
  // As a key of that tenant.
  json rows_for(const std::string& tenant, http::Fields query) {
    const auto tenants = directory_.tenants();
    http::Request request;
    request.path = "/api/v1/usage";
    request.query = std::move(query);
    request.query.emplace_back("from", "2026-10-01T00:00:00Z");
    request.asker = console::Caller{.actor = "api:test",
                                    .tenant = std::ranges::find(tenants, tenant, &registry::Tenant::name)->number};
    return json::parse(api_.answer(request).body)["rows"];
  }
  json rows(http::Fields query) {
    query.emplace_back("from", "2026-10-01T00:00:00Z");
    return json::parse(ask("/api/v1/usage", std::move(query)).body)["rows"];
  }

  static std::size_t console_columns(std::string_view path) { return usage_form(path).columns.size(); }

  test::TemporaryDirectory folder_;
  base::ManualClock clock_{at("2026-12-01T00:00:00Z")};
  base::PosixDisk disk_;
  registry::Directory directory_;
  UsageApi api_{{directory_, disk_, clock_, (folder_ / "lake").string(), folder_ / "database.sqlite"}};
};

TEST_F(UsageApiTest, ShowsCubicMetresAndWhatIsFinal) {
  const auto response = ask("/api/v1/usage", {{"by", "hour"}, {"from", "2026-10-01T00:00:00Z"}, {"zone", "high"}});
  EXPECT_EQ(
      response.body,
      R"({"by":"hour","computed_to":"2026-10-31T16:00:00Z","rows":[{"begin":"2026-10-31T00:00:00Z","end":"2026-10-31T01:00:00Z",)"
      R"("tenant":"Gas","district":"=North","zone":"high","used":-0.020,"estimated":0.000,"meters":2,"packets":3,"final":true}],"truncated":false})");
  const auto days = rows({{"by", "day"}, {"tenant", "Gas"}, {"sum", "district"}});
  ASSERT_EQ(days.size(), 3U);
  EXPECT_EQ(days[0]["used"], 2.002);
  EXPECT_FALSE(days[0].contains("zone"));
  EXPECT_EQ(days[0]["final"], true);
  EXPECT_EQ(days[1]["final"], false);
}

TEST_F(UsageApiTest, MonthsAreTheTenantsOwn) {
  const auto months = rows({{"by", "month"}, {"tenant", "Gas"}, {"sum", "tenant"}, {"from", "2026-09-30T16:00:00Z"}});
  ASSERT_EQ(months.size(), 2U);
  EXPECT_EQ(months[0]["begin"], "2026-09-30T16:00:00Z");
  EXPECT_EQ(months[0]["used"], 2.002);
  EXPECT_EQ(months[1]["used"], 2 * (1.002 + 1.003));
  EXPECT_TRUE(months[1]["meters"].is_null());
}

// A request that passed no guard is somebody's who sees nothing: the place where tenants are kept apart.
TEST_F(UsageApiTest, WhoSeesNoTenantSeesNothing) {
  for (const auto* const path : {"/api/v1/usage", "/api/v1/peaks"}) {
    for (const auto& query : {http::Fields{}, {{"tenant", "Gas"}}, {{"district", "=North"}}, {{"by", "day"}}}) {
      auto fields = query;
      fields.emplace_back("from", "2026-10-01T00:00:00Z");
      EXPECT_TRUE(json::parse(ask(path, fields, false).body)["rows"].empty()) << path;
    }
  }
  EXPECT_EQ(ask("/api/v1/meters/0000000000000001/usage", {}, false).status, 404U);
  EXPECT_EQ(ask("/api/v1/meters/0000000000000001/usage", {}, false).body.find("Gas"), std::string::npos);
}

TEST_F(UsageApiTest, ATenantsKeySeesItsOwnAlone) {
  EXPECT_EQ(rows_for("Gas", {}).size(), 2U);
  EXPECT_EQ(rows_for("Other", {{"by", "day"}}).size(), 3U);
  EXPECT_TRUE(rows_for("Other", {{"tenant", "Gas"}}).empty());
  for (const auto& row : rows_for("Other", {{"district", "=North"}})) EXPECT_EQ(row["tenant"], "Other");
}

TEST_F(UsageApiTest, SaysWhatIsWrongWithAQuestion) {
  EXPECT_EQ(ask("/api/v1/usage", {{"by", "week"}}).status, 400U);
  EXPECT_EQ(ask("/api/v1/usage", {{"sum", "street"}}).status, 400U);
  EXPECT_EQ(ask("/api/v1/usage", {{"from", "yesterday"}}).status, 400U);
  EXPECT_EQ(ask("/api/v1/peaks", {{"by", "5min"}}).status, 400U);
  EXPECT_EQ(ask("/api/v1/meters/0000000000000002/usage", {}).status, 404U);
  EXPECT_EQ(ask("/api/v1/meters/0000000000000001/usage", {{"by", "5min"}, {"from", "1990-01-01T00:00:00Z"}}).status,
            400U);
  EXPECT_TRUE(rows({{"tenant", "nobody"}}).empty());
}

TEST_F(UsageApiTest, ManyRowsAreCutAndItSaysSo) {
  const auto database = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
  const auto fill = [](db::Connection& connection) -> base::Result<void> {
    const auto place = MH_TRY(tables::usage_place(connection, {base::TenantNumber(1), "Many", {}}));
    tables::UsageSums sums;
    for (int i = 0; i <= 10'000; ++i) {
      const auto begin = at("2026-01-01T00:00:00Z") + i * 5min;
      sums[{UsagePeriod::kFiveMinutes, place, begin, begin + 5min}] = {1, 0, 1, 1};
    }
    MH_TRY_VOID(tables::put_usage_unit(connection, {.key = {1, 0}, .files = {}}, sums));
    return {};
  };
  ASSERT_TRUE(database->transact(fill));
  const auto answer = json::parse(ask("/api/v1/usage", {{"by", "5min"}, {"from", "2026-01-01T00:00:00Z"}}).body);
  EXPECT_EQ(answer["rows"].size(), 10'000U);
  EXPECT_EQ(answer["truncated"], true);
}

TEST_F(UsageApiTest, ExportsHaveAColumnForEveryValue) {
  const auto exported = [&](const std::string& path, http::Fields query) {
    http::Request request;
    request.path = path;
    request.query = std::move(query);
    request.query.emplace_back("from", "2026-09-30T16:00:00Z");
    request.local = true;
    auto rows = api_.rows(request);
    EXPECT_TRUE(rows) << rows.error().text;
    for (const auto& row : *rows) EXPECT_EQ(row.size(), console_columns(path));
    return *rows;
  };
  const auto hours = exported("/api/v1/usage", {{"zone", "high"}});
  ASSERT_EQ(hours.size(), 1U);
  EXPECT_EQ(std::get<std::int64_t>(hours[0][5]), -20);
  EXPECT_EQ(std::get<std::int64_t>(hours[0][7]), 2);
  EXPECT_EQ(std::get<bool>(hours[0][9]), true);
  const auto months = exported("/api/v1/usage", {{"by", "month"}, {"tenant", "Gas"}, {"sum", "tenant"}});
  ASSERT_EQ(months.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(months[0][7])) << "days do not say how many meters a month has";
  EXPECT_TRUE(exported("/api/v1/peaks", {}).empty()) << "nobody has computed any";
  const auto figures = exported("/api/v1/meters/0000000000000001/usage", {{"to", "2026-10-03T16:00:00Z"}});
  ASSERT_EQ(figures.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(figures[0][2]));
}

// A meter without a reading has periods without figures.
TEST_F(UsageApiTest, AMeterThatNeverSentHasNoFigures) {
  const auto answer =
      json::parse(ask("/api/v1/meters/0000000000000001/usage", {{"by", "day"}, {"from", "2026-11-29T00:00:00Z"}}).body);
  ASSERT_EQ(answer["figures"].size(), 3U);
  for (const auto& figure : answer["figures"])
    EXPECT_TRUE(figure["used"].is_null() && figure["from"].is_null()) << figure;
}

}  // namespace
}  // namespace meterhub::app
