#include "contribution.h"

#include <algorithm>

namespace meterhub::history {
namespace {

using consumption::Period;
using consumption::StepKind;
using tables::UsagePeriod;

constexpr std::array kPeriods{UsagePeriod::kFiveMinutes, UsagePeriod::kHour, UsagePeriod::kDay};

Period period_of(UsagePeriod period) {
  switch (period) {
    case UsagePeriod::kFiveMinutes: return Period::kFiveMinutes;
    case UsagePeriod::kHour: return Period::kHour;
    case UsagePeriod::kDay: break;
  }
  return Period::kDay;
}

}  // namespace

Contribution::Contribution(lake::Hour hour, base::Timestamp cutoff)
    : begin_(lake::end_of(hour) - std::chrono::hours(1)), end_(lake::end_of(hour)), cutoff_(cutoff) {}

// Of the periods that a reading of the hour can end in: one at its very begin counts in the period before.
const Contribution::Edges& Contribution::near_edges(const consumption::LocalTime& calendar, UsagePeriod period) {
  auto& edges = edges_[&calendar][static_cast<std::size_t>(period)];
  if (edges.empty()) edges = calendar.edges(period_of(period), begin_ - base::Duration(1), end_);
  return edges;
}

void Contribution::add(const Placed& placed, std::span<const consumption::Reading> readings,
                       const consumption::HourShare& share) {
  for (const auto period : kPeriods) {
    const bool fine = period == UsagePeriod::kFiveMinutes;
    if (fine && cutoff_ >= end_) continue;
    const auto& near = near_edges(*placed.calendar, period);
    add_packets(placed, period, readings);
    if (share.steps.empty()) continue;
    const auto& first = share.steps.front();
    // Only the step into the hour can reach back before it.
    if (first.kind == StepKind::kMeasured || first.from.at >= near.front()) {
      add_figures(placed, period, share, near);
    } else {
      const auto from = fine ? std::max(first.from.at, cutoff_) : first.from.at;
      add_figures(placed, period, share, placed.calendar->edges(period_of(period), from, end_));
    }
  }
}

void Contribution::add_figures(const Placed& placed, UsagePeriod period, const consumption::HourShare& share,
                               const Edges& edges) {
  const auto lead = share.steps.front().from.at;
  for (const auto& figure : consumption::figures(share.steps, edges)) {
    if (figure.steps == 0) continue;
    // The step that ended at `lead` has counted the meter in the period that holds it.
    const bool counted = share.led && lead > figure.begin && lead <= figure.end;
    auto& sum = sums_[{placed.place, period, figure.begin}];
    sum.end = figure.end;
    sum.values += {figure.used, figure.estimated, counted ? 0 : 1, 0};
  }
}

void Contribution::add_packets(const Placed& placed, UsagePeriod period,
                               std::span<const consumption::Reading> readings) {
  const auto& edges = near_edges(*placed.calendar, period);
  counts_.assign(edges.size(), 0);
  std::size_t at = 1;
  for (const auto& reading : readings) {
    if (reading.at > edges[at] || reading.at <= edges[at - 1])  // most follow the one before
      at = static_cast<std::size_t>(std::ranges::lower_bound(edges, reading.at) - edges.begin());
    ++counts_[at];
  }
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (counts_[i] == 0) continue;
    auto& sum = sums_[{placed.place, period, edges[i - 1]}];
    sum.end = edges[i];
    sum.values.packets += counts_[i];
  }
}

tables::UsageSums Contribution::sums(const std::vector<tables::UsagePlaceId>& places) const {
  tables::UsageSums out;
  for (const auto& [key, sum] : sums_) {
    if (key.period == UsagePeriod::kFiveMinutes && key.begin < cutoff_) continue;
    out[{key.period, places[key.place], key.begin, sum.end}] += sum.values;
  }
  return out;
}

}  // namespace meterhub::history
