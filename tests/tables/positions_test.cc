#include <meterhub/tables/positions.h>

#include <gtest/gtest.h>

#include <meterhub/tables/database.h>

#include "temporary_directory.h"

namespace meterhub::tables {
namespace {

class PositionsTest : public testing::Test {
 protected:
  std::optional<base::Offset> get(const Position& of) {
    std::optional<base::Offset> out;
    EXPECT_TRUE(database_->read([&](db::Connection& connection) -> base::Result<void> {
      out = MH_TRY(position(connection, of));
      return {};
    }));
    return out;
  }

  db::TemporaryDirectory directory_;
  base::ManualClock clock_;
  std::unique_ptr<Database> database_ = std::move(*Database::open(directory_ / "database.sqlite", clock_));
};

constexpr Position kThird{"office", "readings", base::PartitionId(3)};

TEST_F(PositionsTest, AreKeptByReaderLogAndPartition) {
  EXPECT_EQ(get(kThird), std::nullopt);
  for (const std::uint64_t next : {5, 70}) {
    ASSERT_TRUE(database_->transact(
        [&](db::Connection& connection) { return set_position(connection, kThird, base::Offset(next)); }));
  }
  EXPECT_EQ(get(kThird), base::Offset(70));
  EXPECT_EQ(get({"office", "readings", base::PartitionId(4)}), std::nullopt);
  EXPECT_EQ(get({"office", "status", base::PartitionId(3)}), std::nullopt);
  EXPECT_EQ(get({"rollup", "readings", base::PartitionId(3)}), std::nullopt);
}

TEST_F(PositionsTest, MoveWithTheirTransactionOrNotAtAll) {
  const auto done = database_->transact([&](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(set_position(connection, kThird, base::Offset(5)));
    return base::fail(base::Errc::kIo, "full");
  });
  EXPECT_FALSE(done);
  EXPECT_EQ(get(kThird), std::nullopt);
}

}  // namespace
}  // namespace meterhub::tables
