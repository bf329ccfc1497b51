#include <meterhub/db/snapshot.h>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <meterhub/db/connection.h>

#include "temporary_directory.h"

namespace meterhub::db {
namespace {

using base::Errc;

class SnapshotTest : public testing::Test {
 protected:
  SnapshotTest() {
    connection_ = Connection::open(file_).value();
    EXPECT_TRUE(connection_->execute("CREATE TABLE t(x BIGINT, pad TEXT); INSERT INTO t VALUES (1, '')"));
  }
  std::int64_t count(const std::filesystem::path& file) const {
    return Connection::open(file).value()->query_integer("SELECT count(*) FROM t").value().value();
  }

  TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_ / "test.sqlite";
  const std::filesystem::path copy_ = directory_ / "copy.sqlite";
  std::unique_ptr<Connection> connection_;
};

TEST_F(SnapshotTest, ShowsTheMomentItWasTakenHoweverMuchIsWrittenMeanwhile) {
  // 8 MiB, so that the copy takes several steps.
  ASSERT_TRUE(connection_->execute("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
                                   "INSERT INTO t SELECT i, hex(zeroblob(1000)) FROM n"));
  auto snapshot = Snapshot::take(file_);
  ASSERT_TRUE(snapshot) << snapshot.error().text;
  int steps = 0;
  const auto copied = snapshot->copy_to(copy_, [&] {
    ++steps;
    return connection_->execute("INSERT INTO t VALUES (0, 'later'); DELETE FROM t WHERE x = 7").has_value();
  });
  ASSERT_TRUE(copied) << copied.error().text;
  EXPECT_GT(steps, 2);
  EXPECT_EQ(count(copy_), 4000);
  EXPECT_NE(count(file_), 4000);
  struct stat facts {};
  ASSERT_EQ(::stat(copy_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(SnapshotTest, EndsWhenItIsToldTo) {
  auto snapshot = Snapshot::take(file_).value();
  EXPECT_EQ(snapshot.copy_to(copy_, [] { return false; }).error().code, Errc::kCancelled);
}

TEST_F(SnapshotTest, NeedsADatabase) { EXPECT_EQ(Snapshot::take(directory_ / "none").error().code, Errc::kNotFound); }

}  // namespace
}  // namespace meterhub::db
