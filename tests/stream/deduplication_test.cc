// The stage on the memory log, stepped by hand: copies in `decoded`, what comes out, and
// what a restart at any point leaves.
#include <meterhub/stream/deduplication.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/log/memory.h>

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;
using base::MeterNumber;
using testing::ElementsAre;
using testing::IsEmpty;

class DeduplicationStage : public testing::Test {
 protected:
  DeduplicationStage() : executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kDecoded, log::topics::kReadings, log::topics::kStatus, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    start();
  }

  void start() {
    auto made = Deduplication::create(log_, directory_, executor_, metrics_, options_, {},
                                      [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    stage_ = std::move(*made);
    executor_.run_ready();
  }
  // As a kill would: no drain, no leave.
  void crash_and_start() {
    stage_.reset();
    executor_.run_for(30s);
    start();
  }

  struct Packet {
    std::uint32_t meter = 1;
    std::uint32_t fcnt = 0;
    std::uint8_t mic = 0;
    bool heartbeat = false;
    bool redo = false;
    bool unproven = false;
    std::string reason = {};
    bool undecoded = false;
    std::optional<base::Timestamp> enqueued = std::nullopt;  // the first time; else now
  };
  void arrive(const Packet& packet) {
    log::NewRecord record;
    auto& p = record.properties;
    record.key = "meter " + std::to_string(packet.meter);
    record.body = "body " + std::to_string(packet.fcnt);
    p.meter = MeterNumber(packet.meter);
    p.session = base::SessionNumber(1);
    p.fcnt = packet.fcnt;
    p.mic = {packet.mic, 2, 3, 4};
    p.heartbeat = packet.heartbeat;
    p.redo = packet.redo;
    p.unproven = packet.unproven;
    p.reason = packet.reason;
    p.undecoded = packet.undecoded;
    p.origin = {"telemetry", base::PartitionId(0), base::Offset(next_origin_++), 0,
                packet.enqueued.value_or(clock_.now())};
    log::Transaction transaction;
    const auto partition = base::partition_of(base::shard_of(p.meter), 2);
    transaction.appends.push_back({{*log_.topic(log::topics::kDecoded), partition}, std::move(record)});
    bool stored = false;
    log_.transact(std::move(transaction), executor_, [&](auto result) { stored = result.has_value(); });
    executor_.run_ready();
    ASSERT_TRUE(stored);
    clock_.advance(1s);
  }

  // "meter/generation/fcnt" with marks, in order, of all partitions.
  std::vector<std::string> in(std::string_view topic) {
    std::vector<std::string> out;
    for (std::uint32_t n = 0; n < 2; ++n) {
      auto cursor = *log_.open({*log_.topic(topic), base::PartitionId(n)}, log::Earliest{});
      for (auto batch = *cursor->next(1 << 20); !batch.records.empty(); batch = *cursor->next(1 << 20)) {
        for (const auto& record : batch.records) {
          const auto& p = record.properties;
          out.push_back(std::to_string(p.meter.value) + "/" + std::to_string(p.generation.value) + "/" +
                        std::to_string(p.fcnt) + (p.late ? " late" : "") + (p.stale ? " stale" : "") +
                        (p.redo ? " redo" : "") + (p.reason.empty() ? "" : " " + p.reason));
        }
      }
    }
    return out;
  }

  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  registry::Directory directory_;
  base::Metrics metrics_;
  DeduplicationOptions options_;
  std::unique_ptr<Deduplication> stage_;
  std::uint64_t next_origin_ = 0;
};

TEST_F(DeduplicationStage, GivesEachReadingOutOnceAndRecordsFurtherCopies) {
  arrive({.fcnt = 1});
  arrive({.fcnt = 1});
  arrive({.fcnt = 2});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/1", "1/0/2"));
  EXPECT_THAT(in(log::topics::kStatus), ElementsAre("1/0/1"));
}

TEST_F(DeduplicationStage, MarksWhatComesBehindItsMetersNewest) {
  arrive({.fcnt = 5});
  arrive({.fcnt = 3});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/5", "1/0/3 late"));
}

TEST_F(DeduplicationStage, PutsAnotherMicForTheSameCounterAside) {
  arrive({.fcnt = 5, .mic = 1});
  arrive({.fcnt = 5, .mic = 9});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/5"));
  EXPECT_THAT(in(log::topics::kDeadletter), ElementsAre("1/0/5 conflict"));
}

TEST_F(DeduplicationStage, TakesARestartedCounterOnlyWhereItIsAllowed) {
  arrive({.meter = 1, .fcnt = 1000});
  arrive({.meter = 1, .fcnt = 0, .mic = 7});
  EXPECT_THAT(in(log::topics::kDeadletter), ElementsAre("1/0/0 counter_reset"));
  arrive({.meter = 2, .fcnt = 1000, .unproven = true});
  arrive({.meter = 2, .fcnt = 0, .mic = 7, .unproven = true});
  EXPECT_THAT(in(log::topics::kReadings), testing::UnorderedElementsAre("1/0/1000", "2/0/1000", "2/1/0"));
}

TEST_F(DeduplicationStage, PassesHeartbeatsOnToStatus) {
  arrive({.fcnt = 4, .heartbeat = true});
  EXPECT_THAT(in(log::topics::kReadings), IsEmpty());
  EXPECT_THAT(in(log::topics::kStatus), ElementsAre("1/0/4"));
}

TEST_F(DeduplicationStage, LetsASeenPacketPassAgainOnlyWhenItsDecodingFailed) {
  arrive({.fcnt = 4});
  arrive({.fcnt = 4, .redo = true, .reason = "mic"});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/4"));
  arrive({.fcnt = 4, .redo = true, .reason = "bad_length"});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/4", "1/0/4 late redo bad_length"));
}

// Two gateways' copies of a reading that could not be decoded, each letter driven again by itself.
TEST_F(DeduplicationStage, LetsOneOfTwoCopiesPassAgain) {
  arrive({.fcnt = 5, .undecoded = true});
  arrive({.fcnt = 5, .undecoded = true});
  arrive({.fcnt = 5, .redo = true, .reason = "unknown_profile", .undecoded = true});  // still unknown
  arrive({.fcnt = 5, .redo = true, .reason = "unknown_profile"});
  crash_and_start();
  arrive({.fcnt = 5, .redo = true, .reason = "unknown_profile"});
  EXPECT_THAT(in(log::topics::kReadings),
              ElementsAre("1/0/5", "1/0/5 late redo unknown_profile", "1/0/5 late redo unknown_profile"));
}

TEST_F(DeduplicationStage, GivesAReplayOfWhatWasSeenToHistoryEachTime) {
  arrive({.fcnt = 5});
  arrive({.fcnt = 6});
  for (int i = 0; i < 2; ++i) arrive({.fcnt = 5, .redo = true, .reason = "replay"});
  EXPECT_THAT(in(log::topics::kReadings),
              ElementsAre("1/0/5", "1/0/6", "1/0/5 late redo replay", "1/0/5 late redo replay"));
  EXPECT_THAT(in(log::topics::kStatus), testing::IsEmpty());
}

TEST_F(DeduplicationStage, AReplayDoesNotTakeTheTurnOfALetter) {
  arrive({.fcnt = 5, .undecoded = true});
  arrive({.fcnt = 5, .redo = true, .reason = "replay"});
  arrive({.fcnt = 5, .redo = true, .reason = "unknown_profile"});
  EXPECT_EQ(in(log::topics::kReadings).back(), "1/0/5 late redo unknown_profile") << "jobs have not seen it";
}

TEST_F(DeduplicationStage, AReplayOfWhatWasNeverSeenIsTheReading) {
  arrive({.fcnt = 5});
  arrive({.fcnt = 7});
  arrive({.fcnt = 6, .redo = true, .reason = "replay"});
  arrive({.fcnt = 6, .redo = true, .reason = "replay"});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/5", "1/0/7", "1/0/6 late redo", "1/0/6 late redo replay"));
}

// A day of packets, then a new battery and a few more; then the day is replayed.
TEST_F(DeduplicationStage, AReplayFindsTheGenerationOfBeforeARestart) {
  const auto day = clock_.now();
  for (std::uint32_t fcnt = 1000; fcnt < 1400; ++fcnt) arrive({.fcnt = fcnt, .unproven = true});
  for (std::uint32_t fcnt = 0; fcnt < 5; ++fcnt) arrive({.fcnt = fcnt, .unproven = true});
  const auto before = in(log::topics::kReadings).size();
  arrive({.fcnt = 1010, .redo = true, .unproven = true, .reason = "replay", .enqueued = day + 10s});
  arrive({.fcnt = 1395, .redo = true, .unproven = true, .reason = "replay", .enqueued = day + 395s});
  arrive({.fcnt = 3, .redo = true, .unproven = true, .reason = "replay", .enqueued = day + 403s});
  auto all = in(log::topics::kReadings);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_THAT(all, ElementsAre("1/0/1010 late redo replay", "1/0/1395 late redo replay", "1/1/3 late redo replay"));
  arrive({.fcnt = 1500, .redo = true, .reason = "replay", .enqueued = day + 399s});  // of which nothing is known
  arrive({.fcnt = 5, .unproven = true});
  EXPECT_EQ(in(log::topics::kReadings).size(), before + 4);
  EXPECT_EQ(in(log::topics::kReadings).back(), "1/1/5") << "nothing has moved the window";
}

TEST_F(DeduplicationStage, AReplayPutsNothingAside) {
  arrive({.fcnt = 5, .mic = 1});
  arrive({.fcnt = 5, .mic = 2, .redo = true, .reason = "replay"});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/5"));
  EXPECT_THAT(in(log::topics::kDeadletter), testing::IsEmpty());
}

TEST_F(DeduplicationStage, AKillBetweenTwoCopiesDoesNotLetTheSecondThrough) {
  for (std::uint32_t fcnt = 0; fcnt < 400; ++fcnt) arrive({.fcnt = fcnt});
  crash_and_start();
  for (const std::uint32_t fcnt : {399u, 300u, 10u}) arrive({.fcnt = fcnt});
  EXPECT_EQ(in(log::topics::kReadings).size(), 400u);
  EXPECT_EQ(in(log::topics::kStatus).size(), 3u);
}

TEST_F(DeduplicationStage, FindsOldCountersInTheBlocksThatLeftTheWindow) {
  for (std::uint32_t fcnt = 0; fcnt < 1000; fcnt += 2) arrive({.fcnt = fcnt});
  arrive({.fcnt = 501});
  arrive({.fcnt = 500});
  const auto readings = in(log::topics::kReadings);
  ASSERT_EQ(readings.size(), 501u);
  EXPECT_EQ(readings.back(), "1/0/501 late");
}

TEST_F(DeduplicationStage, TwoInstancesShareThePartitionsAndGiveOutNothingTwice) {
  arrive({.fcnt = 1});
  const auto other = Deduplication::create(log_, directory_, executor_, metrics_, options_, {}, [](const base::Error&) {});
  ASSERT_TRUE(other);
  executor_.run_for(30s);
  arrive({.meter = 1, .fcnt = 1});
  arrive({.meter = 1, .fcnt = 2});
  arrive({.meter = 2, .fcnt = 2});
  EXPECT_THAT(in(log::topics::kReadings), testing::UnorderedElementsAre("1/0/1", "1/0/2", "2/0/2"));
}

// Snapshots go round the shards with the batches: what came since the oldest is read again at a
// start, so retention must not take it, though everybody else is done with it.
TEST_F(DeduplicationStage, RetentionLeavesTheReadingsThatNoSnapshotHolds) {
  log::TopicSpec spec;
  spec.name = log::topics::kReadings;
  spec.partitions = 2;
  spec.retention_age = 1min;
  spec.protected_groups = {std::string(log::groups::kDeduplication)};
  const auto readings = *log_.declare(spec);
  const auto partition = base::partition_of(base::shard_of(MeterNumber(1)), 2);
  arrive({.fcnt = 1});
  clock_.advance(1h);
  log_.retain();
  EXPECT_EQ(log_.bounds({readings, partition})->first, base::Offset(0));
  crash_and_start();
  arrive({.fcnt = 1});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/1"));
  for (std::uint32_t fcnt = 2; fcnt < 100; ++fcnt) {
    arrive({.fcnt = fcnt});
    clock_.advance(20s);
  }
  log_.retain();
  EXPECT_GT(log_.bounds({readings, partition})->first, base::Offset(0));  // nor does it keep them for ever
  crash_and_start();
  for (std::uint32_t fcnt = 1; fcnt < 100; ++fcnt) arrive({.fcnt = fcnt});
  EXPECT_EQ(log_.bounds({readings, partition})->next, base::Offset(99));  // no copy was given out
}

TEST_F(DeduplicationStage, DrainGivesItsPartitionsBack) {
  arrive({.fcnt = 1});
  bool drained = false;
  stage_->drain([&] { drained = true; });
  executor_.run_ready();
  EXPECT_TRUE(drained);
  arrive({.fcnt = 2});
  EXPECT_THAT(in(log::topics::kReadings), ElementsAre("1/0/1"));
}

}  // namespace
}  // namespace meterhub::stream
