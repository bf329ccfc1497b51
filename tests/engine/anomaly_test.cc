// What the scores must tell apart: noise, single departures, lasting changes. Seeds are fixed.
#include "anomaly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace meterhub::engine {
namespace {

constexpr std::size_t kHistory = 100;

// Sums of uniform numbers: the same on every standard library, unlike normal_distribution.
double noise(std::mt19937_64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53;
  return sum;
}

std::vector<double> noises(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  std::vector<double> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(20 + noise(random));
  return out;
}

std::span<const double> before(const std::vector<double>& values, std::size_t at) {
  const auto first = at > kHistory ? at - kHistory : 0;
  return std::span(values).subspan(first, at - first);
}

bool spike(const std::vector<double>& values, std::size_t at, AnomalyMode mode, double confidence = 99) {
  return score_spike_and_dip(before(values, at), values[at], confidence, mode).anomaly;
}

TEST(SpikeAndDip, TellsDirections) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto values = noises(seed, kHistory + 1);
    values.back() = 30;
    EXPECT_TRUE(spike(values, kHistory, AnomalyMode::kSpikes));
    EXPECT_FALSE(spike(values, kHistory, AnomalyMode::kDips));
    EXPECT_TRUE(spike(values, kHistory, AnomalyMode::kSpikesAndDips));
    values.back() = 10;
    EXPECT_FALSE(spike(values, kHistory, AnomalyMode::kSpikes));
    EXPECT_TRUE(spike(values, kHistory, AnomalyMode::kDips));
    EXPECT_TRUE(spike(values, kHistory, AnomalyMode::kSpikesAndDips));
  }
}

TEST(SpikeAndDip, IsAsRareInNoiseAsItsConfidenceSays) {
  const auto values = noises(7, 5000);
  for (const double confidence : {90.0, 95.0, 99.0}) {
    std::size_t found = 0;
    for (std::size_t at = kHistory; at < values.size(); ++at)
      found += spike(values, at, AnomalyMode::kSpikesAndDips, confidence) ? 1 : 0;
    const double part = static_cast<double>(found) / static_cast<double>(values.size() - kHistory);
    EXPECT_LT(part, 2 * (1 - confidence / 100)) << confidence;
    EXPECT_GT(part, 0.2 * (1 - confidence / 100)) << confidence;
  }
}

TEST(SpikeAndDip, SeesASpikeAfterASpike) {
  auto values = noises(3, kHistory + 1);
  values[50] = 500;
  values.back() = 30;
  EXPECT_TRUE(spike(values, kHistory, AnomalyMode::kSpikes, 95));
}

TEST(SpikeAndDip, TakesEqualValuesAsTheyAre) {
  const std::vector<double> same(50, 21.5);
  EXPECT_EQ(score_spike_and_dip(same, 21.5, 95, AnomalyMode::kSpikesAndDips).score, 1);
  EXPECT_TRUE(score_spike_and_dip(same, 22, 95, AnomalyMode::kSpikes).anomaly);
  EXPECT_FALSE(score_spike_and_dip(same, std::nextafter(21.5, 22.0), 95, AnomalyMode::kSpikesAndDips).anomaly);
  const std::vector<double> zero(50, 0.0);
  EXPECT_EQ(score_spike_and_dip(zero, 0, 95, AnomalyMode::kSpikesAndDips).score, 1);
}

std::size_t changes(const std::vector<double>& values, std::size_t from, std::size_t to, double confidence = 95) {
  std::size_t found = 0;
  for (std::size_t at = from; at < to; ++at)
    found += score_change_point(before(values, at), values[at], confidence).anomaly ? 1 : 0;
  return found;
}

TEST(ChangePoint, SeesALevelThatChangesSoonAndOnce) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const double step : {5.0, -5.0}) {
      auto values = noises(seed, 160);
      for (std::size_t i = kHistory; i < values.size(); ++i) values[i] += step;
      const auto found = changes(values, kHistory, 130);
      EXPECT_GE(found, 1u) << seed;
      EXPECT_LE(found, 3u) << seed;
    }
  }
}

TEST(ChangePoint, IsRareInNoise) {
  const auto values = noises(11, 3000);
  EXPECT_LE(changes(values, kHistory, values.size()), 30u);
}

TEST(ChangePoint, IsNotASingleSpike) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto values = noises(seed, 130);
    const auto quiet = changes(values, kHistory, 130);
    values[110] = 60;
    EXPECT_LE(changes(values, 110, 112), quiet) << seed;
  }
}

TEST(AnomalyScores, AreProbabilitiesWhateverTheValues) {
  std::mt19937_64 random(5);
  const std::vector<double> odd{0, -0.0, 5e-324, 1.7e308, -1.7e308, 1, 1e-300, 20};
  for (int trial = 0; trial < 2000; ++trial) {
    std::vector<double> history(random() % 12);
    for (double& value : history) value = odd[random() % odd.size()];
    const double value = odd[random() % odd.size()];
    for (const auto mode : {AnomalyMode::kSpikes, AnomalyMode::kDips, AnomalyMode::kSpikesAndDips}) {
      const double score = score_spike_and_dip(history, value, 95, mode).score;
      ASSERT_TRUE(score >= 0 && score <= 1) << score;
    }
    const double score = score_change_point(history, value, 95).score;
    ASSERT_TRUE(score >= 0 && score <= 1) << score;
  }
}

TEST(AnomalyScores, SayNothingWithoutHistoryOrAtFullConfidence) {
  const std::vector<double> few(kAnomalyHistoryMin - 1, 1.0);
  EXPECT_FALSE(score_spike_and_dip(few, 1000, 50, AnomalyMode::kSpikes).anomaly);
  EXPECT_EQ(score_change_point(few, 1000, 50).score, 1);
  const std::vector<double> many(50, 1.0);
  EXPECT_FALSE(score_spike_and_dip(many, 1000, 100, AnomalyMode::kSpikes).anomaly);
}

}  // namespace
}  // namespace meterhub::engine
