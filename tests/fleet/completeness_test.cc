// What a meter's count says, by example and against a brute-force model of random meters.
#include <meterhub/fleet/completeness.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include <meterhub/base/time_text.h>

namespace meterhub::fleet {
namespace {

using namespace std::chrono_literals;
using base::Timestamp;

Timestamp at(std::string_view text) { return base::parse_rfc3339(text)->at; }
DayClock days_of(const char* zone) { return DayClock(*consumption::LocalTime::of(zone)); }

class KnownOutages final : public GatewayOutages {
 public:
  std::vector<Outage> known;
  std::span<const Outage> outages(std::uint16_t gateway, Timestamp) const override {
    return gateway == 7 ? std::span<const Outage>(known) : std::span<const Outage>();
  }
};

// A meter that sends every 30 s; noon in Shanghai.
class CompletenessTest : public testing::Test {
 protected:
  DayClock days_ = days_of("Asia/Shanghai");
  KnownOutages outages_;
  CountWorld world_{days_, outages_};
  MeterCount count_;
  Timestamp now_ = at("2026-11-20T04:00:00Z");
  Timestamp heard_{};
  std::uint32_t fcnt_ = 10;

  std::optional<CountChange> take(CountedPacket packet) {
    const auto change = count_packet(count_, heard_, packet, world_);
    heard_ = std::max(heard_, packet.at);
    return change;
  }
  CountedPacket packet(std::uint32_t fcnt) const { return {.session = 1, .fcnt = fcnt, .at = now_, .gateway = 7}; }
  // The next one, after `steps` of the counter.
  void say(base::Duration after = 30s, std::uint32_t steps = 1) {
    now_ += after;
    take(packet(fcnt_ += steps));
  }
  void learn(int packets = 5) {
    for (int n = 0; n < packets; ++n) say();
  }
  CountFigures today() { return figures_of(count_, heard_, days_.number_of(now_), now_, world_); }
  CountFigures yesterday() { return figures_of(count_, heard_, days_.number_of(now_) - 1, now_, world_); }
};

CountFigures figures(std::uint64_t received, std::uint64_t late = 0, std::map<Missing, std::uint64_t> missing = {}) {
  CountFigures out{.received = received, .late = late};
  for (const auto& [reason, n] : missing) out.of(reason) = n;
  return out;
}

TEST_F(CompletenessTest, NothingIsExpectedBeforeTheFirstPacket) {
  EXPECT_EQ(today(), CountFigures());
  EXPECT_EQ(today().percent(), 100.0);
  count_letter(count_, heard_, Missing::kRejected, 1, now_, days_);
  EXPECT_EQ(today(), CountFigures());
  say();
  EXPECT_EQ(today(), figures(1));
}

TEST_F(CompletenessTest, TheCounterSaysWhatWasLost) {
  learn();
  say(90s, 3);
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kLost, 2}}));
  EXPECT_EQ(today().expected(), 8u);
  EXPECT_EQ(today().percent(), 75.0);
}

TEST_F(CompletenessTest, WhatAGatewayThatWasDownMissedIsNotLostOnTheAir) {
  learn();
  outages_.known = {{now_ + 45s, now_ + 10min}};
  say(10min + 30s, 21);  // 20 between; the first of them at 30 s
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kGatewayDown, 18}, {Missing::kLost, 2}}));
}

TEST_F(CompletenessTest, TimeThatTheCounterDoesNotExplainIsSilence) {
  learn();
  say(90s);  // slower by two intervals is still no silence
  EXPECT_EQ(today(), figures(6));
  say(10min, 3);
  EXPECT_EQ(today(), figures(7, 0, {{Missing::kLost, 2}, {Missing::kSilent, 17}}));
}

TEST_F(CompletenessTest, AMeterThatIsSilentStillIsExpectedButNothingIsStored) {
  learn();
  const auto stored = count_;
  now_ += 70s;
  EXPECT_EQ(today(), figures(5));
  now_ += 9min;
  EXPECT_EQ(today(), figures(5, 0, {{Missing::kSilent, 20}}));
  outages_.known = {{now_ - 5min, now_ + 1h}};
  EXPECT_EQ(today(), figures(5, 0, {{Missing::kSilent, 10}, {Missing::kGatewayDown, 10}}));
  EXPECT_EQ(count_, stored);
  say(0s, 21);  // it sent all the time
  EXPECT_EQ(today().of(Missing::kSilent), 0u);
  EXPECT_EQ(today().of(Missing::kLost) + today().of(Missing::kGatewayDown), 20u);
}

TEST_F(CompletenessTest, ALateOneIsMissingNoMore) {
  learn();
  say(90s, 3);
  auto late = packet(fcnt_ - 2);
  late.at -= 60s;
  late.late = true;
  const auto change = take(late);
  EXPECT_EQ(today(), figures(7, 1, {{Missing::kLost, 1}}));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->from, Missing::kLost);
}

