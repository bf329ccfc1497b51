#include <meterhub/db/bulk_insert.h>

#include <gtest/gtest.h>

#include "temporary_directory.h"

namespace meterhub::db {
namespace {

class BulkInsertTest : public testing::Test {
 protected:
  BulkInsertTest() { EXPECT_TRUE(connection_->execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")); }
  TemporaryDirectory directory_;
  std::unique_ptr<Connection> connection_ = std::move(*Connection::open(directory_ / "test.sqlite"));
};

TEST_F(BulkInsertTest, WritesFullBlocksAndTheRest) {
  BulkInsert rows(*connection_, "INSERT INTO t(a, b)", 2, "", 4);
  for (std::int64_t i = 1; i <= 10; ++i) ASSERT_TRUE(rows.add({i, "x" + std::to_string(i)}));
  ASSERT_TRUE(rows.finish());
  EXPECT_EQ(rows.inserted(), 10);
  EXPECT_EQ(connection_->query_integer("SELECT count(*) FROM t WHERE b = 'x' || a"), 10);
}

TEST_F(BulkInsertTest, CountsOnlyWhatAConflictClauseLetIn) {
  BulkInsert rows(*connection_, "INSERT INTO t(a, b)", 2, "ON CONFLICT DO NOTHING", 2);
  for (const std::int64_t key : {1, 1, 2, 2, 3}) ASSERT_TRUE(rows.add({key, std::monostate()}));
  ASSERT_TRUE(rows.finish());
  EXPECT_EQ(rows.inserted(), 3);
}

TEST_F(BulkInsertTest, StaysBelowTheLimitOfParameters) {
  BulkInsert rows(*connection_, "INSERT INTO t(a, b)", 2, "", 1'000'000);
  for (std::int64_t i = 0; i < 20'000; ++i) ASSERT_TRUE(rows.add({i, std::string("x")}));
  ASSERT_TRUE(rows.finish());
  EXPECT_EQ(rows.inserted(), 20'000);
}

}  // namespace
}  // namespace meterhub::db
