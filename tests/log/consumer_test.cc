// A consumer whose work takes its time: what becomes of a batch under way when the consumer goes.
#include <meterhub/log/consumer.h>

#include <gtest/gtest.h>

#include <meterhub/log/memory.h>

namespace meterhub::log {
namespace {

using namespace std::chrono_literals;

// Answers when the test says so.
class SlowWork final : public ConsumerWork {
 public:
  base::Result<std::optional<From>> begin(const Assignment&) override { return std::nullopt; }
  void process(const Assignment&, const Batch&, Answer answer) override { under_way.push_back(std::move(answer)); }
  void committed(const Assignment&) override { ++batches_committed; }
  void end(const TopicPartition&) override { ++partitions_ended; }

  std::vector<Answer> under_way;
  int batches_committed = 0;
  int partitions_ended = 0;
};

class SlowConsumer : public testing::Test {
 protected:
  // A batch is under way and the partition is to be given back.
  void SetUp() override {
    const auto topic = *log_.declare({.name = "telemetry", .partitions = 1});
    Transaction transaction;
    transaction.appends.push_back({{topic, base::PartitionId(0)}, NewRecord{}});
    log_.transact(std::move(transaction), executor_, [](base::Result<Committed> done) { EXPECT_TRUE(done); });
    ConsumerOptions options;
    options.group = "group";
    options.topics = {topic};
    consumer_ = std::move(*Consumer::create(log_, executor_, work_, std::move(options), [](base::Error) {}));
    executor_.run_ready();
    ASSERT_EQ(work_.under_way.size(), 1U);
    consumer_->drain([this] { drained_ = true; });
    executor_.run_ready();
    ASSERT_FALSE(drained_);
  }
  void answer() {
    work_.under_way.front()(Transaction());
    executor_.run_ready();
  }

  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  MemoryLog log_{clock_};
  SlowWork work_;
  std::unique_ptr<Consumer> consumer_;
  bool drained_ = false;
};

TEST_F(SlowConsumer, DrainsWhenTheBatchIsCommitted) {
  answer();
  EXPECT_TRUE(drained_);
  EXPECT_EQ(work_.batches_committed, 1);
  EXPECT_EQ(work_.partitions_ended, 1);
}

TEST_F(SlowConsumer, LeavesNothingBehindThatStillWorks) {
  consumer_.reset();
  EXPECT_EQ(work_.partitions_ended, 1);
  answer();
  EXPECT_EQ(work_.batches_committed, 0);
}

// Another owner may be at work by then, in this very process.
TEST_F(SlowConsumer, EndsAPartitionThatItDidNotGiveBackInTime) {
  executor_.run_for(12s);
  EXPECT_EQ(work_.partitions_ended, 1);
  answer();
  EXPECT_EQ(work_.batches_committed, 0);
  EXPECT_EQ(work_.partitions_ended, 1);
}

// Commits at once, and notes how much it was given when.
class QuickWork final : public ConsumerWork {
 public:
  base::Result<std::optional<From>> begin(const Assignment&) override { return std::nullopt; }
  void process(const Assignment&, const Batch& batch, Answer answer) override {
    records += batch.records.size();
    answer(Transaction());
  }
  void committed(const Assignment&) override {}
  void end(const TopicPartition&) override {}

  std::size_t records = 0;
};

// Who waits after full batches too can never take more than a batch a linger.
TEST(Consumer, LingersOnlyAfterABatchThatWasNotFull) {
  base::ManualClock clock;
  base::ManualExecutor executor(clock);
  MemoryLog log(clock);
  QuickWork work;
  const auto topic = *log.declare({.name = "readings", .partitions = 1});
  const auto append = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      Transaction transaction;
      NewRecord record;
      record.body.assign(1000, 'x');
      transaction.appends.push_back({{topic, base::PartitionId(0)}, record});
      log.transact(std::move(transaction), executor, [](base::Result<Committed> done) { EXPECT_TRUE(done); });
    }
    executor.run_ready();
  };
  append(100);
  ConsumerOptions options;
  options.group = "group";
  options.topics = {topic};
  options.batch_bytes = 10'000;
  options.linger = 5s;
  const auto consumer = std::move(*Consumer::create(log, executor, work, options, [](base::Error) {}));
  executor.run_ready();
  EXPECT_GE(work.records, 95U);
  executor.run_for(5s);
  ASSERT_EQ(work.records, 100U);
  append(2);
  ASSERT_EQ(work.records, 102U);
  append(1);
  executor.run_for(4s);
  EXPECT_EQ(work.records, 102U);
  executor.run_for(2s);
  EXPECT_EQ(work.records, 103U);
}

// Its batch is refused as it slept too long; it hears later that the partition is not its own.
TEST(Consumer, ThatWasFencedDrainsAtOnce) {
  base::ManualClock clock;
  base::ManualExecutor executor(clock), other_executor(clock);
  MemoryLog log(clock);
  SlowWork work, other_work;
  const auto topic = *log.declare({.name = "telemetry", .partitions = 1});
  Transaction transaction;
  transaction.appends.push_back({{topic, base::PartitionId(0)}, NewRecord{}});
  log.transact(std::move(transaction), executor, [](base::Result<Committed> done) { EXPECT_TRUE(done); });
  ConsumerOptions options;
  options.group = "group";
  options.topics = {topic};
  const auto sleeper = std::move(*Consumer::create(log, executor, work, options, [](base::Error) {}));
  executor.run_ready();
  const auto heir = std::move(*Consumer::create(log, other_executor, other_work, options, [](base::Error) {}));
  other_executor.run_for(30s);
  ASSERT_EQ(other_work.under_way.size(), 1U);
  work.under_way.front()(Transaction());
  bool drained = false;
  sleeper->drain([&] { drained = true; });
  executor.run_ready();
  executor.run_for(2s);
  EXPECT_TRUE(drained);
  EXPECT_EQ(work.batches_committed, 0);
}

}  // namespace
}  // namespace meterhub::log
