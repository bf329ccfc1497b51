#include "anomaly.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

namespace meterhub::engine {
namespace {

double threshold(double confidence) { return 1 - std::clamp(confidence, 0.0, 100.0) / 100; }

// ---- spikes and dips ----

double deviation(std::span<const double> values) {
  const auto count = static_cast<double>(values.size());
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0, [&](double sum, double v) { return sum + v / count; });
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean) / count;
  return std::sqrt(squares);
}

// Silverman's rule of thumb. A spike in the history widens the deviation but not the quartiles.
double bandwidth(std::span<const double> history) {
  std::vector<double> sorted(history.begin(), history.end());
  std::ranges::sort(sorted);
  const double quartiles = (sorted[sorted.size() * 3 / 4] - sorted[sorted.size() / 4]) / 1.34;
  const double spread = deviation(history);
  const double width = 0.9 * (quartiles > 0 ? std::min(quartiles, spread) : spread) *
                       std::pow(static_cast<double>(history.size()), -0.2);
  // Of equal values: what rounding makes different is not odd.
  const double rounding = 1e-9 * std::max(std::abs(sorted.front()), std::abs(sorted.back()));
  return std::max({width, rounding, std::numeric_limits<double>::min()});
}

// The density's weight above `value`.
double weight_above(std::span<const double> history, double value, double width) {
  double weight = 0;
  for (const double known : history) weight += std::erfc((value - known) / width / std::numbers::sqrt2) / 2;
  return weight / static_cast<double>(history.size());
}

double spike_or_dip(std::span<const double> history, double value, AnomalyMode mode) {
  const double width = bandwidth(history);
  if (!std::isfinite(width)) return 1;  // values too large to tell
  const double above = weight_above(history, value, width);
  if (mode == AnomalyMode::kSpikes) return above;
  std::vector<double> mirrored(history.begin(), history.end());
  for (double& known : mirrored) known = -known;
  const double below = weight_above(mirrored, -value, width);
  return mode == AnomalyMode::kDips ? below : std::min(1.0, 2 * std::min(above, below));
}

// ---- change points ----

// Part of the first `count` values that are farther from their mean than the last of them is;
// equal ones count half. Uniform over 0..1 while the values' order says nothing.
double conformal(std::span<const double> values, double mean) {
  const double own = std::abs(values.back() - mean);
  double farther = 0;
  for (const double value : values) {
    const double distance = std::abs(value - mean);
    farther += distance > own ? 1 : distance == own ? 0.5 : 0;
  }
  return farther / static_cast<double>(values.size());
}

// The logarithm of the mean over e of the product of e * p^(e - 1): bets on small p-values of
// every strength, since the size of the change is not known.
double log_martingale(std::size_t count, double log_product) {
  constexpr int kStrengths = 19;
  double bets[kStrengths];
  for (int i = 0; i < kStrengths; ++i) {
    const double e = (i + 1) / (kStrengths + 1.0);
    bets[i] = static_cast<double>(count) * std::log(e) + (e - 1) * log_product;
  }
  const double largest = *std::max_element(bets, bets + kStrengths);
  double sum = 0;
  for (const double bet : bets) sum += std::exp(bet - largest);
  return largest + std::log(sum / kStrengths);
}

// One over the evidence for a change: the mean, over the places where it may have begun, of the
// martingale from there on. A mean of martingales is one, so that it exceeds 20 at most once in 20.
double change(std::span<const double> log_p) {
  double log_product = 0;
  double evidence = 0;
  for (std::size_t count = 1; count <= log_p.size(); ++count) {
    log_product += log_p[log_p.size() - count];
    evidence += std::exp(log_martingale(count, log_product)) / static_cast<double>(log_p.size());
  }
  return std::min(1.0, 1 / evidence);
}

}  // namespace

AnomalyScore score_spike_and_dip(std::span<const double> history, double value, double confidence, AnomalyMode mode) {
  if (history.size() < kAnomalyHistoryMin) return {};
  const double score = spike_or_dip(history, value, mode);
  return {score < threshold(confidence), score};
}

AnomalyScore score_change_point(std::span<const double> history, double value, double confidence) {
  if (history.size() < kAnomalyHistoryMin) return {};
  std::vector<double> values(history.begin(), history.end());
  values.push_back(value);
  std::vector<double> log_p;
  double mean = 0;
  for (std::size_t count = 1; count <= values.size(); ++count) {
    mean += values[count - 1] / static_cast<double>(count) - mean / static_cast<double>(count);
    log_p.push_back(std::log(conformal(std::span(values).first(count), mean)));
  }
  const double before = change(std::span(log_p).first(history.size()));
  const double score = change(log_p);
  const double limit = threshold(confidence);
  return {score < limit && before >= limit, score};
}

}  // namespace meterhub::engine
