#include "lag.h"

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;

class LagTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  fleet::test::Town town_{clock_};
  const std::vector<Stage> stages_{{"archive", "archive", {"readings"}}, {"none", "none", {"no such log"}}};

  StageLag archive() { return measure_lag(town_.log, stages_, clock_.now()).front(); }
  // Reads `next` records of a partition as the group does.
  void commit(log::TopicPartition partition, std::uint64_t next) {
    struct Listener final : log::GroupListener {
      std::vector<log::Assignment> all;
      void assigned(std::vector<log::Assignment> partitions) override { all = std::move(partitions); }
      void revoked(std::vector<log::TopicPartition>, base::Task drained) override { drained(); }
      void lost(std::vector<log::TopicPartition>) override {}
    } listener;
    base::ManualExecutor executor(clock_);
    const auto membership = std::move(*town_.log.join("archive", {partition.topic}, {partition}, executor, listener));
    executor.run_ready();
    ASSERT_EQ(listener.all.size(), 1u);
    log::Transaction transaction;
    transaction.owners.push_back({"archive", partition, listener.all.front().epoch});
    transaction.offsets.push_back({"archive", partition, base::Offset(next)});
    bool done = false;
    town_.log.transact(std::move(transaction), executor, [&](auto result) { done = result.has_value(); });
    executor.run_ready();
    ASSERT_TRUE(done);
  }
};

TEST_F(LagTest, NothingUnreadIsNoLag) {
  EXPECT_EQ(archive().records, 0u);
  EXPECT_EQ(archive().oldest, 0us);
}

TEST_F(LagTest, CountsUnreadRecordsAndTheAgeOfTheOldest) {
  const log::TopicPartition partition{*town_.log.topic("readings"), base::PartitionId(2)};
  town_.put(partition, town_.record({.fcnt = 1}));
  clock_.advance(30s);
  town_.put(partition, town_.record({.fcnt = 2}));
  town_.put({partition.topic, base::PartitionId(0)}, town_.record({.fcnt = 3}));
  clock_.advance(10s);
  EXPECT_EQ(archive().records, 3u);
  EXPECT_EQ(archive().oldest, 40s);
  commit(partition, 1);
  EXPECT_EQ(archive().records, 2u);
  EXPECT_EQ(archive().oldest, 10s);
  commit(partition, 2);
  EXPECT_EQ(archive().records, 1u);
}

TEST_F(LagTest, AStageWithoutItsLogIsNotBehind) {
  const auto lags = measure_lag(town_.log, stages_, clock_.now());
  ASSERT_EQ(lags.size(), 2u);
  EXPECT_EQ(lags[1].name, "none");
  EXPECT_EQ(lags[1].records, 0u);
}

TEST(PlatformStages, NameTheirGroups) {
  std::vector<std::string> names;
  for (const auto& stage : platform_stages()) names.push_back(stage.name + "/" + stage.group);
  EXPECT_EQ(names, (std::vector<std::string>{"connector/connector", "deduplication/deduplication", "archive/archive"}));
}

}  // namespace
}  // namespace meterhub::console
