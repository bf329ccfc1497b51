#include "grouping.h"

#include <algorithm>

#include <meterhub/base/assert.h>

#include "roll_up.h"

namespace meterhub::engine {

bool WindowState::give_in_order(std::vector<Ready>& ready, const Give& give) {
  std::ranges::stable_sort(ready, {}, &Ready::key);
  return std::ranges::all_of(ready, give);
}

void WindowState::roll_up(Ticks, WindowState&) { MH_ASSERT(false && "windows with panes only"); }
void WindowState::take_ended(const Ended&) { MH_ASSERT(false && "windows with panes only"); }

Grouping::Grouping(const sql::Grouping& plan, bool lenient)
    : plan_(plan), lenient_(lenient), set_(plan.aggregates, lenient), keys_(plan.keys.size()) {
  for (std::size_t i = 0; i < plan.windows.size(); ++i) {
    windows_.push_back(make_window(plan.windows[i], set_));
    if (const auto finer = finer_window(plan.windows, i)) roll_ups_.push_back({*finer, i});
    else of_rows_.push_back(i);
  }
  std::ranges::sort(roll_ups_, {}, [&](const RollUp& one) { return plan.windows[one.finer].size; });
}

bool Grouping::add(Evaluator& evaluator, std::string_view whole, Ticks time, std::uint32_t tenant,
                   std::string_view apart) {
  key_.clear();
  original_.clear();
  bool kept = true;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    keys_[i] = evaluator.value(*plan_.keys[i]);
    append_key(key_, keys_[i]);
    kept = kept && key_keeps(keys_[i]);
  }
  if (!kept) {
    for (const auto& value : keys_) pack(original_, value);
  }
  key_ += apart;  // behind the keys, which are read back from it
  set_.take(evaluator, whole);
  if (!lenient_ && !evaluator.error().empty()) return false;
  // A window may overwrite what was taken while it forgets old rows.
  const bool several = of_rows_.size() > 1;
  taken_.clear();
  if (several) set_.pack(taken_);
  for (const auto i : of_rows_) {
    partition_.clear();
    for (const auto& expr : plan_.windows[i].partition) append_key(partition_, evaluator.value(*expr));
    partition_ += apart;
    if (!lenient_ && !evaluator.error().empty()) return false;
    if (several) {
      Unpacker again(taken_);
      set_.unpack(again);
    }
    if (!windows_[i]->add({key_, original_, partition_, whole, time, tenant}, set_, evaluator) && !lenient_)
      return false;
  }
  return true;
}

std::optional<Ticks> Grouping::due() const {
  std::optional<Ticks> next;
  for (const auto& window : windows_) {
    const auto due = window->due();
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

// An hour has its last five minutes before it ends with them.
void Grouping::roll_up(Ticks now) {
  for (const auto& [finer, coarser] : roll_ups_) {
    if (windows_[finer]->due() == now) windows_[finer]->roll_up(now, *windows_[coarser]);
  }
}

bool Grouping::fire(Ticks now, Evaluator& evaluator, const GroupSink& sink,
                    const std::function<bool(const std::string&)>& failed) {
  roll_up(now);
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    if (windows_[i]->due() != now) continue;
    evaluator.bind({}, now);
    const auto give_one = [&](const WindowState::Ready& one) { return give(one, i, now, evaluator, sink, failed); };
    if (!windows_[i]->ready(now, set_, evaluator, give_one)) return false;
    windows_[i]->finish(now);
  }
  return true;
}

bool Grouping::give(const WindowState::Ready& ready, std::size_t window, Ticks now, Evaluator& evaluator,
                    const GroupSink& sink, const std::function<bool(const std::string&)>& failed) {
  evaluator.bind({}, now);
  WindowState::Group group;
  if (!windows_[window]->results(ready, now, set_, evaluator, results_, group) && !lenient_)
    return failed(evaluator.error());
  if (group.original.empty()) {
    read_key(ready.key, keys_, evaluator.arena());
  } else {
    Unpacker from(group.original);
    for (auto& value : keys_) value = from.value();
  }
  const auto& id = plan_.windows[window].id;
  const GroupValues values{keys_, results_, id ? std::optional<std::string_view>(*id) : std::nullopt};
  return sink(values, now, {0, 0, group.tenant});
}

}  // namespace meterhub::engine
