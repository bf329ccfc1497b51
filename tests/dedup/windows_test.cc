#include <meterhub/dedup/windows.h>

#include "driver.h"

namespace meterhub::dedup {
namespace {

constexpr std::uint32_t kOtherMic = 0xBBBBBBBB;

TEST(Windows, AskTheBlocksForCountersThatLeftTheWindow) {
  Driver meter;
  for (std::uint32_t fcnt = 1'000; fcnt < 3'000; ++fcnt) {
    if (fcnt != 1'500) meter.verdict(fcnt);
  }
  EXPECT_EQ(meter.verdict(1'499), Verdict::kDuplicate);
  EXPECT_EQ(meter.verdict(1'500), Verdict::kLate);
  EXPECT_EQ(meter.verdict(1'500), Verdict::kDuplicate);
}

TEST(Windows, CallLateWhatComesOutOfTheGapOfAnOutage) {
  Driver meter;
  meter.verdict(1'000);
  meter.verdict(6'000);
  for (const std::uint32_t fcnt : {1'001u, 3'000u, 5'800u, 5'999u}) {
    EXPECT_EQ(meter.verdict(fcnt), Verdict::kLate) << fcnt;
    EXPECT_EQ(meter.verdict(fcnt), Verdict::kDuplicate) << fcnt;
  }
}

TEST(Windows, BoundTheBlocksThatAJumpLeaves) {
  Driver meter;
  meter.verdict(20);
  meter.verdict(4'000'000'000);
  EXPECT_LE(meter.blocks.size(), kGapBlocksMax + 8);
  EXPECT_EQ(meter.verdict(2'000'000'000), Verdict::kStale);
}

TEST(Windows, TellADelayedFirstFrameFromARestart) {
  Driver meter;
  meter.resets_allowed = true;
  for (std::uint32_t fcnt = 0; fcnt < 300; ++fcnt) meter.verdict(fcnt, 1'000 + fcnt);
  EXPECT_EQ(meter.verdict(5, 1'005), Verdict::kDuplicate);
  EXPECT_EQ(meter.verdict(5, kOtherMic), Verdict::kReset);
}

// Its first 16 counters were lost: later ones are known by their MICs, not taken for copies.
TEST(Windows, NoticeARestartWhoseFirstFramesWereLost) {
  Driver meter;
  meter.resets_allowed = true;
  for (std::uint32_t fcnt = 0; fcnt < 1'000; ++fcnt) meter.verdict(fcnt, 1'000 + fcnt);
  EXPECT_EQ(meter.verdict(20, 1'020), Verdict::kDuplicate);
  const auto restarted = meter.copy(20, kOtherMic);
  EXPECT_EQ(restarted.verdict, Verdict::kReset);
  EXPECT_EQ(restarted.generation.value, 1u);
  for (std::uint32_t fcnt = 21; fcnt < 300; ++fcnt) {
    const auto judgement = meter.copy(fcnt, kOtherMic);
    ASSERT_EQ(judgement.verdict, Verdict::kAccept) << fcnt;
    ASSERT_EQ(judgement.generation.value, 1u) << fcnt;
  }
}

TEST(Windows, CallAnotherFrameWithAFirstCounterAConflictWhereRestartsAreNotAllowed) {
  Driver meter;
  for (std::uint32_t fcnt = 0; fcnt < 1'000; ++fcnt) meter.verdict(fcnt, 1'000 + fcnt);
  EXPECT_EQ(meter.verdict(255, kOtherMic), Verdict::kConflict);
  EXPECT_EQ(meter.verdict(256, kOtherMic), Verdict::kDuplicate);  // no MIC is kept of this one
}

TEST(Windows, TakeAnUnseenFirstFrameAsLateWhereRestartsAreNotAllowed) {
  Driver meter;
  for (std::uint32_t fcnt = 0; fcnt < 300; ++fcnt) {
    if (fcnt != 5) meter.verdict(fcnt, 1'000 + fcnt);
  }
  EXPECT_EQ(meter.verdict(5, 1'005), Verdict::kLate);
  EXPECT_EQ(meter.verdict(5, 1'005), Verdict::kDuplicate);
  EXPECT_EQ(meter.verdict(0, kOtherMic), Verdict::kCounterReset);
}

TEST(Windows, DoNotTakeAHeldBackFrameForARestart) {
  Driver meter;
  meter.resets_allowed = true;
  meter.verdict(5'000);
  const auto held_back = meter.now - std::chrono::hours(2);
  EXPECT_EQ(meter.copy_enqueued(3, kOtherMic, held_back).verdict, Verdict::kStale);
}

// The hub was away: what the gateways hold comes in any order, each with the time at which it came.
TEST(Windows, NoticeARestartThoughAFrameOfBeforeWasEnqueuedAfterIt) {
  Driver meter;
  meter.resets_allowed = true;
  meter.verdict(5'000);
  const auto before = meter.now - std::chrono::seconds(20);
  const auto restarted = meter.copy_enqueued(0, kOtherMic, before);
  EXPECT_EQ(restarted.verdict, Verdict::kReset);
  EXPECT_EQ(restarted.generation.value, 1u);
  EXPECT_EQ(meter.copy_enqueued(1, kOtherMic, before).generation.value, 1u);
  EXPECT_EQ(meter.copy(4'999, 0xAAAAAAAA).generation.value, 0u);
}

TEST(Windows, CountGenerationsWithinASession) {
  Driver meter;
  meter.resets_allowed = true;
  meter.verdict(5'000);
  EXPECT_EQ(meter.copy(0, kOtherMic).generation.value, 1u);
  for (std::uint32_t fcnt = 1; fcnt < 400; ++fcnt) EXPECT_EQ(meter.copy(fcnt, kOtherMic).generation.value, 1u);
  EXPECT_EQ(meter.copy(2, 0xCCCCCCCC).generation.value, 2u);
  meter.session = base::SessionNumber(2);
  EXPECT_EQ(meter.copy(0, 1).generation.value, 0u);
}

TEST(Windows, JudgeFramesOfTheOldGenerationForADay) {
  Driver meter;
  meter.resets_allowed = true;
  meter.verdict(5'000);
  meter.verdict(0, kOtherMic);
  const auto late = meter.copy(5'003, 0x11111111);
  EXPECT_EQ(late.verdict, Verdict::kLate);
  EXPECT_EQ(late.generation.value, 0u);
  EXPECT_EQ(meter.verdict(1, kOtherMic), Verdict::kAccept);
  meter.now += std::chrono::hours(25);
  const auto accepted = meter.copy(5'004, 0x11111111);
  EXPECT_EQ(accepted.verdict, Verdict::kAccept);
  EXPECT_EQ(accepted.generation.value, 1u);
}

TEST(Windows, LetANewGenerationWalkThroughTheOldCounters) {
  Driver meter;
  meter.resets_allowed = true;
  for (std::uint32_t fcnt = 0; fcnt < 200; ++fcnt) meter.verdict(fcnt);
  ASSERT_EQ(meter.verdict(0, kOtherMic), Verdict::kReset);
  for (std::uint32_t fcnt = 1; fcnt < 400; ++fcnt) {
    const auto judgement = meter.copy(fcnt, kOtherMic);
    ASSERT_EQ(judgement.verdict, Verdict::kAccept) << fcnt;
    ASSERT_EQ(judgement.generation.value, 1u) << fcnt;
  }
}

TEST(Windows, KeepTheSessionBeforeAJoin) {
  Driver meter;
  for (std::uint32_t fcnt = 70; fcnt < 100; ++fcnt) {
    if (fcnt != 98) meter.verdict(fcnt);
  }
  meter.session = base::SessionNumber(2);
  EXPECT_EQ(meter.verdict(0), Verdict::kAccept);
  meter.session = base::SessionNumber(1);
  EXPECT_EQ(meter.verdict(99), Verdict::kDuplicate);
  EXPECT_EQ(meter.verdict(98), Verdict::kLate);
  EXPECT_EQ(meter.verdict(100), Verdict::kLate);
  EXPECT_EQ(meter.verdict(99, kOtherMic), Verdict::kConflict);
  meter.session = base::SessionNumber(3);
  meter.verdict(0);
  meter.session = base::SessionNumber(1);
  EXPECT_EQ(meter.verdict(101), Verdict::kStale);
}

// Readings are told apart by their generation too: a copy of one must not get another.
TEST(Windows, RememberTheGenerationOfASessionThatIsGone) {
  Driver meter;
  meter.resets_allowed = true;
  meter.verdict(5'000);
  ASSERT_EQ(meter.copy(0, kOtherMic).generation.value, 1u);
  for (std::uint32_t fcnt = 1; fcnt < 50; ++fcnt) meter.verdict(fcnt, kOtherMic);
  for (const std::uint32_t session : {2u, 3u}) {
    meter.session = base::SessionNumber(session);
    meter.verdict(0);
  }
  const auto bytes = meter.windows.snapshot(base::shard_of(base::MeterNumber(7)));
  ASSERT_TRUE(meter.windows.restore(base::shard_of(base::MeterNumber(7)), bytes));
  meter.session = base::SessionNumber(1);
  const auto copy = meter.copy(20, kOtherMic);
  EXPECT_EQ(copy.verdict, Verdict::kDuplicate);
  EXPECT_EQ(copy.generation.value, 1u);
  EXPECT_EQ(meter.copy(60, kOtherMic).verdict, Verdict::kStale);
  EXPECT_EQ(meter.copy(60, kOtherMic).generation.value, 1u);
  const auto old = meter.copy(5'000, 0xAAAAAAAA);
  EXPECT_EQ(old.verdict, Verdict::kDuplicate);
  EXPECT_EQ(old.generation.value, 0u);
}

// A meter that restarts its counter with every packet, and then joins twice.
TEST(Windows, LookForACopyOfASessionThatIsGoneInABoundedNumberOfGenerations) {
  struct Counted final : BlockStore {
    base::Result<std::optional<Block>> get(const BlockKey& key) override {
      ++gets;
      return kept.get(key);
    }
    void put(const BlockKey& key, const Block& block) override { kept.put(key, block); }
    MemoryBlockStore kept;
    int gets = 0;
  } store;
  MeterWindows windows(store);
  base::Timestamp now{std::chrono::seconds(1'700'000'000)};
  const auto judge = [&](std::uint32_t session, std::uint32_t fcnt, std::uint32_t mic) {
    now += std::chrono::hours(25);  // no copy of the generation before
    return *windows.judge({base::MeterNumber(7), base::SessionNumber(session), fcnt, mic, now, true});
  };
  constexpr std::uint32_t kRestarts = 3'000;
  judge(1, 5'000, 1);
  for (std::uint32_t n = 1; n <= kRestarts; ++n) {
    ASSERT_EQ(judge(1, 3, n + 1).verdict, Verdict::kReset) << n;
    ASSERT_EQ(judge(1, 5'000, n + 1).verdict, Verdict::kAccept) << n;
  }
  for (const auto session : {2u, 3u}) judge(session, 0, 1);
  store.gets = 0;
  const auto known = judge(1, 5'000, kRestarts);
  EXPECT_EQ(known.verdict, Verdict::kDuplicate);
  EXPECT_EQ(known.generation.value, kRestarts);
  EXPECT_EQ(store.gets, 1);
  const auto unknown = judge(1, 9'999, 1);
  EXPECT_EQ(unknown.verdict, Verdict::kStale);
  EXPECT_EQ(unknown.generation.value, kRestarts);
  EXPECT_EQ(store.gets, 1 + 1'008);
}

TEST(Windows, ForgetOlderWindowsOnlyWhenTheyAreIdle) {
  Driver meter;
  meter.verdict(99);
  const auto joined = meter.now + std::chrono::seconds(1);
  meter.session = base::SessionNumber(2);
  meter.verdict(0);
  meter.session = base::SessionNumber(1);
  meter.windows.forget_older_windows(joined - std::chrono::hours(1));
  EXPECT_EQ(meter.verdict(99), Verdict::kDuplicate);
  meter.windows.forget_older_windows(joined + std::chrono::hours(1));
  EXPECT_EQ(meter.verdict(99), Verdict::kDuplicate);  // the blocks know
  EXPECT_EQ(meter.verdict(100), Verdict::kStale);
}

TEST(Windows, KnowTheHighWordOfTheNewestCounter) {
  Driver meter;
  meter.verdict(0x0003'0005);
  EXPECT_EQ(meter.windows.high_word(base::MeterNumber(7), base::SessionNumber(1)), 3);
  EXPECT_EQ(meter.windows.high_word(base::MeterNumber(7), base::SessionNumber(2)), 0);
  EXPECT_EQ(meter.windows.high_word(base::MeterNumber(8), base::SessionNumber(1)), 0);
}

TEST(Windows, PassOnAnErrorOfTheBlockStore) {
  struct Broken final : BlockStore {
    base::Result<std::optional<Block>> get(const BlockKey&) override {
      return base::fail(base::Errc::kIo, "the disk is away");
    }
    void put(const BlockKey&, const Block&) override {}
  } broken;
  MeterWindows windows(broken);
  const auto judge = [&](std::uint32_t fcnt) {
    return windows.judge({base::MeterNumber(1), base::SessionNumber(1), fcnt, 1, {}, false});
  };
  ASSERT_TRUE(judge(400));
  ASSERT_TRUE(judge(1'000));
  ASSERT_FALSE(judge(300));
  EXPECT_EQ(judge(300).error().code, base::Errc::kIo);
}

TEST(Windows, OfAMillionMetersFitWellUnderAGigabyte) { EXPECT_LE(MeterWindows::bytes_per_meter(), 600u); }

}  // namespace
}  // namespace meterhub::dedup
