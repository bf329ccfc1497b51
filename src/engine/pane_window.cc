// Tumbling, hopping and snapshot windows: partial results a pane, combined when a window
// ends (stream-sql 11.3). A pane is what all windows that touch it hold whole.
#include <algorithm>
#include <numeric>
#include <set>

#include "group_head.h"
#include "keyed_state.h"
#include "window_states.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

struct Pane {
  Ticks end = 0;
  AggregateStates states;
};

// Panes of one group, oldest first.
struct PaneGroup {
  GroupHead head;
  std::vector<Pane> panes;
};

class PaneWindow final : public WindowState {
 public:
  explicit PaneWindow(const sql::Window& window, AggregateSet& set)
      : snapshot_(window.kind == sql::WindowKind::kSnapshot), size_(window.size), hop_(window.hop), offset_(window.offset),
        pane_(snapshot_ ? 1 : std::gcd(window.size, window.hop)), set_(set) {}

  bool add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) override;
  std::optional<Ticks> due() const override;
  void ready(Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Ready>& out) override;
  bool results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& group) override;
  void finish(Ticks now) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override;
  bool loaded() override;
  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override;

 protected:
  std::string save_part(std::uint32_t part) const override;

 private:
  // The first window that ends at or after a pane's end; it holds the pane unless that lies in a gap.
  Ticks first_window(Ticks pane_end) const { return snapshot_ ? pane_end : window_end(pane_end, hop_, offset_); }
  bool in_gap(Ticks pane_end) const { return !snapshot_ && pane_end <= first_window(pane_end) - size_; }
  // Panes that end at or before this are in no window that ends after `now`.
  Ticks done_until(Ticks now) const { return snapshot_ ? now : now + hop_ - size_; }
  std::optional<PaneGroup> load_group(Unpacker& from) const;

  const bool snapshot_;
  const Ticks size_, hop_, offset_, pane_;
  AggregateSet& set_;
  KeyedState<PaneGroup> state_;
  std::set<Ticks> panes_;       // ends of those that hold rows
  std::optional<Ticks> fired_;  // the window that ended last
};

bool PaneWindow::add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) {
  const auto end = snapshot_ ? row.time : window_end(row.time, pane_, offset_);
  if (in_gap(end)) return true;
  const auto part = part_of_key(row.key);
  before_change(part);
  auto& groups = state_.part(part);
  auto found = groups.find(row.key);
  const bool made = found == groups.end();
  if (made) found = groups.try_emplace(row.key, PaneGroup{GroupHead(row), {}}).first;
  auto& panes = found->second.panes;
  const bool new_pane = panes.empty() || panes.back().end != end;
  if (new_pane) panes.push_back({end, AggregateStates(set)});
  if (set.add(panes.back().states.data(), evaluator)) {
    found->second.head.join(row.tenant);
    panes_.insert(end);
    return true;
  }
  // A pane without rows would be a result.
  if (new_pane) panes.pop_back();
  if (made) groups.erase(found);
  return false;
}

std::optional<Ticks> PaneWindow::due() const {
  if (panes_.empty()) return std::nullopt;
  const auto first = first_window(*panes_.begin());
  return fired_ && !snapshot_ ? std::max(first, *fired_ + hop_) : first;
}

void PaneWindow::ready(Ticks now, AggregateSet&, Evaluator&, std::vector<Ready>& out) {
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, group] : state_.part(part)) {
      const bool within = std::ranges::any_of(group.panes, [&](const Pane& p) { return p.end <= now && (snapshot_ || p.end > now - size_); });
      if (within) out.push_back({key, &group});
    }
  }
}

bool PaneWindow::results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& result) {
  const auto& group = *static_cast<const PaneGroup*>(ready.group);
  result = group.head.group();
  const auto within = [&](const Pane& p) { return p.end <= now && (snapshot_ || p.end > now - size_); };
  const auto first = std::ranges::find_if(group.panes, within);
  if (std::next(first) == group.panes.end()) return set.results(first->states.data(), evaluator, out);
  AggregateStates sum(set);
  for (auto pane = first; pane != group.panes.end(); ++pane) {
    if (within(*pane)) set.merge(sum.data(), pane->states.data());
  }
  return set.results(sum.data(), evaluator, out);
}

void PaneWindow::finish(Ticks now) {
  const auto until = done_until(now);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    if (state_.part(part).empty()) continue;
    before_change(part);
    absl::erase_if(state_.part(part), [&](auto& entry) {
      std::erase_if(entry.second.panes, [&](const Pane& p) { return p.end <= until; });
      return entry.second.panes.empty();
    });
  }
  panes_.erase(panes_.begin(), panes_.upper_bound(until));
  fired_ = now;  // last: parts that were pending are saved with the one before
}

std::string PaneWindow::save_part(std::uint32_t part) const {
  if (state_.part(part).empty()) return {};
  std::string out;
  out.push_back(static_cast<char>(fired_.has_value()));
  pack_signed(out, fired_.value_or(0));
  return out + state_.save(part, [&](std::string& to, const PaneGroup& group) {
    group.head.save(to);
    pack_number(to, group.panes.size());
    for (const auto& pane : group.panes) {
      pack_signed(to, pane.end);
      set_.save(pane.states.data(), to);
    }
  });
}

std::optional<PaneGroup> PaneWindow::load_group(Unpacker& from) const {
  PaneGroup group;
  group.head.load(from);
  const auto count = from.number();
  for (std::uint64_t i = 0; i < count && from.ok(); ++i) {
    Pane pane{from.signed_number(), AggregateStates(set_)};
    set_.end(pane.states.data());
    if (!set_.load(pane.states.data(), from)) return std::nullopt;
    group.panes.push_back(std::move(pane));
  }
  return from.ok() && !group.panes.empty() ? std::optional(std::move(group)) : std::nullopt;
}

bool PaneWindow::load_part(std::uint32_t part, std::string_view bytes) {
  Unpacker head(bytes);
  const bool fired = head.number() != 0;
  const auto last = head.signed_number();
  if (fired) fired_ = last;
  return head.ok() && state_.load(part, head.rest(), [&](Unpacker& from) { return load_group(from); });
}

bool PaneWindow::loaded() {
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, group] : state_.part(part)) {
      for (const auto& pane : group.panes) panes_.insert(pane.end);
    }
  }
  return true;
}

std::uint64_t PaneWindow::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, group] : state_.part(part)) {
      sum += group.panes.capacity() * sizeof(Pane);
      for (const auto& pane : group.panes) sum += set_.size() + 16 + set_.heap_bytes(pane.states.data());
    }
  }
  return sum;
}

}  // namespace

std::unique_ptr<WindowState> make_pane_window(const sql::Window& window, AggregateSet& set) {
  return std::make_unique<PaneWindow>(window, set);
}

}  // namespace meterhub::engine
