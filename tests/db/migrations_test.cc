#include <meterhub/db/migrations.h>

#include <gtest/gtest.h>

#include <array>

#include "temporary_directory.h"

namespace meterhub::db {
namespace {

constexpr base::Timestamp kNow{std::chrono::seconds(1'700'000'000)};
constexpr std::array<Migration, 3> kSteps{{
    {1, "things", "CREATE TABLE things(a INTEGER)"},
    {2, "colour", "ALTER TABLE things ADD COLUMN colour TEXT; INSERT INTO things VALUES (1, 'red')"},
    {3, "broken", "CREATE TABLE more(a INTEGER); INSERT INTO nowhere VALUES (1)"},
}};

class MigrationsTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  std::unique_ptr<Connection> connection_ = std::move(*Connection::open(directory_ / "test.sqlite"));
};

TEST_F(MigrationsTest, AppliesEachStepOnceAndInOrder) {
  EXPECT_EQ(migrate(*connection_, std::span(kSteps).first(1), kNow), 1u);
  EXPECT_EQ(migrate(*connection_, std::span(kSteps).first(2), kNow), 1u);
  EXPECT_EQ(migrate(*connection_, std::span(kSteps).first(2), kNow), 0u);
  EXPECT_EQ(connection_->query_integer("SELECT count(*) FROM things WHERE colour = 'red'"), 1);
  EXPECT_EQ(connection_->query_integer("SELECT applied_at FROM schema_migrations WHERE number = 2"), 1'700'000'000'000'000);
}

TEST_F(MigrationsTest, AFailedStepChangesNothing) {
  const auto failed = migrate(*connection_, kSteps, kNow);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().text, "migration 3: no such table: nowhere");
  EXPECT_EQ(connection_->query_integer("SELECT count(*) FROM sqlite_master WHERE name IN ('things', 'more')"), 0);
}

TEST_F(MigrationsTest, RefusesTheSchemaOfANewerProgram) {
  ASSERT_TRUE(migrate(*connection_, std::span(kSteps).first(2), kNow));
  const auto refused = migrate(*connection_, std::span(kSteps).first(1), kNow);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Errc::kPrecondition);
}

}  // namespace
}  // namespace meterhub::db
