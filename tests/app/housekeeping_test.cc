#include "housekeeping.h"

#include <gtest/gtest.h>

#include "folder.h"

namespace meterhub::app {
namespace {

using std::chrono::days;
using std::chrono::seconds;

class HousekeepingTest : public testing::Test {
 protected:
  HousekeepingTest() {
    registry::Store::Options how;
    how.file = folder_.path() + "/registry.sqlite";
    how.master_key.fill(7);
    store_ = std::move(*registry::Store::open(how, clock_));
    database_ = std::move(*tables::Database::open(folder_.path() + "/database.sqlite", clock_));
    EXPECT_TRUE(store_->add_tenant("test", "Chongqing Gas"));
    output_ = *database_->declare({.job = "j", .output = "o", .table = "alerts", .columns = tables::alert_columns()});
  }
  void write_alerts(std::int64_t count) {
    std::vector<tables::Row> rows;
    for (std::int64_t i = 0; i < count; ++i) {
      tables::Row row{.identity = {0, written_ + i, 0}};
      row.cells.resize(tables::alert_columns().size(), std::monostate());
      rows.push_back(std::move(row));
    }
    ASSERT_TRUE(database_->write(output_, rows, {.from = written_, .to = written_ + count, .epoch = base::Epoch(1)}));
    written_ += count;
  }
  registry::MeterSpec meter(std::uint32_t address) const {
    registry::MeterSpec out;
    out.eui = base::Eui64(1);
    out.tenant = "Chongqing Gas";
    out.keys = registry::AbpKeys{base::DevAddr(address), {}, {}};
    return out;
  }

  const Folder folder_;
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  std::unique_ptr<registry::Store> store_;
  std::unique_ptr<tables::Database> database_;
  tables::OutputId output_{};
  std::int64_t written_ = 0;
};

TEST_F(HousekeepingTest, AlertsGoAfterSevenDaysAFewAtATime) {
  write_alerts(250);
  clock_.advance(days(6));
  write_alerts(10);
  HousekeepingOptions options;
  options.rows_at_once = 100;
  Housekeeping housekeeping(*store_, *database_, executor_, metrics_, options);
  EXPECT_EQ(*database_->count("alerts"), 260);
  clock_.advance(days(1) + seconds(1));
  executor_.run_ready();
  EXPECT_EQ(*database_->count("alerts"), 160);
  executor_.run_for(seconds(5));
  EXPECT_EQ(*database_->count("alerts"), 10);
  EXPECT_EQ(metrics_.total("meterhub_app_rows_expired_total"), 250U);
}

TEST_F(HousekeepingTest, ForgetsOldChangesAndKeysThatNoPacketNeedsAnyMore) {
  ASSERT_TRUE(store_->add_meter("test", meter(1)));
  ASSERT_TRUE(store_->update_meter("test", meter(2)));
  HousekeepingOptions options;
  options.rows_every = std::chrono::hours(1);
  Housekeeping housekeeping(*store_, *database_, executor_, metrics_, options);
  EXPECT_EQ(store_->sessions({}, 10)->size(), 2U);
  EXPECT_TRUE(store_->changes(0, 10));
  clock_.advance(days(61));
  executor_.run_ready();
  EXPECT_EQ(store_->sessions({}, 10)->size(), 1U);
  EXPECT_EQ(metrics_.total("meterhub_app_sessions_purged_total"), 1U);
  const auto changes = store_->changes(0, 10);
  ASSERT_FALSE(changes);
  EXPECT_EQ(changes.error().code, base::Errc::kNotFound);
}

}  // namespace
}  // namespace meterhub::app
