// The kinds of windows; make_window() chooses.
#pragma once

#include <memory>

#include "grouping.h"

namespace meterhub::engine {

std::unique_ptr<WindowState> make_pane_window(const sql::Window& window, AggregateSet& set);
std::unique_ptr<WindowState> make_sliding_window(const sql::Window& window, AggregateSet& set);
std::unique_ptr<WindowState> make_session_window(const sql::Window& window, AggregateSet& set);

}  // namespace meterhub::engine
