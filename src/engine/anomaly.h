// Scores of AnomalyDetection_SpikeAndDip and AnomalyDetection_ChangePoint (stream-sql 8.4).
// Microsoft's models are not published beyond their names (kernel density estimation,
// exchangeability martingales): these are ours. Pure: the same values give the same result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace meterhub::engine {

struct AnomalyScore {
  bool anomaly = false;
  // A p-value, 0 to 1: how probable something as odd is when nothing has changed. An anomaly is
  // below 1 - confidence / 100.
  double score = 1;
};

enum class AnomalyMode : std::uint8_t { kSpikes, kDips, kSpikesAndDips };

// Fewer values before it say nothing about one: no anomaly, score 1.
inline constexpr std::size_t kAnomalyHistoryMin = 5;

// `history`: the finite values before `value`, oldest first; confidence 1 to 100. The p-value is the
// weight that a Gaussian kernel density of the history leaves beyond `value`: above it, below
// it, or twice the lesser. Time: linear in the history.
AnomalyScore score_spike_and_dip(std::span<const double> history, double value, double confidence, AnomalyMode mode);

// Whether `value` is where the evidence for a lasting change among history and value becomes
// enough: it was not yet with the history alone. The evidence M is a mean of power martingales over
// conformal p-values, from every place where the change may have begun and for every strength; the
// score is 1 / M. Time: square of the history's size.
AnomalyScore score_change_point(std::span<const double> history, double value, double confidence);

}  // namespace meterhub::engine
