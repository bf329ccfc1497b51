#include <meterhub/tables/database.h>

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/db/connection.h>

#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

using base::Errc;
using namespace std::chrono_literals;

class DatabaseTest : public testing::Test {
 protected:
  std::unique_ptr<Database> open() { return std::move(*Database::open(directory_ / "database.sqlite", clock_)); }
  OutputId declare_alerts(Database& database) {
    return *database.declare({.job = "alert", .output = "SQLOutput", .table = "alerts", .columns = alert_columns()});
  }
  Row alert(std::int64_t pos, std::uint32_t tenant = 1, std::uint32_t part = 0) const {
    Row row{.identity = {part, pos, 0}, .tenant = base::TenantNumber(tenant), .event_time = clock_.now()};
    row.cells = {std::string("ffffffffffffff01"), std::string("2016-12-21T03:24:34Z"), std::int64_t{2}, std::int64_t{1},
                 1000.0, 4.171, 995.829, std::int64_t{4}, std::string("v1.0")};
    return row;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = open();
};

TEST_F(DatabaseTest, PlainSqliteReadsTheNineColumnsUnderTheirNames) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(7)}, {.to = 8, .epoch = base::Epoch(1)}));
  auto plain = *db::Connection::open(directory_ / "database.sqlite", {.read_only = true});
  auto row = *plain->prepare("SELECT DeviceID, DateTime, MeterType, FactoryCode, Bought, Remaining, TotalUsed, MeterStatus, "
                             "MeterSoftwareVer, Tenant FROM alerts");
  ASSERT_EQ(row.step(), true);
  EXPECT_EQ(row.text(0), "ffffffffffffff01");
  EXPECT_EQ(row.text(1), "2016-12-21T03:24:34Z");
  EXPECT_EQ(row.real(5), 4.171);
  EXPECT_EQ(row.text(8), "v1.0");
  EXPECT_EQ(row.integer(9), 1);
}

TEST_F(DatabaseTest, ARepeatedBlockAfterACrashIsFencedAndChangesNothing) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(0), alert(1)}, {.to = 2, .epoch = base::Epoch(1)}));
  const auto again = database_->write(output, {alert(0), alert(1)}, {.to = 2, .epoch = base::Epoch(1)});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Errc::kFenced);
  EXPECT_EQ(database_->count("alerts"), 2);
  EXPECT_EQ(*database_->progress(output, 0), 2);
}

TEST_F(DatabaseTest, AnOldOwnerThatWakesIsFenced) {
  const auto output = declare_alerts(*database_);
  auto other = open();
  const auto theirs = declare_alerts(*other);
  ASSERT_TRUE(database_->write(output, {alert(0)}, {.from = 0, .to = 1, .epoch = base::Epoch(1)}));
  ASSERT_TRUE(other->write(theirs, {}, {.from = 1, .to = 1, .epoch = base::Epoch(2)}));
  EXPECT_EQ(database_->write(output, {alert(1)}, {.from = 1, .to = 2, .epoch = base::Epoch(1)}).error().code, Errc::kFenced);
  EXPECT_TRUE(other->write(theirs, {alert(1)}, {.from = 1, .to = 2, .epoch = base::Epoch(2)}));
  EXPECT_EQ(other->count("alerts"), 2);
}

TEST_F(DatabaseTest, EveryPartHasItsOwnProgress) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(5, 1, 3)}, {.part = 3, .to = 6, .epoch = base::Epoch(1)}));
  EXPECT_EQ(*database_->progress(output, 3), 6);
  EXPECT_EQ(*database_->progress(output, 0), std::nullopt);
}

TEST_F(DatabaseTest, ARowWithAKnownIdentityIsThereOnce) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(0), alert(0)}, {.to = 1, .epoch = base::Epoch(1)}));
  EXPECT_EQ(database_->count("alerts"), 1);
}

TEST_F(DatabaseTest, ReadersSeeTheLastRowsOneTenantsRowsAndWhatIsNew) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(0, 1), alert(1, 2), alert(2, 1)}, {.to = 3, .epoch = base::Epoch(1)}));
  const auto last = *database_->last("alerts", 2);
  ASSERT_EQ(last.rows.size(), 2u);
  EXPECT_EQ(last.rows[0].identity.pos, 2);
  EXPECT_EQ(last.rows[1].identity.pos, 1);
  EXPECT_EQ(last.columns, alert_columns());
  EXPECT_EQ(database_->last("alerts", 10, base::TenantNumber(2))->rows.size(), 1u);
  EXPECT_EQ(database_->count("alerts", base::TenantNumber(1)), 2);
  EXPECT_EQ(database_->after("alerts", last.rows[1].id, 10)->rows.size(), 1u);
  EXPECT_EQ(database_->newest_id("alerts"), last.rows[0].id);
  EXPECT_EQ(database_->last("nothing", 1).error().code, Errc::kNotFound);
}

