#include "tenant_figures.h"

#include <algorithm>

namespace meterhub::console {
namespace {

constexpr std::uint32_t kMetersOfView = 4096;
constexpr int kPause = 50;

}  // namespace

void TenantFigures::count_meters() {
  figures_.clear();
  Figures* figures = nullptr;
  base::TenantNumber last;  // neighbours are mostly of one tenant
  const auto highest = directory_.highest_meter().value;
  for (std::uint64_t first = 1; first <= highest; first += kMetersOfView) {
    const auto view = directory_.view();
    const auto end = std::min<std::uint64_t>(first + kMetersOfView, std::uint64_t{highest} + 1);
    for (auto n = first; n < end; ++n) {
      const base::MeterNumber number(static_cast<std::uint32_t>(n));
      const auto* const meter = view.meter(number);
      if (meter == nullptr) continue;
      if (figures == nullptr || meter->tenant != last) figures = &figures_[meter->tenant];
      last = meter->tenant;
      ++figures->meters;
      ++figures->by_state[static_cast<std::size_t>(fleet_.state(number))];
    }
  }
}

// As many rows as an index holds: long for a large table.
std::int64_t TenantFigures::count_alerts(base::TenantNumber tenant, const base::Clock& clock) {
  auto& known = alerts_[tenant];
  const auto begin = clock.monotonic();
  if (begin < known.again) return known.rows;
  if (const auto rows = database_.count(tables::kAlertsTable, tenant)) known.rows = *rows;
  const auto end = clock.monotonic();
  known.again = end + (end - begin) * kPause;
  return known.rows;
}

const Figures& TenantFigures::of(base::TenantNumber tenant, const base::Clock& clock) {
  const auto begin = clock.monotonic();
  if (begin >= again_) {
    count_meters();
    const auto end = clock.monotonic();
    again_ = end + (end - begin) * kPause;
  }
  auto& out = figures_[tenant];
  out.alerts = count_alerts(tenant, clock);
  return out;
}

}  // namespace meterhub::console
