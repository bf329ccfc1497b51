// Random meters against brute force: every litre of every step is put into its period one by one. METERHUB_SEEDS that
// many meters; the failing one is printed.
#include <algorithm>
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "made_readings.h"

namespace meterhub::consumption {
namespace {

std::uint64_t cases() {
  const char* const count = std::getenv("METERHUB_SEEDS");
  return count != nullptr ? std::strtoull(count, nullptr, 10) : 10'000;
}

constexpr std::int64_t kSpan = 4'000;  // seconds

struct Case {
  std::vector<Reading> sent;      // in the order of their counters, each once, with the times of their gateways
  std::vector<Reading> received;  // shuffled, some lost, some twice
  std::vector<base::Timestamp> edges;
  Rules rules;
};

Case make(std::mt19937_64& random) {
  const auto draw = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  Case out;
  if (draw(2) == 0) out.rules.capacity = 2'000;
  Litres counter = draw(3) == 0 && out.rules.capacity > 0 ? 1'950 : draw(1'500);
  std::uint32_t generation = 0, meter = 1;
  for (std::int64_t at = draw(300); at < kSpan; at += 30 + draw(4) * draw(400)) {
    counter += draw(3) * draw(20);
    if (out.rules.capacity > 0) counter %= out.rules.capacity;
    switch (draw(25)) {
      case 0: counter = draw(5); break;                                   // begins again
      case 1: counter = std::max<Litres>(0, counter - draw(800)); break;  // turned back
      case 2: ++generation; break;
      case 3: ++meter, counter = draw(1'000), generation = 0; break;
      default: break;
    }
    out.sent.push_back(reading(at, counter, generation, meter));
    if (draw(30) == 0) out.sent.back().at += std::chrono::seconds(draw(2'000) - 1'000);  // a wrong clock
  }
  for (const auto& one : out.sent) {
    if (draw(8) == 0) continue;
    for (auto copies = draw(10) == 0 ? 2 : 1; copies > 0; --copies) out.received.push_back(one);
  }
  std::shuffle(out.received.begin(), out.received.end(), random);
  for (std::int64_t edge = -500 - draw(700); edge < kSpan + 1'500; edge += 1 + draw(1'500)) out.edges.push_back(second(edge));
  return out;
}

// When the k-th of the step's litres was used, in microseconds, rounded up: it counts in a period that ends then or later.
base::Timestamp time_of(const Step& step, Litres k) {
  if (step.kind == StepKind::kMeasured) return step.to.at;
  const auto whole = static_cast<__int128>((step.to.at - step.from.at).count());
  const auto litres = std::abs(step.used);
  return step.from.at + base::Duration(static_cast<std::int64_t>((whole * k + litres - 1) / litres));
}

TEST(Consumption, IsWhatBruteForceSays) {
  std::mt19937_64 random(11);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto one = make(random);
    const auto steps = steps_of(one.received, one.rules);
    const auto all = figures(steps, one.edges);
    ASSERT_EQ(all.size() + 1, std::max<std::size_t>(one.edges.size(), 1));
    std::vector<Litres> used(all.size());
    for (const auto& step : steps) {
      for (Litres k = 1; k <= std::abs(step.used); ++k) {
        const auto at = time_of(step, k);
        const auto end = std::ranges::lower_bound(one.edges, at) - one.edges.begin();
        if (end > 0 && end < std::ssize(one.edges)) used[static_cast<std::size_t>(end - 1)] += step.used > 0 ? 1 : -1;
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(all[i].used, used[i]) << "meter " << number << ", period " << i;
      ASSERT_EQ(all[i].from.has_value(), all[i].steps > 0);
    }
  }
}

// What counters and figures have in common whatever happens to packets.
TEST(Consumption, AddsUpToTheCountersDifference) {
  std::mt19937_64 random(12);
  for (std::uint64_t number = 0; number < cases(); ++number) {
    const auto one = make(random);
    const auto steps = steps_of(one.received, one.rules);
    Litres expected = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto& step = steps[i];
      if (i > 0) {
        ASSERT_EQ(steps[i - 1].to, step.from) << number;
      }
      ASSERT_LE(step.from.at, step.to.at) << number;
      const bool plain = step.kind == StepKind::kMeasured || step.kind == StepKind::kBridged || step.kind == StepKind::kReverse;
      ASSERT_TRUE(!plain || step.used == step.to.counter - step.from.counter) << number;
      ASSERT_TRUE(step.kind == StepKind::kReverse || step.used >= 0) << number;
      expected += step.used;
    }
    const std::vector<base::Timestamp> ends{second(-10'000), second(kSpan / 3), second(kSpan / 2), second(kSpan + 10'000)};
    Litres sum = 0;
    for (const auto& figure : figures(steps, ends)) sum += figure.used;
    ASSERT_EQ(sum, expected) << number;
  }
}

}  // namespace
}  // namespace meterhub::consumption
