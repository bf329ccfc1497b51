// Goal: what is bound to a batch source is what SQL sees, values, nulls and order, over
// chunk and batch borders, also when the prepared statement runs again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/duck/database.h>

namespace meterhub::duck {
namespace {

class BatchSourceTest : public testing::Test {
 protected:
  Database db_ = Database::open({}).value();
  Connection connection_ = db_.connect().value();

  std::string one_text(const std::string& sql) {
    auto rows = connection_.query(sql);
    if (!rows) return rows.error().text;
    const auto chunk = rows->next();
    return chunk ? std::string(chunk->text(0, 0)) : "no rows";
  }
};

TEST_F(BatchSourceTest, EveryTypeAndNullArrives) {
  const std::vector<Column> columns{{"b", Type::kBoolean}, {"u", Type::kUtinyint},   {"i", Type::kInteger},
                                    {"n", Type::kUinteger}, {"l", Type::kBigint},     {"q", Type::kUbigint},
                                    {"d", Type::kDouble},  {"s", Type::kVarchar},    {"t", Type::kTimestamp},
                                    {"m", Type::kDecimal}};
  auto source = connection_.register_batch_source("input", columns).value();
  Batch batch(columns);
  batch.append<std::uint8_t>(0, 1);
  batch.append<std::uint8_t>(1, 255);
  batch.append<std::int32_t>(2, -7);
  batch.append<std::uint32_t>(3, 4'000'000'000);
  batch.append<std::int64_t>(4, -5'000'000'000);
  batch.append<std::uint64_t>(5, 1ull << 63);
  batch.append<double>(6, 0.5);
  batch.append_text(7, "a text longer than twelve bytes");
  batch.append<std::int64_t>(8, 1'482'290'674'000'000);
  batch.append<std::int64_t>(9, 979'171);
  for (std::size_t c = 0; c < columns.size(); ++c) batch.append_null(c);
  source.bind(batch.view());
  EXPECT_EQ(one_text("SELECT concat_ws('|', b, u, i, n, l, q, d, s, t, m) FROM input()"),
            "true|255|-7|4000000000|-5000000000|9223372036854775808|0.5|a text longer than twelve bytes|"
            "2016-12-21 03:24:34|979.171");
  EXPECT_EQ(one_text("SELECT count(*)::VARCHAR FROM input() WHERE COALESCE(b::VARCHAR, u::VARCHAR, i::VARCHAR, "
                     "n::VARCHAR, l::VARCHAR, q::VARCHAR, d::VARCHAR, s, t::VARCHAR, m::VARCHAR) IS NULL"),
            "1");
}

TEST_F(BatchSourceTest, APreparedStatementReadsWhatIsBoundAtEachExecution) {
  auto source = connection_.register_batch_source("input", {{"v", Type::kBigint}}).value();
  auto statement = connection_.prepare("SELECT count(*), sum(v) FROM input() WHERE v > $1").value();
  Batch batch({{"v", Type::kBigint}});
  for (const std::int64_t rows : {10'000, 0, 3}) {
    batch.clear();
    for (std::int64_t v = 0; v < rows; ++v) batch.append(0, v);
    source.bind(batch.view());
    ASSERT_TRUE(statement.bind(1, std::int64_t{0}));
    auto result = statement.execute().value();
    const auto chunk = result.next().value();
    EXPECT_EQ(chunk.values<std::int64_t>(0)[0], std::max<std::int64_t>(rows - 1, 0));
    if (rows > 1) {
      EXPECT_EQ(static_cast<std::int64_t>(chunk.hugeint(1, 0)), rows * (rows - 1) / 2);
    } else {
      EXPECT_TRUE(chunk.is_null(1, 0));
    }
  }
}

TEST_F(BatchSourceTest, SeveralBatchesAreOneTableInTheirOrder) {
  auto source = connection_.register_batch_source("input", {{"v", Type::kInteger}, {"s", Type::kVarchar}}).value();
  Batch first({{"v", Type::kInteger}, {"s", Type::kVarchar}});
  Batch empty({{"v", Type::kInteger}, {"s", Type::kVarchar}});
  Batch second({{"v", Type::kInteger}, {"s", Type::kVarchar}});
  for (std::int32_t v = 0; v < 5'000; ++v) {
    first.append(0, v);
    second.append(0, v + 5'000);
    if (v % 3 == 0) first.append_null(1); else first.append_copy(1, "text number " + std::to_string(v));
    second.append_copy(1, "x");
  }
  source.bind({first.view(), empty.view(), second.view()});
  auto rows = connection_.query("SELECT s, v FROM input()").value();
  std::int32_t expected = 0;
  while (const auto chunk = rows.next()) {
    for (std::size_t r = 0; r < chunk->rows(); ++r, ++expected) {
      ASSERT_EQ(chunk->values<std::int32_t>(1)[r], expected);
      ASSERT_EQ(chunk->is_null(0, r), expected < 5'000 && expected % 3 == 0);
      if (expected < 5'000 && expected % 3 != 0) {
        ASSERT_EQ(chunk->text(0, r), "text number " + std::to_string(expected));
      }
    }
  }
  EXPECT_EQ(expected, 10'000);
}

TEST_F(BatchSourceTest, CountNeedsNoColumnAndUnboundMeansEmpty) {
  auto source = connection_.register_batch_source("input", {{"v", Type::kInteger}}).value();
  EXPECT_EQ(one_text("SELECT count(*)::VARCHAR FROM input()"), "0");
  Batch batch({{"v", Type::kInteger}});
  for (std::int32_t v = 0; v < 4'097; ++v) batch.append(0, v);
  source.bind(batch.view());
  EXPECT_EQ(one_text("SELECT count(*)::VARCHAR FROM input()"), "4097");
  source.clear();
  EXPECT_EQ(one_text("SELECT count(*)::VARCHAR FROM input()"), "0");
}

TEST_F(BatchSourceTest, OneNameOnce) {
  auto source = connection_.register_batch_source("input", {{"v", Type::kInteger}});
  ASSERT_TRUE(source);
  EXPECT_FALSE(connection_.register_batch_source("input", {{"v", Type::kInteger}}));
}

}  // namespace
}  // namespace meterhub::duck
