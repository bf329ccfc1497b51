// Which rows fall into which windows, by enumerating windows (stream-sql 7).
#pragma once

#include <cstddef>
#include <vector>

#include <meterhub/sql/plan.h>

namespace meterhub::engine::oracle {

using sql::Ticks;

// A window that is not empty: its end, and the places of its rows.
struct Filled {
  Ticks end = 0;
  std::vector<std::size_t> rows;
};

// `times` ascending. Tumbling, hopping, sliding and snapshot windows of one group, or sessions.
std::vector<Filled> fill(const sql::Window& window, const std::vector<Ticks>& times);

}  // namespace meterhub::engine::oracle
