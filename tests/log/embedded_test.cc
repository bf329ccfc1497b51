// What only a log on disk must withstand: restarts, failing disks, torn writes, two owners.
#include <meterhub/log/embedded.h>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "contract/world.h"
#include "failing_env.h"

namespace meterhub::log::contract {
namespace {

using namespace std::chrono_literals;
using base::Errc;
using base::Offset;
using base::PartitionId;
using Bodies = std::vector<std::string>;

TopicPartition declare(EmbeddedWorld& world, std::uint64_t retention_bytes = 0) {
  TopicSpec spec{.name = "telemetry", .partitions = 2, .retention_bytes = retention_bytes};
  const auto id = world.log().declare(spec);
  EXPECT_TRUE(id);
  return {id.value_or(base::TopicId(0)), PartitionId(0)};
}

class Owner final : public GroupListener {
 public:
  void assigned(std::vector<Assignment> partitions) override { owned = std::move(partitions); }
  void revoked(std::vector<TopicPartition>, base::Task drained) override { drained(); }
  void lost(std::vector<TopicPartition>) override {}
  std::vector<Assignment> owned;
};

TEST(EmbeddedLog, ARestartKeepsRecordsOffsetsStateAndBounds) {
  EmbeddedWorld world;
  const auto p = declare(world);
  Owner owner;
  auto member = world.log().join("group", {p.topic}, {}, world.executor, owner).value();
  world.executor.run_for(20ms);
  Transaction transaction;
  transaction.owners = {{"group", p, owner.owned.at(0).epoch}};
  transaction.offsets = {{"group", p, Offset(7)}};
  transaction.state.push_back({"group", p, "name", "value"});
  ASSERT_TRUE(transact(world, std::move(transaction)));
  Bodies expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(std::to_string(i) + std::string(100, 'a'));
    append(world, p, expected.back());
  }
  const auto bounds = *world.log().bounds(p);
  member.reset();

  world.restart();
  EXPECT_EQ(world.log().topic("telemetry"), p.topic);
  EXPECT_EQ(read_all(world, p), expected);
  EXPECT_EQ(world.log().bounds(p)->next, bounds.next);
  EXPECT_EQ(world.log().bounds(p)->last_enqueued, bounds.last_enqueued);
  EXPECT_EQ(world.log().committed("group", p)->value(), Offset(7));
  EXPECT_EQ(world.log().state("group", p, "name")->value(), "value");
  EXPECT_EQ(append(world, p, "next").offset, Offset(100));
}

TEST(EmbeddedLog, ACheckpointIsTheLogOfThatMoment) {
  EmbeddedWorld world;
  const auto p = declare(world, 1 << 20);
  Owner owner;
  auto member = world.log().join("group", {p.topic}, {}, world.executor, owner).value();
  world.executor.run_for(20ms);
  Transaction transaction;
  transaction.owners = {{"group", p, owner.owned.at(0).epoch}};
  transaction.offsets = {{"group", p, Offset(7)}};
  transaction.state.push_back({"group", p, "name", "value"});
  ASSERT_TRUE(transact(world, std::move(transaction)));
  Bodies expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back(std::to_string(i) + std::string(1000, 'a'));
    append(world, p, expected.back());
  }
  const TemporaryDirectory elsewhere;
  const auto taken = dynamic_cast<EmbeddedLog&>(world.log()).checkpoint((elsewhere.path() / "store").string());
  ASSERT_TRUE(taken) << taken.error().text;
  append(world, p, "later");

  member.reset();
  world.stop();
  world.options.directory = elsewhere.path() / "store";
  ASSERT_TRUE(world.start());
  EXPECT_EQ(read_all(world, p), expected);
  EXPECT_EQ(world.log().committed("group", p)->value(), Offset(7));
  EXPECT_EQ(world.log().state("group", p, "name")->value(), "value");
  EXPECT_EQ(append(world, p, "next").offset, Offset(300));
}

// Runs something while somebody asks it for the time, which has gone on by then.
class LookingClock final : public base::Clock {
 public:
  base::Timestamp now() const override {
    const auto out = now_;
    if (skip_-- != 0 || !look_) return out;
    now_ += 5ms;
    std::exchange(look_, nullptr)();
    return out;
  }
  base::MonotonicTime monotonic() const override { return base::MonotonicTime(now_.time_since_epoch()); }
  // Not at the next `skip` times.
  void look_after(int skip, std::function<void()> look) {
    skip_ = skip;
    look_ = std::move(look);
  }

