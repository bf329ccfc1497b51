// Goal: units move sums by what they changed and by nothing else, in any order; views say what sums hold.
#include <random>

#include <gmock/gmock.h>

#include <meterhub/base/time_text.h>
#include <meterhub/tables/database.h>
#include <meterhub/tables/usage.h>

#include "../../src/tables/usage_blobs.h"
#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

using base::Errc;
using namespace std::chrono_literals;

constexpr std::int64_t kHour = 494'000;
base::Timestamp hour(std::int64_t n) { return base::Timestamp(std::chrono::hours(n)); }

class UsageTest : public testing::Test {
 protected:
  void SetUp() override {
    change([&](db::Connection& c) -> base::Result<void> {
      north_ = MH_TRY(usage_place(c, {base::TenantNumber(1), "North", "A"}));
      south_ = MH_TRY(usage_place(c, {base::TenantNumber(2), "South, \"old\"", ""}));
      return {};
    });
  }
  void change(const std::function<base::Result<void>(db::Connection&)>& work) {
    const auto done = database_->transact(work);
    ASSERT_TRUE(done) << done.error().text;
  }
  void put(const UsageUnit& unit, const UsageSums& sums) {
    change([&](db::Connection& c) -> base::Result<void> {
      MH_TRY_VOID(put_usage_unit(c, unit, sums));
      return {};
    });
  }
  UsageUnit unit(std::int64_t at, std::uint8_t shard = 0) const {
    return {.key = {at, shard}, .files = "7", .computed = clock_.now()};
  }
  std::vector<UsageRow> rows(const UsageQuery& query) {
    std::vector<UsageRow> out;
    EXPECT_TRUE(database_->read([&](db::Connection& c) -> base::Result<void> {
      out = MH_TRY(usage_rows(c, query));
      return {};
    }));
    return out;
  }
  UsageKey five(UsagePlaceId place, std::int64_t at, int number) const {
    return {UsagePeriod::kFiveMinutes, place, hour(at) + number * 5min, hour(at) + (number + 1) * 5min};
  }
  UsageKey whole(UsagePlaceId place, std::int64_t at) const {
    return {UsagePeriod::kHour, place, hour(at), hour(at + 1)};
  }
  std::string told(const std::string& sql) {
    auto plain = *db::Connection::open(directory_ / "database.sqlite", {.read_only = true});
    auto row = plain->prepare(sql);
    if (!row) return row.error().text;
    std::string out;
    while (*row->step()) {
      for (int i = 0; i < row->columns(); ++i) out += (i > 0 ? " " : "") + std::string(row->text(i));
      out += '\n';
    }
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = *Database::open(directory_ / "database.sqlite", clock_);
  UsagePlaceId north_, south_;
};

TEST_F(UsageTest, AViewShowsCubicMetresAndWhetherARowIsFinal) {
  put(unit(kHour), {{whole(north_, kHour), {1'234, 34, 2, 240}}, {whole(south_, kHour), {-5, 0, 1, 1}}});
  change([&](db::Connection& c) { return set_usage_computed_to(c, hour(kHour + 1)); });
  EXPECT_EQ(
      told("SELECT period, begin_time, end_time, tenant, district, zone, used_m3, estimated_m3, meters, packets, final "
           "FROM usage_trend ORDER BY tenant"),
      "hour 2026-05-10T08:00:00Z 2026-05-10T09:00:00Z 1 North A 1.234 0.034 2 240 1\n"
      "hour 2026-05-10T08:00:00Z 2026-05-10T09:00:00Z 2 South, \"old\"  -0.005 0.000 1 1 1\n");
}

TEST_F(UsageTest, AUnitThatIsComputedAgainReplacesItself) {
  put(unit(kHour), {{five(north_, kHour, 0), {10, 0, 1, 2}}, {five(north_, kHour, 1), {20, 0, 1, 2}}});
  put(unit(kHour, 1), {{five(north_, kHour, 0), {5, 5, 1, 1}}});
  put(unit(kHour), {{five(north_, kHour, 0), {11, 1, 1, 3}}});
  const auto all = rows({.period = UsagePeriod::kFiveMinutes});
  ASSERT_EQ(all.size(), 1U) << "what nothing contributes to is no row";
  EXPECT_EQ(all[0].values, (UsageValues{16, 6, 2, 4}));
}

TEST_F(UsageTest, PeaksFollowTheirFiveMinutes) {
  put(unit(kHour), {{five(north_, kHour, 0), {10, 0, 1, 2}},
                    {five(north_, kHour, 7), {30, 0, 1, 2}},
                    {whole(north_, kHour), {40, 0, 1, 4}}});
  const auto period = whole(north_, kHour);
  change([&](db::Connection& c) { return renew_peaks(c, {&period, 1}); });
  EXPECT_EQ(told("SELECT period, district, peak_m3h, peak_time, mean_m3h, final FROM peak_flow"),
            "hour North 0.360 2026-05-10T08:35:00Z 0.040 0\n");
  put(unit(kHour), {});
  change([&](db::Connection& c) { return renew_peaks(c, {&period, 1}); });
  EXPECT_EQ(told("SELECT count(*) FROM usage_peaks"), "0\n");
}

TEST_F(UsageTest, RowsAreFilteredAndAddedUp) {
  UsagePlaceId other;
  change([&](db::Connection& c) -> base::Result<void> {
    other = MH_TRY(usage_place(c, {base::TenantNumber(1), "North", "B"}));
    return {};
  });
  put(unit(kHour), {{whole(north_, kHour), {1, 0, 1, 1}},
                    {whole(other, kHour), {2, 1, 1, 1}},
                    {whole(south_, kHour), {4, 0, 1, 1}}});
  EXPECT_EQ(rows({.tenant = base::TenantNumber(1)}).size(), 2U);
  EXPECT_EQ(rows({.district = "South, \"old\""}).at(0).values.used, 4);
  EXPECT_EQ(rows({.zone = "B"}).at(0).values.used, 2);
  EXPECT_TRUE(rows({.from = hour(kHour + 1)}).empty());
  const auto added = rows({.tenant = base::TenantNumber(1), .by_zone = false});
  ASSERT_EQ(added.size(), 1U);
  EXPECT_EQ(added[0].values, (UsageValues{3, 1, 2, 2}));
}

TEST_F(UsageTest, WhatIsBeforeTheCutOffIsFrozen) {
  put(unit(kHour), {{five(north_, kHour, 0), {10, 0, 1, 2}}, {whole(north_, kHour), {10, 0, 1, 2}}});
  put(unit(kHour + 1), {{five(north_, kHour + 1, 0), {10, 0, 1, 2}}});
  std::int64_t removed = 0;
  change([&](db::Connection& c) -> base::Result<void> {
    removed = MH_TRY(expire_usage(c, hour(kHour + 1)));
    return {};
  });
  EXPECT_EQ(removed, 2) << "five minutes and a contribution";
  EXPECT_EQ(rows({.period = UsagePeriod::kFiveMinutes}).size(), 1U);
  EXPECT_EQ(rows({.period = UsagePeriod::kHour}).size(), 1U);
  const auto late = database_->transact([&](db::Connection& c) -> base::Result<void> {
    MH_TRY_VOID(put_usage_unit(c, unit(kHour), {}));
    return {};
  });
  EXPECT_EQ(late.error().code, Errc::kPrecondition);
  // What a later unit spreads into that time counts in the hour, and makes no row of five minutes.
  put(unit(kHour + 1), {{five(north_, kHour, 3), {7, 7, 1, 0}}, {whole(north_, kHour), {7, 7, 0, 0}}});
  EXPECT_TRUE(rows({.period = UsagePeriod::kFiveMinutes}).empty());
  EXPECT_EQ(rows({.period = UsagePeriod::kHour}).at(0).values.used, 17);
}

TEST_F(UsageTest, AUnitIsRememberedWithItsMarks) {
  auto one = unit(kHour, 9);
  one.checksum = UINT64_MAX - 3;
  one.readings = 12;
  one.lake = 77;
  one.disordered = {0xFFFFFFFF00000001, 5};
  put(one, {});
  const UsageUnitKey key{kHour, 9}, none{kHour, 10};
  change([&](db::Connection& c) { return mark_usage_units(c, std::array{key, none}); });
  EXPECT_TRUE(database_->read([&](db::Connection& c) -> base::Result<void> {
    const auto marks = MH_TRY(usage_units(c));
    EXPECT_EQ(marks.size(), 1U);
    EXPECT_TRUE(marks.at(0).marked && marks.at(0).kept);
    EXPECT_EQ(marks.at(0).lake, 77U);
    const auto stored = MH_TRY(usage_unit(c, key));
    EXPECT_EQ(stored->checksum, one.checksum);
    EXPECT_EQ(stored->disordered, one.disordered);
    EXPECT_EQ(stored->computed, one.computed);
    EXPECT_FALSE(MH_TRY(usage_unit(c, none)));
    return {};
  }));
}

TEST_F(UsageTest, BlobsSurviveAndDamageIsFound) {
  std::mt19937_64 random(3);
  UsageSums sums;
  for (int i = 0; i < 500; ++i) {
    const auto at = kHour + static_cast<std::int64_t>(random() % 2'000) - 1'000;
    const UsagePlaceId place(static_cast<std::int64_t>(random() % 4));
    sums[five(place, at, static_cast<int>(random() % 12))] = {static_cast<std::int64_t>(random()), 1, 300, 1'000'000};
    sums[{UsagePeriod::kDay, place, hour(at), hour(at + 25)}] = {-1, 0, 1, 0};
  }
  const auto bytes = sums_bytes(sums);
  EXPECT_EQ(*parse_sums(bytes), sums);
  for (std::size_t size = 0; size < bytes.size(); size += 97) {
    const auto cut = parse_sums(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(!cut || cut->size() < sums.size());
  }
  const MeterSpans spans{{1, {-5, 7}}, {0xFFFFFFFFFFFFFFFF, {494'000, 494'000}}};
  EXPECT_EQ(*parse_spans(spans_bytes(spans)), spans);
  EXPECT_EQ(parse_spans("").error().code, Errc::kCorrupt);
  EXPECT_EQ(parse_meters("\x01"
                         "1234567")
                .error()
                .code,
            Errc::kCorrupt);
}

// A database of before, in which a job wrote into a table of the view's name.
TEST_F(UsageTest, AJobsTableOfThatNameGoesOnUnderAnother) {
  db::TemporaryDirectory old;
  {
    auto before = *db::Connection::open(old / "database.sqlite");
    ASSERT_TRUE(before->execute(
        "CREATE TABLE progress(job TEXT NOT NULL, output TEXT NOT NULL, part BIGINT NOT NULL, pos BIGINT NOT NULL, epoch BIGINT NOT NULL, PRIMARY KEY(job, output, part));"
        "CREATE TABLE outputs(job TEXT NOT NULL, output TEXT NOT NULL, table_name TEXT NOT NULL, retention_s BIGINT NOT NULL, PRIMARY KEY(job, output));"
        "CREATE TABLE output_columns(table_name TEXT NOT NULL, position BIGINT NOT NULL, name TEXT NOT NULL, type BIGINT NOT NULL, PRIMARY KEY(table_name, position));"
        "CREATE TABLE schema_migrations(number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL);"
        "INSERT INTO schema_migrations VALUES (1, 'outputs', 0);"
        "CREATE TABLE usage_trend(Flow TEXT); INSERT INTO usage_trend VALUES ('1');"
        "INSERT INTO outputs VALUES ('j', 'o', 'usage_trend', 0); INSERT INTO output_columns VALUES ('usage_trend', 0, 'Flow', 3);"));
  }
  const auto now = Database::open(old / "database.sqlite", clock_);
  ASSERT_TRUE(now) << now.error().text;
  EXPECT_EQ(*(*now)->tables(), (std::vector<std::string>{"alerts", "usage_trend_provisional"}));
  EXPECT_EQ((*now)
                ->declare({.job = "j", .output = "o", .table = "usage_trend", .columns = {{"Flow", ColumnType::kText}}})
                .error()
                .code,
            Errc::kInvalidArgument);
}

}  // namespace
}  // namespace meterhub::tables