TEST_F(DatabaseTest, IsReadWhileSomebodyWrites) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(0)}, {.to = 1, .epoch = base::Epoch(1)}));
  const auto work = [&](db::Connection& connection) -> base::Result<void> {
    EXPECT_TRUE(connection.execute("DELETE FROM alerts"));
    const auto readers = std::async(std::launch::async, [&] {
      EXPECT_EQ(database_->count("alerts"), 1);
      EXPECT_EQ(database_->last("alerts", 10)->rows.size(), 1u);
      EXPECT_TRUE(database_->read([](db::Connection& mine) -> base::Result<void> {
        EXPECT_EQ(mine.query_integer("SELECT count(*) FROM alerts"), 1);
        return {};
      }));
    });
    readers.wait();
    return {};
  };
  ASSERT_TRUE(database_->transact(work));
  EXPECT_EQ(database_->count("alerts"), 0);
}

TEST_F(DatabaseTest, KeepsAlertsSevenDays) {
  const auto output = declare_alerts(*database_);
  ASSERT_TRUE(database_->write(output, {alert(0)}, {.to = 1, .epoch = base::Epoch(1)}));
  clock_.advance(std::chrono::days(6));
  ASSERT_TRUE(database_->write(output, {alert(1)}, {.from = 1, .to = 2, .epoch = base::Epoch(1)}));
  EXPECT_EQ(database_->expire(), 0);
  clock_.advance(std::chrono::days(1) + 1s);
  EXPECT_EQ(database_->expire(), 1);
  EXPECT_EQ(database_->last("alerts", 10)->rows.at(0).identity.pos, 1);
}

TEST_F(DatabaseTest, MakesATableOfAnyColumns) {
  const std::vector<Column> columns{{"when", ColumnType::kDatetime}, {"a \"b\"", ColumnType::kDecimal}, {"ok", ColumnType::kBit},
                                    {"n", ColumnType::kBigint},      {"x", ColumnType::kFloat}};
  const auto output = *database_->declare({.job = "j", .output = "o", .table = "trends", .columns = columns});
  Row row{.identity = {0, 1, 0}};
  row.cells = {clock_.now(), std::string("979.171"), true, std::monostate(), 1.5};
  ASSERT_TRUE(database_->write(output, {row}, {.to = 2, .epoch = base::Epoch(1)}));
  EXPECT_EQ(database_->last("trends", 1)->rows.at(0).cells, row.cells);
  EXPECT_THAT(*database_->tables(), testing::ElementsAre("alerts", "trends"));
}

// Queries of the pack select columns named Tenant and Id.
TEST_F(DatabaseTest, KeepsColumnsThatAreNamedLikeItsOwn) {
  const std::vector<Column> columns{{"tenant", ColumnType::kText}, {"Id", ColumnType::kText}, {"_ID", ColumnType::kText},
                                    {"CreatedAt", ColumnType::kBigint}, {"Job", ColumnType::kText}};
  const auto output = *database_->declare({.job = "j", .output = "o", .table = "t", .columns = columns, .retention = 10s});
  Row row{.identity = {0, 1, 0}, .tenant = base::TenantNumber(3)};
  row.cells = {std::string("north"), std::string("a"), std::string("b"), std::int64_t{5}, std::string("x")};
  ASSERT_TRUE(database_->write(output, {row}, {.to = 2, .epoch = base::Epoch(1)}));
  const auto stored = database_->last("t", 1, base::TenantNumber(3))->rows.at(0);
  EXPECT_EQ(stored.cells, row.cells);
  EXPECT_EQ(stored.tenant.value, 3U);
  EXPECT_EQ(stored.job, "j");
  EXPECT_EQ(database_->count("t", base::TenantNumber(3)), 1);
  EXPECT_EQ(database_->count("t", base::TenantNumber(4)), 0);
  auto plain = *db::Connection::open(directory_ / "database.sqlite", {.read_only = true});
  auto names = *plain->prepare("SELECT tenant, _Tenant, Id, _ID, __Id, _CreatedAt, _Job, Output FROM t");
  ASSERT_EQ(names.step(), true);
  clock_.advance(11s);
  EXPECT_EQ(database_->expire(), 1);
}

TEST_F(DatabaseTest, RefusesOutputsThatDoNotFit) {
  const auto code = [&](std::string table, std::vector<Column> columns) {
    return database_->declare({.job = "j", .output = "o", .table = std::move(table), .columns = std::move(columns)}).error().code;
  };
  EXPECT_EQ(code("alerts", {{"a", ColumnType::kText}}), Errc::kPrecondition);
  EXPECT_EQ(code("progress", {{"a", ColumnType::kText}}), Errc::kInvalidArgument);
  EXPECT_EQ(code("a b", {{"a", ColumnType::kText}}), Errc::kInvalidArgument);
  EXPECT_EQ(code("t", {}), Errc::kInvalidArgument);
  EXPECT_EQ(code("t", {{"a", ColumnType::kText}, {"A", ColumnType::kText}}), Errc::kInvalidArgument);
}

}  // namespace
}  // namespace meterhub::tables