 private:
  mutable base::Timestamp now_{1'000s};
  mutable int skip_ = 0;
  mutable std::function<void()> look_;
};

// Whoever takes "now" for it while the disk is at work finds the record later, with a time before.
TEST(EmbeddedLog, IsCompleteUpToTheTimeOfWhatIsBeingWritten) {
  const TemporaryDirectory folder;
  LookingClock clock;
  base::ManualClock executors;
  base::ManualExecutor executor(executors);
  base::Metrics metrics;
  EmbeddedOptions options;
  options.directory = folder.path() / "store";
  const auto log = EmbeddedLog::open(std::move(options), clock, executor, metrics).value();
  const TopicPartition to{log->declare({.name = "telemetry", .partitions = 1}).value(), PartitionId(0)};
  Transaction transaction;
  transaction.appends.push_back({to, NewRecord{"key", {}, {}, "body"}});
  std::optional<base::Timestamp> meanwhile, enqueued;
  log->transact(std::move(transaction), executor, [&](base::Result<Committed> result) { enqueued = result->places[0].enqueued; });
  // The first look is the commit's own; the next one is at the age of the log's segment.
  clock.look_after(1, [&] { meanwhile = log->complete_until(); });
  executor.run_ready();
  ASSERT_TRUE(meanwhile && enqueued);
  EXPECT_LE(*meanwhile, *enqueued);
  EXPECT_EQ(log->complete_until(), *enqueued + 5ms);
}

TEST(EmbeddedLog, CountsRecordsAndBytesByLog) {
  EmbeddedWorld world;
  const auto p = declare(world);
  const auto other = world.log().declare({.name = "noise", .partitions = 1}).value();
  for (int i = 0; i < 3; ++i) append(world, p, "body");
  append(world, {other, PartitionId(0)}, "body");
  std::map<std::string, std::uint64_t> records;
  world.metrics.each_counter([&](const std::string& name, const base::Labels& labels, std::uint64_t value) {
    if (name == "meterhub_log_appended_records_total") records[labels.at("log")] = value;
  });
  EXPECT_EQ(records, (std::map<std::string, std::uint64_t>{{"noise", 1}, {"telemetry", 3}}));
  EXPECT_GT(world.metrics.total("meterhub_log_stored_bytes_total"), 0U);
}

TEST(EmbeddedLog, EpochsRiseOverRestarts) {
  EmbeddedWorld world;
  const auto p = declare(world);
  base::Epoch before;
  for (int i = 0; i < 3; ++i) {
    Owner owner;
    const auto member = world.log().join("group", {p.topic}, {}, world.executor, owner).value();
    world.executor.run_for(20ms);
    EXPECT_GT(owner.owned.at(0).epoch, before);
    before = owner.owned.at(0).epoch;
    world.restart();
  }
}

TEST(EmbeddedLog, OffsetsGoOnAfterRetentionHasDroppedEverythingAndARestart) {
  EmbeddedWorld world;
  const auto p = declare(world);
  for (int i = 0; i < 10; ++i) append(world, p, std::string(100, 'a'));
  world.executor.run_for(26h);
  world.executor.run_for(26h);
  world.retain();
  EXPECT_EQ(world.log().bounds(p)->first, Offset(10));
  world.restart();
  EXPECT_EQ(world.log().bounds(p)->first, Offset(10));
  EXPECT_EQ(append(world, p, "next").offset, Offset(10));
}

// Retention drops whole segments: one of the usual size would be more than a small disk's log may hold.
TEST(EmbeddedLog, ASmallLogIsCutIntoSegmentsThatItsLimitCanDrop) {
  EmbeddedWorld world;
  world.options.segment_bytes = std::uint64_t{8} << 30;
  world.restart();
  const auto p = declare(world, 8 << 20);
  std::mt19937_64 random(1);
  std::string noise(1 << 20, '\0');
  for (int i = 0; i < 24; ++i) {
    for (auto& c : noise) c = static_cast<char>(random());
    append(world, p, noise);
    world.retain();
  }
  EXPECT_GE(world.log().bounds(p)->first, Offset(24 - 14));
  EXPECT_LE(world.log().bounds(p)->first, Offset(24 - 4));
}

TEST(EmbeddedLog, ASecondOwnerOfTheDirectoryIsRefusedAndToldWhere) {
  EmbeddedWorld world;
  const auto second = EmbeddedLog::open(world.options, world.clock, world.executor, world.metrics);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kUnavailable);
  EXPECT_NE(second.error().text.find(world.options.directory.string()), std::string::npos);
  EXPECT_NE(second.error().text.find(std::to_string(::getpid())), std::string::npos);
}

