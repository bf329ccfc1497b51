// Goal: the shares of hours, each computed from few hours around it and only when its turn comes, are the steps of all
// readings: whatever the order in which hours and late readings come, and whatever clocks say.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <meterhub/consumption/hourly.h>

#include "made_readings.h"

namespace meterhub::consumption {
namespace {

using testing::ElementsAre;

std::uint64_t cases() {
  const char* const count = std::getenv("METERHUB_SEEDS");
  return count != nullptr ? std::strtoull(count, nullptr, 10) : 3'000;
}

bool same(const std::vector<Step>& a, const std::vector<Step>& b) {
  return std::ranges::equal(a, b, [](const Step& x, const Step& y) {
    return x.from == y.from && x.to == y.to && x.used == y.used && x.kind == y.kind;
  });
}

enum class Clocks { kRight, kOneWrong, kWild };

// A meter that sends from every half minute to a few times a day.
std::vector<Reading> sent(std::mt19937_64& random, Clocks clocks) {
  const auto draw = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
  const std::array<std::int64_t, 4> paces{300, 1'200, 3'600, 20'000};
  const auto pace = paces[static_cast<std::size_t>(draw(4))];
  std::vector<Reading> out;
  Litres counter = draw(5'000);
  std::uint32_t fcnt = 0, session = 1;
  const auto count = 1 + draw(60);
  for (std::int64_t at = draw(4'000), i = 0; i < count; ++i, at += pace + draw(pace)) {
    counter = draw(40) == 0 ? draw(10) : counter + draw(300);
    if (draw(30) == 0) fcnt = 0, ++session;
    auto one = reading(at, counter);
    one.session = base::SessionNumber(session);
    one.fcnt = ++fcnt;
    out.push_back(one);
  }
  if (clocks == Clocks::kOneWrong && out.size() > 20) {
    out[10 + static_cast<std::size_t>(draw(static_cast<std::int64_t>(out.size()) - 20))].at +=
        std::chrono::seconds(draw(200'000) - 100'000);
  }
  if (clocks == Clocks::kWild) {
    for (auto& one : out) {
      if (draw(4) == 0) one.at += std::chrono::seconds(draw(2) == 0 ? draw(200) - 100 : draw(40'000) - 20'000);
    }
  }
  return out;
}

TEST(HourlySteps, AreThoseOfAllReadingsWhereClocksAreRight) {
  std::mt19937_64 random(21);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto all = sent(random, Clocks::kRight);
    ASSERT_TRUE(same(hourly_steps(all, {}), steps_of(all, {}))) << number;
  }
}

// Of a meter with some readings an hour: those around outvote it.
TEST(HourlySteps, LeaveASingleWrongClockOut) {
  std::vector<Reading> all;
  for (std::int64_t i = 0; i < 600; ++i) all.push_back(reading(i * 60, i * 2));
  for (const std::int64_t wrong : {-36'000, -7'200, -3'600, -61, 61, 3'600, 7'200, 36'000}) {
    for (const std::size_t which : {100U, 239U, 240U, 241U, 299U, 300U, 301U}) {
      auto told = all;
      told[which].at += std::chrono::seconds(wrong);
      const auto expected = steps_of(told, {});
      ASSERT_EQ(expected.size(), 598U);
      EXPECT_TRUE(same(hourly_steps(told, {}), expected)) << which << " by " << wrong;
    }
  }
}

TEST(HourlySteps, FollowEachOtherWithoutGapsWhateverClocksSay) {
  std::mt19937_64 random(22);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto steps = hourly_steps(sent(random, Clocks::kWild), {});
    for (std::size_t i = 1; i < steps.size(); ++i) ASSERT_EQ(steps[i - 1].to, steps[i].from) << number;
    for (const auto& step : steps) ASSERT_LE(step.from.at, step.to.at) << number;
  }
}

// A flat's meters one after the other: with all counters noted the steps are what was used there, to the litre.
TEST(HourlySteps, GoOnFromMeterToMeterToTheLitre) {
  std::mt19937_64 random(23);
  const auto draw = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
  for (std::uint64_t number = 0; number < cases(); ++number) {
    std::vector<Stay> in_turn;
    std::optional<Litres> first, last;  // of the flat, where a reading shows it
    Litres flat = 0;
    std::int64_t at = 0;
    for (std::int64_t meter = 1, count = 1 + draw(5); meter <= count; ++meter) {
      Stay stay;
      const auto put_in = draw(100'000);
      const auto begin = flat;
      const auto sends = draw(4) == 0 ? 0 : draw(12);  // some send nothing before they are taken out again
      for (std::int64_t i = 0; i < sends; ++i) {
        at += 1 + draw(2'000);
        flat += draw(50);
        stay.readings.push_back(reading(at, put_in + flat - begin, 0, static_cast<std::uint32_t>(meter)));
        if (!first) first = flat;
        last = flat;
      }
      flat += draw(50);
      at += draw(2'000);
      stay.counter_in = put_in;
      stay.counter_out = put_in + flat - begin;
      in_turn.push_back(std::move(stay));
    }
    const auto steps = hourly_steps(in_turn);
    Litres sum = 0;
    for (const auto& step : steps) {
      sum += step.used;
      ASSERT_EQ(step.kind == StepKind::kExchange, step.from.meter != step.to.meter) << number;
    }
    for (std::size_t i = 1; i < steps.size(); ++i) ASSERT_EQ(steps[i - 1].to, steps[i].from) << number;
    ASSERT_EQ(sum, first ? *last - *first : 0) << number;
  }
}

TEST(HourlySteps, OfAnExchangeThatNobodyCountedAreAnEstimateOfNothing) {
  const std::vector<Stay> in_turn{
      {.readings = {reading(0, 5'000), reading(30, 5'010)}, .rules = {}, .counter_in = {}, .counter_out = {}},
      {.readings = {reading(600, 3, 0, 7)}, .rules = {}, .counter_in = {}, .counter_out = {}}};
  const auto steps = hourly_steps(in_turn);
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[1].kind, StepKind::kExchange);
  EXPECT_EQ(steps[1].used, 0);
  EXPECT_TRUE(steps[1].is_estimate());
}

// Hours of one meter as a roll-up keeps them: what is there, and shares that were computed some time.
class Kept {
 public:
  // Readings that come at once, then everything that is to be computed, hours in rising order.
  void take(const std::vector<Reading>& readings) {
    std::set<base::Timestamp> changed;
    for (const auto& one : readings) {
      there_.push_back(one);
      changed.insert(std::chrono::floor<std::chrono::hours>(one.at));
    }
    const auto renewed = changed;
    std::set<base::Timestamp> due = changed;
    while (!due.empty()) {
      const auto hour = *due.begin();
      due.erase(due.begin());
      const auto share = compute(hour, renewed);
      shares_[hour] = share;
      ++computed_;
      if (changed.erase(hour) > 0) due.insert(share.concerned.begin(), share.concerned.end());
    }
  }
  std::vector<Step> steps() const {
    std::vector<Step> out;
    for (const auto& [hour, share] : shares_) out.insert(out.end(), share.steps.begin(), share.steps.end());
    return out;
  }
  // A period's meters are counted by the shares: once each, as long as there are steps in it.
  bool is_led_right() const {
    bool any = false;
    for (const auto& [hour, share] : shares_) {
      if (share.steps.empty()) continue;
      if (share.led != any) return false;
      any = true;
    }
    return true;
  }
  std::size_t computed() const { return computed_; }

 private:
  // From as few hours as can be, so that what is said is known to follow from them.
  HourShare compute(base::Timestamp hour, const std::set<base::Timestamp>& renewed) const {
    auto all = by_hour(there_);
    for (auto& one : all) one.renewed = renewed.contains(one.begin);
    const auto own = std::ranges::find(all, hour, &HourReadings::begin) - all.begin();
    auto first = own, end = own + 1;
    while (true) {
      const Surroundings known{
          .hours = std::span(all).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(end - first)),
          .from_first = first == 0,
          .to_last = end == std::ssize(all)};
      auto share = share_of(known, static_cast<std::size_t>(own - first), {});
      if (share) return *share;
      if (share.error() == Lacking::kEarlier) {
        EXPECT_GT(first, 0);
        --first;
      } else {
        EXPECT_LT(end, std::ssize(all));
        ++end;
      }
    }
  }

  std::vector<Reading> there_;
  std::map<base::Timestamp, HourShare> shares_;
  std::size_t computed_ = 0;
};

class HourShares : public testing::TestWithParam<Clocks> {};

TEST_P(HourShares, AreTheStepsOfAllReadingsInWhateverOrderTheyCome) {
  std::mt19937_64 random(23);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto all = sent(random, GetParam());
    auto waiting = all;
    if (random() % 3 != 0) std::shuffle(waiting.begin(), waiting.end(), random);
    Kept kept;
    while (!waiting.empty()) {
      const auto many = std::min<std::size_t>(waiting.size(), 1 + random() % 20);
      kept.take({waiting.end() - static_cast<std::ptrdiff_t>(many), waiting.end()});
      waiting.resize(waiting.size() - many);
    }
    ASSERT_TRUE(same(kept.steps(), hourly_steps(all, {}))) << "meter " << number;
    ASSERT_TRUE(kept.is_led_right()) << "meter " << number;
  }
}

INSTANTIATE_TEST_SUITE_P(Clocks, HourShares, testing::Values(Clocks::kRight, Clocks::kOneWrong, Clocks::kWild),
                         [](const auto& one) {
                           switch (one.param) {
                             case Clocks::kRight: return "Right";
                             case Clocks::kOneWrong: return "OneWrong";
                             case Clocks::kWild: break;
                           }
                           return "Wild";
                         });

TEST(HourShare, ConcernsTheNextHourAlone) {
  std::vector<Reading> all;
  for (std::int64_t i = 0; i < 600; ++i) all.push_back(reading(i * 60 + 1, i));
  const auto hours = by_hour(all);
  const auto share = share_of({.hours = std::span(hours).subspan(1, 5)}, 2, {});
  ASSERT_TRUE(share);
  EXPECT_THAT(share->concerned, ElementsAre(hours[4].begin));
  EXPECT_FALSE(share->disordered);
  EXPECT_TRUE(share->led);
  EXPECT_EQ(share->steps.size(), 60U);
}

}  // namespace
}  // namespace meterhub::consumption
