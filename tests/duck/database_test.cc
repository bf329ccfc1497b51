#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <meterhub/duck/database.h>

namespace meterhub::duck {
namespace {

using base::Errc;

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / ("meterhub-duck-" + std::to_string(::getpid()))).string();
  Folder() { std::filesystem::create_directories(path + "/inside"); }
  ~Folder() { std::filesystem::remove_all(path); }
};

TEST(Database, AKernelInstanceTouchesNoFile) {
  Folder folder;
  auto connection = Database::open({}).value().connect().value();
  const auto refused = connection.query("COPY (SELECT 1) TO " + literal(folder.path + "/x.csv"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kForbidden) << refused.error().text;
}

TEST(Database, OnlyAllowedDirectoriesAreReachable) {
  Folder folder;
  std::ofstream(folder.path + "/outside.csv") << "a\n1\n";
  Options options;
  options.allowed_directories = {folder.path + "/inside"};
  auto connection = Database::open(options).value().connect().value();
  EXPECT_TRUE(connection.query("COPY (SELECT 1 AS a) TO " + literal(folder.path + "/inside/x.parquet")));
  EXPECT_TRUE(connection.query("FROM read_parquet(" + literal(folder.path + "/inside/x.parquet") + ")"));
  EXPECT_FALSE(connection.query("FROM read_csv(" + literal(folder.path + "/outside.csv") + ")"));
  EXPECT_FALSE(connection.query("FROM read_csv(" + literal(folder.path + "/inside/../outside.csv") + ")"));
}

TEST(Database, SettingsAreLocked) {
  auto connection = Database::open({}).value().connect().value();
  EXPECT_FALSE(connection.query("SET enable_external_access = true"));
  EXPECT_FALSE(connection.query("SET memory_limit = '10GB'"));
}

TEST(Database, WrongSqlIsAnErrorWithDuckDbsText) {
  auto connection = Database::open({}).value().connect().value();
  const auto parse = connection.query("SELEC 1");
  ASSERT_FALSE(parse);
  EXPECT_EQ(parse.error().code, Errc::kInvalidArgument);
  EXPECT_THAT(parse.error().text, testing::HasSubstr("SELEC"));
  EXPECT_FALSE(connection.prepare("SELECT nothing FROM nowhere"));
  auto divided = connection.prepare("SELECT error('by the statement')").value();
  EXPECT_THAT(divided.execute().error().text, testing::HasSubstr("by the statement"));
}

TEST(Database, ParametersAreBoundAndMissingOnesRefused) {
  auto connection = Database::open({}).value().connect().value();
  auto statement = connection.prepare("SELECT concat_ws('|', $1::BIGINT, $2::DOUBLE, $3::VARCHAR, $4::TIMESTAMP, $5::INTEGER)").value();
  ASSERT_TRUE(statement.bind(1, std::int64_t{42}));
  ASSERT_TRUE(statement.bind(2, 1.5));
  ASSERT_TRUE(statement.bind(3, std::string_view("it's")));
  ASSERT_TRUE(statement.bind(4, base::Timestamp(std::chrono::seconds(0))));
  ASSERT_TRUE(statement.bind_null(5));
  EXPECT_FALSE(statement.bind(6, std::int64_t{1}));
  auto rows = statement.execute().value();
  EXPECT_EQ(rows.next().value().text(0, 0), "42|1.5|it's|1970-01-01 00:00:00");
}

TEST(Database, RowsOutliveWhatTheyCameFrom) {
  auto rows = Database::open({}).value().connect().value().query("SELECT i AS n, i::VARCHAR AS s FROM range(5000) r(i)").value();
  EXPECT_EQ(rows.columns()[0].name, "n");
  EXPECT_EQ(rows.columns()[0].type, Type::kBigint);
  EXPECT_EQ(rows.columns()[1].type, Type::kVarchar);
  std::size_t count = 0;
  while (const auto chunk = rows.next()) count += chunk->rows();
  EXPECT_EQ(count, 5'000u);
}

TEST(Database, QuotesAreDoubled) {
  EXPECT_EQ(literal("it's"), "'it''s'");
  EXPECT_EQ(identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace meterhub::duck
