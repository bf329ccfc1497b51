#include <meterhub/db/connection.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temporary_directory.h"

namespace meterhub::db {
namespace {

using base::Errc;
using namespace std::chrono_literals;

class ConnectionTest : public testing::Test {
 protected:
  std::unique_ptr<Connection> open(const OpenOptions& options = {.busy_timeout = 1ms}) {
    auto connection = Connection::open(directory_ / "test.sqlite", options);
    EXPECT_TRUE(connection) << connection.error().text;
    return std::move(*connection);
  }
  TemporaryDirectory directory_;
};

TEST_F(ConnectionTest, GivesBackWhatWasBound) {
  auto connection = open();
  auto statement = connection->prepare("SELECT ?, ?, ?, ?, ?");
  ASSERT_TRUE(statement);
  const base::Bytes blob{0, 1, 255};
  statement->bind(1, std::int64_t{-7}).bind(2, 1.5).bind(3, std::string_view("a\0b", 3)).bind(4, base::BytesView(blob)).bind_null(5);
  ASSERT_EQ(statement->step(), true);
  EXPECT_EQ(statement->integer(0), -7);
  EXPECT_EQ(statement->real(1), 1.5);
  EXPECT_EQ(statement->text(2), std::string_view("a\0b", 3));
  EXPECT_THAT(statement->blob(3), testing::ElementsAre(0, 1, 255));
  EXPECT_TRUE(statement->is_null(4));
  EXPECT_EQ(statement->step(), false);
}

TEST_F(ConnectionTest, AnEmptyTextIsNotNull) {
  auto connection = open();
  auto statement = connection->prepare("SELECT ?, ?");
  ASSERT_TRUE(statement);
  statement->bind(1, std::string_view()).bind(2, base::BytesView());
  ASSERT_EQ(statement->step(), true);
  EXPECT_FALSE(statement->is_null(0));
  EXPECT_FALSE(statement->is_null(1));
}

TEST_F(ConnectionTest, ReportsABindOutOfRangeAtTheNextStep) {
  auto connection = open();
  auto statement = connection->prepare("SELECT ?");
  ASSERT_TRUE(statement);
  EXPECT_EQ(statement->bind(2, std::int64_t{1}).step().error().code, Errc::kInvalidArgument);
  EXPECT_EQ(statement->bind(1, std::int64_t{1}).step(), true);
}

TEST_F(ConnectionTest, TellsTheKindsOfErrorsApart) {
  auto connection = open();
  ASSERT_TRUE(connection->execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE, c TEXT NOT NULL DEFAULT '')"));
  ASSERT_TRUE(connection->execute("INSERT INTO t(a, b) VALUES (1, 'x')"));
  EXPECT_EQ(connection->execute("INSERT INTO t(a, b) VALUES (1, 'y')").error().code, Errc::kAlreadyExists);
  EXPECT_EQ(connection->execute("INSERT INTO t(a, b) VALUES (2, 'x')").error().code, Errc::kAlreadyExists);
  EXPECT_EQ(connection->execute("INSERT INTO t(a, c) VALUES (2, NULL)").error().code, Errc::kPrecondition);
  EXPECT_EQ(connection->prepare("SELEC").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(connection->prepare("").error().code, Errc::kInvalidArgument);
}

TEST_F(ConnectionTest, RefusesAFileThatIsNotADatabase) {
  std::ofstream(directory_ / "text") << std::string(4096, 'x');
  const auto opened = Connection::open(directory_ / "text");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kCorrupt);
  EXPECT_EQ(Connection::open(directory_ / "no/such/folder").error().code, Errc::kInvalidArgument);
}

TEST_F(ConnectionTest, TheFileIsReadableByItsOwnerAlone) {
  open();
  const auto mode = std::filesystem::status(directory_ / "test.sqlite").permissions();
  EXPECT_EQ(mode & std::filesystem::perms::mask, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ConnectionTest, WritesAheadAndSyncsEveryCommit) {
  auto connection = open();
  auto mode = connection->prepare("PRAGMA journal_mode");
  ASSERT_EQ(mode->step(), true);
  EXPECT_EQ(mode->text(0), "wal");
  EXPECT_EQ(connection->query_integer("PRAGMA synchronous"), 2);
}

TEST_F(ConnectionTest, AReaderSeesTheCommittedStateBesideAWriter) {
  auto writer = open();
  auto reader = open();
  ASSERT_TRUE(writer->execute("CREATE TABLE t(a INTEGER)"));
  auto transaction = Transaction::begin(*writer);
  ASSERT_TRUE(transaction);
  ASSERT_TRUE(writer->execute("INSERT INTO t VALUES (1)"));
  EXPECT_EQ(reader->query_integer("SELECT count(*) FROM t"), 0);
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(reader->query_integer("SELECT count(*) FROM t"), 1);
}

TEST_F(ConnectionTest, ASecondWriterIsToldToTryAgain) {
  auto first = open();
  auto second = open();
  auto transaction = Transaction::begin(*first);
  ASSERT_TRUE(transaction);
  const auto refused = Transaction::begin(*second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnavailable);
}

TEST_F(ConnectionTest, ATransactionNotCommittedLeavesNothing) {
  auto connection = open();
  ASSERT_TRUE(connection->execute("CREATE TABLE t(a INTEGER)"));
  {
    auto transaction = Transaction::begin(*connection);
    ASSERT_TRUE(connection->execute("INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(connection->query_integer("SELECT count(*) FROM t"), 0);
  EXPECT_FALSE(connection->in_transaction());
}

TEST(QuotedName, DoublesQuotes) { EXPECT_EQ(quoted_name("a\"b"), "\"a\"\"b\""); }

}  // namespace
}  // namespace meterhub::db