TEST_F(CompletenessTest, WhatMayHaveBeenThereBeforeCountsNothing) {
  learn();
  say(90s, 3);
  const auto before = count_;
  auto again = packet(fcnt_ - 1);
  again.stale = true;
  EXPECT_FALSE(take(again));
  EXPECT_FALSE(take(packet(fcnt_)));
  EXPECT_EQ(count_, before);
}

TEST_F(CompletenessTest, APacketWithoutFiguresIsRejectedUntilItIsDecodedAgain) {
  learn();
  now_ += 30s;
  auto garbage = packet(++fcnt_);
  garbage.undecoded = true;
  take(garbage);
  EXPECT_EQ(today(), figures(5, 0, {{Missing::kRejected, 1}}));
  say();
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kRejected, 1}})) << "it is no gap";
  garbage.late = garbage.again = true;
  EXPECT_FALSE(take(garbage)) << "as unreadable as before";
  garbage.undecoded = false;
  EXPECT_TRUE(take(garbage));
  EXPECT_EQ(today(), figures(7, 1));
}

TEST_F(CompletenessTest, ACounterThatBeganAnewTellsWhatWasLostSince) {
  learn();
  now_ += 90s;
  auto joined = packet(2);
  joined.session = 2;
  take(joined);
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kLost, 2}}));
  now_ += 30s;
  auto restarted = packet(0);
  restarted.session = 2;
  restarted.generation = 1;
  take(restarted);
  EXPECT_EQ(today(), figures(7, 0, {{Missing::kLost, 2}}));
  now_ += 30s;
  auto anywhere = packet(50'000);  // a session that another server began
  anywhere.session = 3;
  take(anywhere);
  EXPECT_EQ(today(), figures(8, 0, {{Missing::kLost, 2}})) << "it cannot have sent those in half a minute";
}

TEST_F(CompletenessTest, ACounterThatJumpsDoesNotMakeAMeterIncomplete) {
  learn();
  say(30s, 65'536);
  EXPECT_EQ(today(), figures(6));
}

TEST_F(CompletenessTest, LettersThatNameTheMeterSayWhyThePacketIsMissing) {
  learn();
  count_letter(count_, heard_, Missing::kRejected, 16, now_ + 30s, days_);
  count_letter(count_, heard_, Missing::kRejected, 16, now_ + 30s, days_);  // another gateway's copy
  count_letter(count_, heard_, Missing::kDecryptFailed, 17, now_ + 60s, days_);
  now_ += 61s;
  EXPECT_EQ(today(), figures(5, 0, {{Missing::kRejected, 1}, {Missing::kDecryptFailed, 1}}));
  now_ += 29s;
  say(30s, 4);
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kRejected, 1}, {Missing::kDecryptFailed, 1}, {Missing::kLost, 1}}));
}

TEST_F(CompletenessTest, ALetterOfACopyIsTakenBack) {
  learn();
  count_letter(count_, heard_, Missing::kDecryptFailed, 16, now_ + 30s, days_);
  say();
  EXPECT_EQ(today(), figures(6));
}

TEST_F(CompletenessTest, ALetterThatIsReadBehindTheStepExplainsIt) {
  learn();
  say(60s, 2);
  count_letter(count_, heard_, Missing::kDecryptFailed, 16, now_ - 30s, days_);
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kDecryptFailed, 1}}));
  count_letter(count_, heard_, Missing::kDecryptFailed, 16, now_ - 30s, days_);
  EXPECT_EQ(today(), figures(6, 0, {{Missing::kDecryptFailed, 1}}));
}

TEST_F(CompletenessTest, AMeterWhoseLettersComeIsNotSilent) {
  learn();
  for (std::uint16_t n = 1; n <= 20; ++n)
    count_letter(count_, heard_, Missing::kRejected, static_cast<std::uint16_t>(n), now_ + n * 30s, days_);
  now_ += 10min + 1s;
  EXPECT_EQ(today(), figures(5, 0, {{Missing::kRejected, 20}}));
}

TEST_F(CompletenessTest, ANewIntervalIsLearntSlowerOrFaster) {
  learn();
  for (int n = 0; n < 6; ++n) say(10min);
  const auto silent = today().of(Missing::kSilent);
  EXPECT_EQ(silent, 3u * 19u) << "the first three";
  for (int n = 0; n < 200; ++n) say(30s);
  EXPECT_EQ(today().of(Missing::kSilent), silent);
  say(10min);
  EXPECT_EQ(today().of(Missing::kSilent), silent + 19);
}

