#include "roll_up.h"

#include <algorithm>
#include <numeric>

namespace meterhub::engine {
namespace {

bool has_panes(const sql::Window& window) { return window.kind == sql::WindowKind::kTumbling || window.kind == sql::WindowKind::kHopping; }

// Every pane of `coarse` begins and ends where one of `fine` does. Of tumbling ones it is longer, so that none is made from itself.
bool holds(const sql::Window& coarse, const sql::Window& fine) {
  if (!has_panes(coarse) || fine.kind != sql::WindowKind::kTumbling) return false;
  const auto pane = std::gcd(coarse.size, coarse.hop);
  const bool longer = coarse.kind == sql::WindowKind::kHopping ? pane >= fine.size : pane > fine.size;
  return longer && pane % fine.size == 0 && (coarse.offset - fine.offset) % fine.size == 0;
}

bool rolls_up(const sql::Select& select) {
  if (!select.grouping) return false;
  const auto& windows = select.grouping->windows;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (finer_window(windows, i)) return true;
  }
  return false;
}

}  // namespace

std::optional<std::size_t> finer_window(std::span<const sql::Window> windows, std::size_t of) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (holds(windows[of], windows[i]) && (!best || windows[i].size > windows[*best].size)) best = i;
  }
  return best;
}

bool rolls_up(const sql::Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const sql::Step& step) {
    return std::ranges::any_of(step.branches, [](const sql::Select& select) { return rolls_up(select); });
  });
}

}  // namespace meterhub::engine
