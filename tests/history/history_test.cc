// Goal: what is in log `readings` is in the lake exactly once, soon, over restarts,
// failures and lost commits. The role runs on a stepped executor and the memory log.
#include <gmock/gmock.h>

#include <meterhub/base/time_text.h>
#include <meterhub/history/history.h>
#include <meterhub/log/memory.h>

#include "../lake/lake_fixture.h"

namespace meterhub::history {
namespace {

using namespace std::chrono_literals;
using lake::from_glob;
using lake::from_view;
using lake::kCountDistinct;
using lake::kNoon;

class HistoryTest : public testing::Test {
 protected:
  void SetUp() override {
    make_log();
    start();
  }
  void make_log() {
    log_ = std::make_unique<log::MemoryLog>(clock_);
    topic_ = log_->declare({.name = "readings", .partitions = lake::kPartitions, .protected_groups = {"archive"}}).value();
  }
  void start() {
    history_ = History::start(*log_, executor_, disk_, metrics_, {.directory = folder_.path()}).value();
    executor_.run_ready();
  }
  const std::string& lake() const { return folder_.path(); }

  log::NewRecord record(std::uint32_t meter, std::uint32_t fcnt, base::Timestamp time) {
    log::NewRecord record;
    record.key = base::Eui64(meter).text();
    record.properties.meter = base::MeterNumber(meter);
    record.properties.session = base::SessionNumber(1);
    record.properties.fcnt = fcnt;
    record.properties.time = time;
    record.body = R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":")" + record.key +
                  R"(","userdata":{"port":1,"payload":"AgE"},"gwrx":[{"eui":"a","rssi":-90,"lsnr":5.5}]}},"userData":)" +
                  R"({"type":2,"code":1,"bought":1000.0,"left":979.171,"used":20.829,"status":4,"version":"v1.0","time":")" +
                  base::rfc3339(time) + "\"}}";
    return record;
  }
  void put(std::vector<log::NewRecord> records) {
    log::Transaction transaction;
    for (auto& r : records) {
      const auto partition = base::partition_of(base::shard_of(r.properties.meter), lake::kPartitions);
      transaction.appends.push_back({{topic_, partition}, std::move(r)});
    }
    bool done = false;
    log_->transact(std::move(transaction), executor_, [&done](auto result) { done = result.has_value(); });
    executor_.run_ready();
    ASSERT_TRUE(done);
  }
  // `count` readings of 20 meters, a second apart.
  void put_many(std::uint32_t first, std::uint32_t count, base::Timestamp start) {
    std::vector<log::NewRecord> records;
    for (std::uint32_t n = first; n < first + count; ++n) records.push_back(record(1 + n % 20, n, start + std::chrono::seconds(n - first)));
    put(std::move(records));
  }

  lake::Folder folder_;
  base::PosixDisk posix_;
  base::FaultyDisk disk_{posix_};
  base::ManualClock clock_{kNoon};
  base::ManualExecutor executor_{clock_};
  base::Metrics metrics_;
  std::unique_ptr<log::MemoryLog> log_;
  base::TopicId topic_;
  std::unique_ptr<History> history_;
};

TEST_F(HistoryTest, ReadingsAreReadableTenSecondsLaterAndTheOffsetIsCommitted) {
  put_many(0, 100, kNoon);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "0/0");
  EXPECT_EQ(history_->status().waiting, 100u);
  executor_.run_for(10s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "100/100");
  EXPECT_EQ(from_view(lake(), "SELECT concat_ws('|', DeviceID, DateTime, TotalUsed, Gateways, BestSnr) FROM readings WHERE Seq = 1"),
            "0000000000000002|2026-03-01 12:00:01|20.829|a|5.5");
  EXPECT_EQ(history_->status().waiting, 0u);
  for (std::uint32_t p = 0; p < lake::kPartitions; ++p) {
    const log::TopicPartition partition{topic_, base::PartitionId(p)};
    const auto next = log_->bounds(partition).value().next;
    if (next.value == 0) continue;
    EXPECT_EQ(log_->committed("archive", partition).value(), next) << p;
  }
}

TEST_F(HistoryTest, ARestartGoesOnWhereTheManifestEnds) {
  put_many(0, 100, kNoon);
  executor_.run_for(10s);
  put_many(100, 50, kNoon + 100s);  // read, never written
  history_.reset();
  start();
  put_many(150, 50, kNoon + 150s);
  executor_.run_for(10s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "200/200");
}

TEST_F(HistoryTest, LostCommitsRepeatNothing) {
  put_many(0, 100, kNoon);
  executor_.run_for(10s);
  history_.reset();
  make_log();  // the same readings again, and no offset of the archive
  put_many(0, 120, kNoon);
  start();
  executor_.run_for(10s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "120/120");
}

// Killed between manifest and offset, and nothing comes after: retention and whoever looks at the backlog wait.
TEST_F(HistoryTest, ALostCommitIsMadeUpForWithoutNewReadings) {
  put_many(0, 100, kNoon);
  executor_.run_for(10s);
  history_.reset();
  make_log();
  put_many(0, 100, kNoon);
  start();
  executor_.run_for(1s);
  for (std::uint32_t p = 0; p < lake::kPartitions; ++p) {
    const log::TopicPartition partition{topic_, base::PartitionId(p)};
    const auto next = log_->bounds(partition).value().next;
    if (next.value == 0) continue;
    EXPECT_EQ(log_->committed("archive", partition).value(), next) << p;
  }
}