// Half of all gateways tell no time: what they stored comes in as if it were sent now.
TEST_F(CompletenessTest, ABacklogWithoutTimesTakesTheSilenceBack) {
  learn();
  say(1h);
  EXPECT_EQ(today().of(Missing::kSilent), 119u);
  for (int n = 0; n < 100; ++n) say(20ms);
  EXPECT_EQ(today(), figures(106, 0, {{Missing::kSilent, 19}}));
  say(20ms, 20);
  EXPECT_EQ(today(), figures(107, 0, {{Missing::kLost, 19}}));
  say();
  say(10min);
  EXPECT_EQ(today().of(Missing::kSilent), 19u) << "the interval is the old one";
}

TEST_F(CompletenessTest, GapsOverMidnightArePartedAndTwoDaysAreKept) {
  now_ = at("2026-11-20T15:50:00Z");  // ten minutes before
  learn();                            // 15:52:30
  say(15min, 30);                     // 16:07:30
  EXPECT_EQ(yesterday(), figures(5, 0, {{Missing::kLost, 14}})) << "to 15:59:30";
  EXPECT_EQ(today(), figures(1, 0, {{Missing::kLost, 15}}));
  say(24h, 2880);
  EXPECT_EQ(count_.on(days_.number_of(now_) - 2), nullptr);
  EXPECT_EQ(yesterday().expected(), 1u + 15 + 2864) << "the next is at midnight";
  EXPECT_EQ(today().received, 1u);
}

TEST_F(CompletenessTest, WhatComesForAClosedDayIsLateAndTold) {
  now_ = at("2026-11-20T15:50:00Z");
  learn();
  world_.open_day = days_.number_of(now_) + 1;
  now_ += 30s;
  const auto change = take(packet(++fcnt_));  // a gateway's backlog, in order
  ASSERT_TRUE(change);
  EXPECT_EQ(change->day, world_.open_day - 1);
  EXPECT_EQ(change->from, Missing::kSilent);
  EXPECT_EQ(today(), figures(6, 1));
}

TEST_F(CompletenessTest, WhatComesForADayThatIsNotKeptIsTold) {
  learn();
  say(72h, 2);
  auto late = packet(fcnt_ - 1);
  late.late = true;
  late.at -= 72h;
  const auto before = count_;
  const auto change = take(late);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->day, days_.number_of(late.at));
  EXPECT_EQ(count_, before);
}

// --- random meters

struct Model {
  std::map<std::int32_t, CountFigures> days;

  std::uint64_t& missing(std::int32_t day, Missing reason) { return days[day].of(reason); }
  std::uint64_t total(Missing reason) const {
    std::uint64_t out = 0;
    for (const auto& [day, figures] : days) out += figures.of(reason);
    return out;
  }
};

// One meter's life over a midnight: some packets are lost, some come late, gateways are down, the meter is silent, its
// counter begins anew. The model judges each missing packet by itself.
class RandomMeter {
 public:
  RandomMeter(std::uint32_t seed, const char* zone, Timestamp midnight)
      : random_(seed),
        days_(days_of(zone)),
        interval_(std::array{30s, 60s, 300s, 600s}[random_() % 4]),
        now_(midnight - 10h) {}

  void live() {
    const auto end = now_ + 19h;
    for (int n = 0; n < 8; ++n) sure();
    while (now_ < end) {
      switch (random_() % 40) {
        case 0: silence(); break;
        case 1: outage(); break;
        case 2: restart(); break;
        default: slot();
      }
    }
    sure();
    for (const auto& late : lost_) {
      if (random_() % 3 == 0) bring_late(late);
    }
  }

  void expect_right() {
    const auto today = days_.number_of(heard_);
    for (auto day = today - 1; day <= today; ++day) {
      const auto found = figures_of(count_, heard_, day, heard_, {days_, outages_});
      auto& expected = model_.days[day];
      EXPECT_EQ(found.received, expected.received) << day;
      EXPECT_EQ(found.late, expected.late) << day;
      for (const auto reason : {Missing::kLost, Missing::kGatewayDown, Missing::kRejected})
        EXPECT_EQ(found.of(reason), expected.of(reason)) << day << ' ' << missing_name(reason);
      const auto silent = static_cast<double>(expected.of(Missing::kSilent));
      EXPECT_NEAR(static_cast<double>(found.of(Missing::kSilent)), silent, 3 + silent / 50) << day;
    }
    EXPECT_LE(model_.days.size(), 2u);
    std::uint64_t received = 0;
    for (const auto& [day, figures] : model_.days) received += figures.received;
    EXPECT_EQ(received, came_);
    EXPECT_EQ(model_.total(Missing::kLost) + model_.total(Missing::kGatewayDown) + model_.total(Missing::kRejected),
              sent_ - came_);
  }

 private:
  bool chance(double p) { return std::uniform_real_distribution<>()(random_) < p; }

