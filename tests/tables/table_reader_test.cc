#include <meterhub/tables/table_reader.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

class TableReaderTest : public testing::Test {
 protected:
  TableReaderTest() {
    output_ = *database_->declare({.job = "02", .output = "SQLOutput", .table = "alerts", .columns = alert_columns()});
    reader_ = std::move(*TableReader::open(database_->file()));
  }
  void put(const std::string& device, std::uint32_t tenant, base::Timestamp at, const std::string& version = "v1.0") {
    Row row{.identity = {0, next_, 0}, .tenant = base::TenantNumber(tenant), .event_time = at};
    row.cells = {device, base::Timestamp(), std::int64_t{2}, std::int64_t{1}, 1000.0, 4.5, 995.5, std::int64_t{4}, version};
    row.cells[1] = std::string("2016-12-21T03:24:34Z");
    ASSERT_TRUE(database_->write(output_, {row}, {.part = 0, .from = next_, .to = next_ + 1, .epoch = base::Epoch(1)}));
    ++next_;
  }
  std::vector<std::int64_t> ids(const RowFilter& filter, std::size_t limit = 100) {
    const auto rows = reader_->newest("alerts", filter, limit, clock_);
    EXPECT_TRUE(rows) << rows.error().text;
    std::vector<std::int64_t> out;
    if (rows) {
      for (const auto& row : rows->rows) out.push_back(row.id);
    }
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = std::move(*Database::open(directory_ / "database.sqlite", clock_));
  OutputId output_;
  std::unique_ptr<TableReader> reader_;
  std::int64_t next_ = 0;
};

TEST_F(TableReaderTest, FindsTheNewestThatMatchEveryFilter) {
  const auto t = clock_.now();
  put("a1", 1, t);
  put("b2", 2, t + 1min);
  put("a1", 2, t + 2min);
  put("c3", 1, t + 3min);
  EXPECT_THAT(ids({}), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(ids({}, 2), ElementsAre(4, 3));
  EXPECT_THAT(ids({.before_id = 3}), ElementsAre(2, 1));
  EXPECT_THAT(ids({.tenant = base::TenantNumber(1)}), ElementsAre(4, 1));
  EXPECT_THAT(ids({.from = t + 1min, .to = t + 3min}), ElementsAre(3, 2));
  EXPECT_THAT(ids({.texts = {{"DeviceID", {"a1", "c3"}}}}), ElementsAre(4, 3, 1));
  EXPECT_THAT(ids({.tenant = base::TenantNumber(2), .texts = {{"DeviceID", {"a1"}}}}), ElementsAre(3));
  EXPECT_THAT(ids({.jobs = {"02"}}), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(ids({.jobs = {"03"}}), ElementsAre());
}

TEST_F(TableReaderTest, WhatIsSearchedForIsData) {
  const auto t = clock_.now();
  put("100%", 1, t);
  put("a_b", 1, t);
  put("acb", 1, t);
  put("'; DROP TABLE alerts; --", 1, t, "\xE9\x87\x8D\xE5\xBA\x86");
  EXPECT_THAT(ids({.search = "%"}), ElementsAre(1));
  EXPECT_THAT(ids({.search = "A_B"}), ElementsAre(2));
  EXPECT_THAT(ids({.search = "'; drop"}), ElementsAre(4));
  EXPECT_THAT(ids({.search = "\xE5\xBA\x86"}), ElementsAre(4));
  EXPECT_THAT(ids({.search = "' OR 1=1 --"}), ElementsAre());
  EXPECT_THAT(ids({.texts = {{"DeviceID", {"' OR '1'='1"}}}}), ElementsAre());
  EXPECT_EQ(ids({}).size(), 4u);
}

TEST_F(TableReaderTest, ReadsWhatWasWrittenSince) {
  put("a1", 1, clock_.now());
  EXPECT_EQ(ids({}).size(), 1u);
  put("a1", 1, clock_.now());
  EXPECT_EQ(ids({}).size(), 2u);
}

TEST_F(TableReaderTest, SaysWhatThereIsNot) {
  EXPECT_EQ(reader_->newest("nothing", {}, 1, clock_).error().code, base::Errc::kNotFound);
  EXPECT_EQ(reader_->newest("alerts", {.texts = {{"Id\" OR 1", {"x"}}}}, 1, clock_).error().code, base::Errc::kInvalidArgument);
  EXPECT_TRUE(ids({}).empty());
}

}  // namespace
}  // namespace meterhub::tables