TEST_F(HistoryTest, StoppingWritesWhatWasRead) {
  put_many(0, 100, kNoon);
  bool stopped = false;
  history_->stop([&] { stopped = true; });
  executor_.run_ready();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "100/100");
}

TEST_F(HistoryTest, AnHourClosesTenMinutesAfterItsEnd) {
  put_many(0, 100, kNoon);
  executor_.run_for(69min);
  EXPECT_FALSE(from_glob(lake(), "SELECT count(*) FROM readings") == "100");
  executor_.run_for(2min);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "100/100");
  EXPECT_EQ(from_view(lake(), kCountDistinct), "100/100");
  EXPECT_TRUE(posix_.list(lake() + "/fresh").value().empty());
}

TEST_F(HistoryTest, ReadingsHeldBackTwoHoursComeIntoTheirHour) {
  put_many(0, 100, kNoon);
  executor_.run_for(2h);
  put_many(100, 60, kNoon + 100s);
  executor_.run_for(10s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "160/160");
  executor_.run_for(11min);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "160/160");
  EXPECT_TRUE(lake::check(posix_, lake()).value().clean());
}

TEST_F(HistoryTest, StaleCopiesStayOutAndRedoneReadingsReplace) {
  put_many(0, 40, kNoon);
  executor_.run_for(2h);
  auto stale = record(1, 0, kNoon);
  stale.properties.stale = true;
  auto redo = record(2, 1, kNoon + 1s);
  redo.properties.redo = true;
  redo.properties.reason = "replay";
  redo.body.replace(redo.body.find("20.829"), 6, "33.333");
  put({stale, redo});
  for (const auto wait : {std::chrono::seconds(10), std::chrono::seconds(660)}) {
    executor_.run_for(wait);
    EXPECT_EQ(from_view(lake(), kCountDistinct), "40/40");
    EXPECT_EQ(from_view(lake(), "SELECT string_agg(Seq::VARCHAR, ',') FROM readings WHERE TotalUsed = 33.333"), "1");
    EXPECT_EQ(
        from_view(
            lake(),
            "SELECT string_agg(concat_ws('|', ChangedTime, Reason, Seq, OldTotalUsed, NewTotalUsed), ';') FROM changes"),
        "2026-03-01 14:00:00|replay|1|20.829|33.333");
  }
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "40/40");
}

TEST_F(HistoryTest, WhatCouldNotBeDecodedIsKeptWithItsPayload) {
  auto undecoded = record(1, 7, kNoon);
  undecoded.properties.undecoded = true;
  undecoded.body = R"({"originData":{"gw":null,"mote":null,"app":{"userdata":{"port":2,"payload":"AAEC"},"gwrx":[]}},"userData":null})";
  auto broken = record(1, 8, kNoon);
  broken.body = "not a document";
  put({undecoded, broken});
  executor_.run_for(10s);
  EXPECT_EQ(from_view(lake(), "SELECT string_agg(concat_ws('|', Seq, Payload, TotalUsed IS NULL), ' ' ORDER BY Seq) FROM readings"),
            "7|AAEC|true 8|true");
  EXPECT_EQ(metrics_.total("meterhub_history_malformed_total"), 1u);
}

TEST_F(HistoryTest, AFullDiskIsWaitedOutWithoutLoss) {
  disk_.fail_from(0, base::Errc::kResourceExhausted);
  put_many(0, 100, kNoon);
  executor_.run_for(15s);
  EXPECT_FALSE(history_->status().problem.empty());
  EXPECT_GT(metrics_.total("meterhub_history_failures_total"), 0u);
  disk_.heal();
  executor_.run_for(2s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "100/100");
  EXPECT_TRUE(history_->status().problem.empty());
}

TEST_F(HistoryTest, CompactionByHandClosesTheOpenHour) {
  put_many(0, 100, kNoon);
  base::Result<void> answer = base::fail(base::Errc::kInternal, "not called");
  history_->compact([&](base::Result<void> result) { answer = std::move(result); });
  executor_.run_ready();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "100/100");
}

TEST_F(HistoryTest, FilesThatABackupReadsStayUntilItLetsThemGo) {
  put_many(0, 100, kNoon);
  executor_.run_for(10s);
  const auto held = history_->hold_files();
  ASSERT_FALSE(held.fresh.empty());
  bool compacted = false;
  history_->compact([&](base::Result<void> result) { compacted = result.has_value(); });
  put_many(100, 50, kNoon + 100s);
  executor_.run_for(2h);
  EXPECT_FALSE(compacted);
  for (const auto& [path, file] : held.fresh) EXPECT_TRUE(*posix_.exists(base::join_path(lake(), path))) << path;
  EXPECT_EQ(from_view(lake(), kCountDistinct), "150/150") << "readings go on being added";
  history_->release_files();
  executor_.run_ready();
  EXPECT_TRUE(compacted);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "150/150");
}

TEST_F(HistoryTest, MoreRowsThanAFlushHoldsAreAllWritten) {
  history_.reset();
  history_ = History::start(*log_, executor_, disk_, metrics_, {.directory = lake(), .flush_rows = 10}).value();
  put_many(0, 500, kNoon);
  executor_.run_for(11s);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "500/500");
}

}  // namespace
}  // namespace meterhub::history
