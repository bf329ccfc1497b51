#include "windows.h"

#include <algorithm>
#include <set>

namespace meterhub::engine::oracle {
namespace {

using sql::WindowKind;

// The first multiple of `size`, counted from `offset`, that is not before `time`.
Ticks multiple_from(Ticks time, Ticks size, Ticks offset) {
  Ticks multiple = (time - offset) / size * size + offset;
  while (multiple < time) multiple += size;
  while (multiple - size >= time) multiple -= size;
  return multiple;
}

// Rows in (end - size, end], for each of the ends.
std::vector<Filled> at_ends(const std::set<Ticks>& ends, Ticks size, const std::vector<Ticks>& times) {
  std::vector<Filled> out;
  for (const Ticks end : ends) {
    Filled window{end, {}};
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (times[i] > end - size && times[i] <= end) window.rows.push_back(i);
    }
    if (!window.rows.empty()) out.push_back(std::move(window));
  }
  return out;
}

// 7.1, 7.2: an end at every multiple of the hop.
std::vector<Filled> hopping(const sql::Window& window, const std::vector<Ticks>& times) {
  std::set<Ticks> ends;
  for (const Ticks time : times) {
    for (Ticks end = multiple_from(time, window.hop, window.offset); end < time + window.size; end += window.hop)
      ends.insert(end);
  }
  return at_ends(ends, window.size, times);
}

// 7.4: each instant at which a row comes in or goes out.
std::vector<Filled> sliding(const sql::Window& window, const std::vector<Ticks>& times) {
  std::set<Ticks> changes;
  for (const Ticks time : times) {
    changes.insert(time);
    changes.insert(time + window.size);
  }
  return at_ends(changes, window.size, times);
}

// 7.6
std::vector<Filled> snapshots(const std::vector<Ticks>& times) {
  return at_ends(std::set<Ticks>(times.begin(), times.end()), 1, times);
}

// 7.5: t0 first, tl last event. Over at the first instant t with t - tl > timeout, or with t a
// multiple of max and t - t0 >= max; an event at that multiple still belongs to it (D15).
std::vector<Filled> sessions(const sql::Window& window, const std::vector<Ticks>& times) {
  std::vector<Filled> out;
  std::size_t next = 0;
  while (next < times.size()) {
    const Ticks cut = multiple_from(times[next] + window.maximum, window.maximum, 0);
    Filled session;
    Ticks last = times[next];
    while (next < times.size() && times[next] - last <= window.timeout && times[next] <= cut) {
      last = times[next];
      session.rows.push_back(next++);
    }
    session.end = std::min(last + window.timeout, cut);
    out.push_back(std::move(session));
  }
  return out;
}

}  // namespace

std::vector<Filled> fill(const sql::Window& window, const std::vector<Ticks>& times) {
  switch (window.kind) {
    case WindowKind::kTumbling:
    case WindowKind::kHopping: return hopping(window, times);
    case WindowKind::kSliding: return sliding(window, times);
    case WindowKind::kSession: return sessions(window, times);
    case WindowKind::kSnapshot: return snapshots(times);
  }
  return {};
}

}  // namespace meterhub::engine::oracle
