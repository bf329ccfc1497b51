// Windows(...) of one GROUP BY that lie within each other: a day is made of its hours and an hour
// of its five minutes, so that a row is added to the finest only.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <meterhub/sql/plan.h>

namespace meterhub::engine {

// Which window of the list `windows[of]` can be made from: the longest tumbling one of which every
// end is within one of its panes. Nothing: it takes the rows themselves.
std::optional<std::size_t> finer_window(std::span<const sql::Window> windows, std::size_t of);

// Whether any window of the plan is made from another.
bool rolls_up(const sql::Plan& plan);

}  // namespace meterhub::engine