  CountedPacket next() {
    const auto jitter = std::chrono::duration_cast<base::Duration>(interval_) / 20;
    now_ += interval_;
    ++sent_;
    return {.session = session_,
            .generation = generation_,
            .fcnt = fcnt_++,
            .at = now_ + jitter * (static_cast<int>(random_() % 201) - 100) / 100,
            .gateway = 7};
  }
  void sure() { receive(next()); }
  void slot() {
    const auto packet = next();
    if (chance(0.1)) return lost_.push_back(packet);
    receive(packet);
  }
  void silence() {
    sure();
    now_ += interval_ * (8 + random_() % 30);
    sure();
  }
  void outage() {
    sure();
    const auto from = now_ + interval_ / 3;
    for (auto n = 1 + random_() % 40; n > 0; --n) lost_.push_back(next());
    outages_.known.push_back({from, now_ + interval_ / 3});
    sure();
  }
  void restart() {
    sure();
    if (chance(0.5)) {
      ++session_;
      generation_ = 0;
    } else {
      ++generation_;
    }
    fcnt_ = 0;
    for (auto n = random_() % 4; n > 0; --n) lost_.push_back(next());
    sure();
  }

  void receive(CountedPacket packet) {
    packet.undecoded = chance(0.02);
    if (before_) judge_step(*before_, packet);
    auto& day = model_.days[days_.number_of(packet.at)];
    ++(packet.undecoded ? day.of(Missing::kRejected) : day.received);
    came_ += packet.undecoded ? 0 : 1;
    before_ = packet;
    take(packet);
  }
  void take(const CountedPacket& packet) {
    count_packet(count_, heard_, packet, {days_, outages_});
    heard_ = std::max(heard_, packet.at);
  }
  void judge_step(const CountedPacket& from, const CountedPacket& to) {
    const bool goes_on = from.session == to.session && from.generation == to.generation;
    const std::int64_t missing = goes_on ? to.fcnt - from.fcnt - 1 : to.fcnt;
    const auto way = (to.at - from.at).count();
    for (std::int64_t i = 1; i <= missing; ++i) {
      const auto time = from.at + base::Duration((way * i + missing) / (missing + 1));
      const auto down =
          std::ranges::any_of(outages_.known, [&](const Outage& o) { return o.from <= time && time < o.to; });
      ++model_.missing(days_.number_of(time), down ? Missing::kGatewayDown : Missing::kLost);
    }
    const auto interval = std::chrono::duration_cast<base::Duration>(interval_).count();
    const auto silent = (way + interval / 2) / interval - missing - 1;
    if (silent <= 2 + missing / 16) return;
    for (std::int64_t i = 1; i <= silent; ++i)
      ++model_.missing(days_.number_of(from.at + base::Duration(way * i / (silent + 1))), Missing::kSilent);
  }
  void bring_late(CountedPacket packet) {
    auto& day = model_.days[days_.number_of(packet.at)];
    for (const auto reason : {Missing::kLost, Missing::kGatewayDown}) {
      if (day.of(reason) == 0) continue;
      --day.of(reason);
      ++day.received;
      ++day.late;
      ++came_;
      packet.late = true;
      return take(packet);
    }
  }

  std::mt19937 random_;
  DayClock days_;
  std::chrono::seconds interval_;
  Timestamp now_;
  std::uint32_t session_ = 1, generation_ = 0, fcnt_ = 0;
  std::optional<CountedPacket> before_;
  std::vector<CountedPacket> lost_;
  std::uint64_t sent_ = 0, came_ = 0;
  KnownOutages outages_;
  MeterCount count_;
  Timestamp heard_{};
  Model model_;
};

struct Midnight {
  const char* zone;
  const char* time;
};

// The clocks turn on some of these days.
constexpr std::array kMidnights{
    Midnight{"Asia/Shanghai", "2026-11-20T16:00:00Z"},    Midnight{"UTC", "2026-11-20T00:00:00Z"},
    Midnight{"America/New_York", "2026-11-01T04:00:00Z"}, Midnight{"Europe/Berlin", "2026-03-28T23:00:00Z"},
    Midnight{"Asia/Kathmandu", "2026-11-20T18:15:00Z"},   Midnight{"Pacific/Apia", "2026-11-20T11:00:00Z"}};

TEST(CompletenessPropertyTest, RandomMetersCountAsOneCountsByHand) {
  for (std::uint32_t seed = 1; seed <= 600 && !testing::Test::HasFailure(); ++seed) {
    const auto& midnight = kMidnights[seed % kMidnights.size()];
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << midnight.zone);
    RandomMeter meter(seed, midnight.zone, at(midnight.time));
    meter.live();
    meter.expect_right();
  }
}

}  // namespace
}  // namespace meterhub::fleet