TEST(EmbeddedLog, AfterAFailedSyncNothingIsSettledAnyMore) {
  FailingEnv env;
  EmbeddedWorld world;
  int failures = 0;
  world.options.env = &env;
  world.options.on_failure = [&](const base::Error&) { ++failures; };
  world.restart();
  const auto p = declare(world);
  append(world, p, "settled");

  env.fail_sync = true;
  std::vector<Errc> replies;
  for (int i = 0; i < 3; ++i) {
    Transaction transaction;
    transaction.appends.push_back({p, NewRecord{}});
    world.log().transact(std::move(transaction), world.executor, [&](auto r) { replies.push_back(r.error().code); });
  }
  world.executor.run_for(100ms);
  EXPECT_EQ(replies, (std::vector<Errc>(3, Errc::kIo)));
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(read_all(world, p), (Bodies{"settled"}));

  env.fail_sync = false;  // the disk says it is well again: what it lost, it lost
  Transaction later;
  later.appends.push_back({p, NewRecord{}});
  EXPECT_EQ(transact(world, std::move(later)).error().code, Errc::kIo);
  EXPECT_EQ(failures, 1);

  world.restart();
  EXPECT_EQ(read_all(world, p).at(0), "settled");
  world.stop();
}

TEST(EmbeddedLog, AFullDiskFailsTheTransactionAndARestartGoesOn) {
  FailingEnv env;
  EmbeddedWorld world;
  world.options.env = &env;
  world.restart();
  const auto p = declare(world);
  append(world, p, "settled");
  env.no_space = true;
  Transaction transaction;
  transaction.appends.push_back({p, NewRecord{}});
  EXPECT_EQ(transact(world, std::move(transaction)).error().code, Errc::kIo);
  world.stop();
  env.no_space = false;
  ASSERT_TRUE(world.start());
  EXPECT_EQ(read_all(world, p), (Bodies{"settled"}));
  append(world, p, "again");
  world.stop();
}

TEST(EmbeddedLog, ManyTransactionsShareOneSync) {
  FailingEnv env;
  EmbeddedWorld world;
  world.options.env = &env;
  world.restart();
  const auto p = declare(world);
  append(world, p, "makes the segment");
  const int before = env.syncs;
  for (int i = 0; i < 100; ++i) {
    Transaction transaction;
    transaction.appends.push_back({{p.topic, PartitionId(static_cast<std::uint32_t>(i) % 2)}, NewRecord{}});
    world.log().transact(std::move(transaction), world.executor, [](auto result) { ASSERT_TRUE(result); });
  }
  world.executor.run_for(20ms);
  EXPECT_EQ(env.syncs - before, 1);
  world.stop();
}

TEST(EmbeddedLog, ClosingAnswersWhatStillWaits) {
  EmbeddedWorld world;
  const auto p = declare(world);
  std::optional<Errc> reply;
  Transaction transaction;
  transaction.appends.push_back({p, NewRecord{}});
  world.log().transact(std::move(transaction), world.executor, [&](auto result) { reply = result.error().code; });
  world.stop();
  world.executor.run_ready();
  EXPECT_EQ(reply, Errc::kCancelled);
}

TEST(EmbeddedLog, ReadersBehindTheTailReadTheDisk) {
  EmbeddedWorld world;
  world.options.tail_cache_bytes = 2000;
  world.restart();
  const auto p = declare(world);
  Bodies expected;
  for (int i = 0; i < 100; ++i) append(world, p, expected.emplace_back(std::to_string(i) + std::string(100, 'a')));
  EXPECT_EQ(read_all(world, p), expected);
}

