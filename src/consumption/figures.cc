#include <algorithm>

#include <meterhub/consumption/consumption.h>

namespace meterhub::consumption {
namespace {

using Int128 = __int128;

// Of the step's litres, those that count up to `at`: all of a measured one at its end.
Litres used_until(const Step& step, base::Timestamp at) {
  if (at >= step.to.at) return step.used;
  if (at <= step.from.at || step.kind == StepKind::kMeasured) return 0;
  const Int128 past = (at - step.from.at).count();
  const Int128 whole = (step.to.at - step.from.at).count();
  // Towards zero in both directions, so that a step back is spread as one forward is.
  return static_cast<Litres>(static_cast<Int128>(step.used) * past / whole);
}

bool has_share(const Step& step, base::Timestamp begin, base::Timestamp end) {
  if (step.kind == StepKind::kMeasured || step.from.at == step.to.at) return step.to.at > begin && step.to.at <= end;
  return step.from.at < end && step.to.at > begin;
}

void add(Figure& figure, const Step& step) {
  const auto share = used_until(step, figure.end) - used_until(step, figure.begin);
  const bool cut = step.kind != StepKind::kMeasured && (step.from.at < figure.begin || step.to.at > figure.end);
  figure.used += share;
  if (cut || step.is_estimate()) figure.estimated += std::abs(share);
  ++figure.steps;
  if (!figure.from) figure.from = step.from;
  figure.to = step.to;
  figure.reset |= step.kind == StepKind::kReset;
  figure.roll_over |= step.kind == StepKind::kRollOver;
  figure.reverse |= step.kind == StepKind::kReverse;
  figure.exchange |= step.kind == StepKind::kExchange;
}

}  // namespace

std::vector<Figure> figures(std::span<const Step> steps, std::span<const base::Timestamp> edges) {
  std::vector<Figure> out;
  std::size_t first = 0;  // steps before it end before the period
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    Figure figure{.begin = edges[i], .end = edges[i + 1]};
    while (first < steps.size() && steps[first].to.at <= figure.begin) ++first;
    for (std::size_t at = first; at < steps.size() && steps[at].from.at <= figure.end; ++at) {
      if (has_share(steps[at], figure.begin, figure.end)) add(figure, steps[at]);
    }
    out.push_back(figure);
  }
  return out;
}

}  // namespace meterhub::consumption
