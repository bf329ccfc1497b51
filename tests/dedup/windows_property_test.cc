// Random copies against a slow oracle: a set of what was seen per identity. The seed is
// printed on failure.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <meterhub/dedup/windows.h>

namespace meterhub::dedup {
namespace {

constexpr int kSteps = 4'000;
constexpr std::uint32_t kMeters = 5;

// A meter that sends, loses, repeats and holds back frames.
struct Sender {
  std::uint32_t session = 1;
  std::uint32_t generation = 0;
  std::uint32_t next = 0;
  std::vector<Reading> held_back;
};

using Identity = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>;
Identity identity(const Reading& r) { return {r.meter.value, r.session.value, r.generation.value, r.fcnt}; }

class Town {
 public:
  explicit Town(unsigned seed) : random_(seed) {
    for (auto& sender : senders_) sender.next = draw(100'000) + 100;
  }

  // A frame's copy as it reaches the platform: fresh, or one held back for a while.
  Reading next() {
    now_ += std::chrono::seconds(1);
    const auto number = draw(kMeters);
    auto& sender = senders_[number];
    if (!sender.held_back.empty() && draw(4) == 0) return release(sender);
    disturb(sender);
    Reading reading{base::MeterNumber(number + 1), base::SessionNumber(sender.session),
                    base::Generation(sender.generation), sender.next++, mic(), now_, false};
    if (draw(3) == 0 && sender.held_back.size() < 40) sender.held_back.push_back(reading);
    if (draw(20) == 0) sender.next += draw(400);
    return reading;
  }

 private:
  std::uint32_t draw(std::uint32_t below) { return std::uniform_int_distribution<std::uint32_t>(0, below - 1)(random_); }
  std::uint32_t mic() { return 1 + draw(0xFFFFFFFE); }
  Reading release(Sender& sender) {
    const auto index = draw(static_cast<std::uint32_t>(sender.held_back.size()));
    auto reading = sender.held_back[index];
    if (draw(2) == 0) sender.held_back.erase(sender.held_back.begin() + index);
    reading.enqueued = now_;
    return reading;
  }
  void disturb(Sender& sender) {
    if (draw(500) == 0) {
      sender = {sender.session + 1, 0, draw(200), {}};
    } else if (draw(500) == 0 && sender.next > 4'000) {
      sender.held_back.clear();
      sender.generation += 1;
      sender.next = draw(kResetBelow);
      now_ += kOldGenerationTime;
    }
  }

  std::mt19937 random_;
  Sender senders_[kMeters];
  base::Timestamp now_{std::chrono::seconds(1'700'000'000)};
};

Judgement judge(MeterWindows& windows, const Reading& r) {
  const auto judgement = windows.judge({r.meter, r.session, r.fcnt, r.mic, r.enqueued, true});
  EXPECT_TRUE(judgement);
  return judgement.value_or(Judgement{});
}

class WindowsUnderRandomCopies : public testing::TestWithParam<unsigned> {};

TEST_P(WindowsUnderRandomCopies, TakeEveryFrameOnceUnderItsIdentity) {
  SCOPED_TRACE(GetParam());
  Town town(GetParam());
  MemoryBlockStore blocks;
  MeterWindows windows(blocks);
  std::set<Identity> seen;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> newest;  // (meter, session) -> generation
  for (int step = 0; step < kSteps; ++step) {
    const auto reading = town.next();
    const auto judgement = judge(windows, reading);
    const bool fresh = seen.insert(identity(reading)).second;
    ASSERT_EQ(is_reading(judgement.verdict), fresh) << name(judgement.verdict) << " step " << step;
    if (fresh) {
      ASSERT_EQ(judgement.generation, reading.generation) << name(judgement.verdict);
    }
    auto& generation = newest[{reading.meter.value, reading.session.value}];
    ASSERT_EQ(judgement.verdict == Verdict::kReset, fresh && reading.generation.value > generation);
    generation = std::max(generation, reading.generation.value);
  }
}

TEST_P(WindowsUnderRandomCopies, AreRebuiltFromASnapshotAndTheReadingsBehindIt) {
  SCOPED_TRACE(GetParam());
  Town town(GetParam());
  MemoryBlockStore blocks;
  MeterWindows windows(blocks);
  std::vector<Reading> readings;
  std::vector<std::string> snapshots;
  std::size_t tail_begin = 0;
  for (int step = 0; step < kSteps; ++step) {
    auto reading = town.next();
    const auto judgement = judge(windows, reading);
    reading.generation = judgement.generation;
    reading.stale = judgement.verdict == Verdict::kStale;
    if (is_reading(judgement.verdict)) readings.push_back(reading);
    if (step != kSteps / 2) continue;
    tail_begin = readings.size() - 50;  // begins before the snapshot's end
    for (std::uint8_t shard = 0; shard < base::kShards; ++shard) {
      snapshots.push_back(windows.snapshot(base::Shard(shard)));
    }
  }
  MeterWindows rebuilt(blocks);
  for (std::uint8_t shard = 0; shard < base::kShards; ++shard) {
    ASSERT_TRUE(rebuilt.restore(base::Shard(shard), snapshots[shard]));
  }
  for (std::size_t i = tail_begin; i < readings.size(); ++i) ASSERT_TRUE(rebuilt.apply_reading(readings[i]));
  for (std::uint8_t shard = 0; shard < base::kShards; ++shard) {
    EXPECT_EQ(rebuilt.snapshot(base::Shard(shard)), windows.snapshot(base::Shard(shard))) << int{shard};
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WindowsUnderRandomCopies, testing::Range(1u, 41u));

}  // namespace
}  // namespace meterhub::dedup