// Whoever reads on after an error must find what came before it in the same block of records.
TEST(EmbeddedLog, AReadThatFailsHalfWaySkipsNothing) {
  FailingEnv env;
  EmbeddedWorld world;
  world.options.env = &env;
  world.options.tail_cache_bytes = 2000;
  world.options.block_cache_bytes = 1;
  world.options.segment_bytes = 64 << 20;
  world.restart();
  const auto p = declare(world);
  Bodies expected;
  std::mt19937_64 random(1);
  for (int i = 0; i < 12; ++i) {
    std::string noise(100'000, '\0');
    for (auto& c : noise) c = static_cast<char>(random());
    // A reader counts bodies, the disk all: a batch takes several reads.
    NewRecord record;
    record.body = expected.emplace_back(std::to_string(i));
    record.properties.reason = std::move(noise);
    Transaction transaction;
    transaction.appends.push_back({p, std::move(record)});
    ASSERT_TRUE(transact(world, std::move(transaction)));
  }
  world.restart();  // all of it in files
  for (int good_reads = 0; good_reads < 12; ++good_reads) {
    auto cursor = world.log().open(p, Earliest{}).value();
    env.reads_until_failure = good_reads;
    Bodies found;
    for (int i = 0; i < 40 && found.size() < expected.size(); ++i) {
      const auto batch = cursor->next(256 << 10);
      if (!batch) continue;
      for (const auto& record : batch->records) found.emplace_back(record.body);
    }
    EXPECT_EQ(found, expected) << good_reads;
    EXPECT_LT(env.reads_until_failure, 0);
    env.reads_until_failure = FailingEnv::kNever;
  }
}

// A process that is killed leaves its write-ahead log as it was; the last write may be torn.
class KilledProcess : public testing::Test {
 protected:
  // Writes `count` settled records in a process of its own, which then dies without closing.
  void write_and_die(int count) {
    const auto child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      base::ManualClock clock;
      base::ManualExecutor executor(clock);
      base::Metrics metrics;
      auto log = EmbeddedLog::open(options(), clock, executor, metrics).value();
      const TopicPartition p{log->declare({.name = "telemetry", .partitions = 1}).value(), PartitionId(0)};
      int settled = 0;
      for (int i = 0; i < count; ++i) {
        Transaction transaction;
        transaction.appends.push_back({p, NewRecord{{}, {}, {}, std::to_string(i)}});
        log->transact(std::move(transaction), executor, [&](auto result) { settled += result ? 1 : 0; });
        executor.run_for(20ms);
      }
      ::_exit(settled == count ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }

  EmbeddedOptions options() const {
    EmbeddedOptions out;
    out.directory = directory_.path() / "store";
    return out;
  }

  std::filesystem::path newest_wal() const {
    std::filesystem::path out;
    for (const auto& file : std::filesystem::directory_iterator(options().directory)) {
      const bool holds_data = file.path().extension() == ".log" && file.file_size() > 0;
      if (holds_data && file.path() > out) out = file.path();
    }
    return out;
  }

  // Opens again and gives all bodies.
  Bodies bodies() {
    base::ManualClock clock;
    base::ManualExecutor executor(clock);
    base::Metrics metrics;
    auto log = EmbeddedLog::open(options(), clock, executor, metrics);
    EXPECT_TRUE(log) << log.error().text;
    auto cursor = (*log)->open({(*log)->topic("telemetry").value(), PartitionId(0)}, Earliest{}).value();
    const auto batch = cursor->next(1 << 20).value();
    Bodies out;
    for (const auto& record : batch.records) out.emplace_back(record.body);
    cursor.reset();
    return out;
  }

  TemporaryDirectory directory_;
};

TEST_F(KilledProcess, LosesNothingThatWasSettled) {
  write_and_die(20);
  const auto found = bodies();
  ASSERT_EQ(found.size(), 20u);
  EXPECT_EQ(found.back(), "19");
}

TEST_F(KilledProcess, ATornLastWriteEndsWhereTheLastWholeOneEnded) {
  write_and_die(20);
  const auto wal = newest_wal();
  std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 5);
  const auto found = bodies();
  ASSERT_EQ(found.size(), 19u);
  EXPECT_EQ(found.back(), "18");
  EXPECT_EQ(bodies().size(), 19u);  // and stays so
}

TEST_F(KilledProcess, GarbageAtTheEndOfTheLogIsNotRead) {
  write_and_die(20);
  std::ofstream(newest_wal(), std::ios::app | std::ios::binary) << std::string(3000, '\x5A');
  EXPECT_EQ(bodies().size(), 20u);
}

}  // namespace
}  // namespace meterhub::log::contract
