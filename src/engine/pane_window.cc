// Tumbling, hopping and snapshot windows: partial results a pane, combined when a window
// ends (stream-sql 11.3). A pane is what all windows that touch it hold whole.
#include <limits>
#include <numeric>
#include <set>

#include "group_head.h"
#include "kept_value.h"
#include "keyed_state.h"
#include "window_states.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

// Panes of one group. Rows come in order of time, so that only the newest changes; the others lie
// packed, and for most groups there are none. A hop of ten minutes in two hours: a quarter of the
// memory.
struct PaneGroup {
  GroupHead head;
  Ticks end = 0;           // of the newest pane
  AggregateStates states;  // its
  KeptBytes older;         // oldest first, each: end, length, states
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
  // Whether the window that ends at `now` holds the pane.
  bool within(Ticks pane_end, Ticks now) const { return pane_end <= now && (snapshot_ || pane_end > now - size_); }
  bool add_pane(PaneGroup& group, Ticks end, AggregateSet& set, Evaluator& evaluator);
  void forget_older(PaneGroup& group, Ticks until);
  std::optional<PaneGroup> load_group(Unpacker& from) const;
  bool good_panes(std::string_view older, Ticks newest) const;

  const bool snapshot_;
  const Ticks size_, hop_, offset_, pane_;
  AggregateSet& set_;
  KeyedState<PaneGroup> state_;
  std::set<Ticks> panes_;       // ends of those that hold rows
  std::optional<Ticks> fired_;  // the window that ended last
  std::string pane_bytes_, packed_;
};

bool PaneWindow::add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) {
  const auto end = snapshot_ ? row.time : window_end(row.time, pane_, offset_);
  if (in_gap(end)) return true;
  const auto part = part_of_key(row.key);
  before_change(part);
  auto& groups = state_.part(part);
  const auto found = groups.find(row.key);
  if (found != groups.end()) {
    auto& group = found->second;
    if (!(group.end == end ? set.add(group.states.data(), evaluator) : add_pane(group, end, set, evaluator))) return false;
    group.head.join(row.tenant);
  } else {
    PaneGroup group{GroupHead(row), end, AggregateStates(set), {}};
    if (!set.add(group.states.data(), evaluator)) return false;  // a pane without rows would be a result
    groups.try_emplace(StateKey(row.key), std::move(group));
  }
  if (panes_.empty() || *panes_.rbegin() != end) panes_.insert(end);
  return true;
}

// A row in a new pane. False: a data error, nothing has changed.
bool PaneWindow::add_pane(PaneGroup& group, Ticks end, AggregateSet& set, Evaluator& evaluator) {
  AggregateStates states(set);
  if (!set.add(states.data(), evaluator)) return false;
  pane_bytes_.clear();
  set.save(group.states.data(), pane_bytes_);
  packed_.assign(group.older.get());
  pack_signed(packed_, group.end);
  pack_bytes(packed_, pane_bytes_);
  group.older.set(packed_);
  group.end = end;
  group.states = std::move(states);
  return true;
}

std::optional<Ticks> PaneWindow::due() const {
  if (panes_.empty()) return std::nullopt;
  const auto first = first_window(*panes_.begin());
  return fired_ && !snapshot_ ? std::max(first, *fired_ + hop_) : first;
}

void PaneWindow::ready(Ticks now, AggregateSet&, Evaluator&, std::vector<Ready>& out) {
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, group] : state_.part(part)) {
      bool any = within(group.end, now);
      Unpacker from(group.older.get());
      while (!any && from.ok() && !from.done()) {
        any = within(from.signed_number(), now);
        from.bytes();
      }
      if (any) out.push_back({key.view(), &group});
    }
  }
}

bool PaneWindow::results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& result) {
  const auto& group = *static_cast<const PaneGroup*>(ready.group);
  result = group.head.group();
  if (group.older.get().empty()) return set.results(group.states.data(), evaluator, out);
  AggregateStates sum(set);
  Unpacker from(group.older.get());
  while (from.ok() && !from.done()) {
    const auto end = from.signed_number();
    Unpacker bytes(from.bytes());
    if (!within(end, now)) continue;
    AggregateStates pane(set);
    set.end(pane.data());
    set.load(pane.data(), bytes);
    set.merge(sum.data(), pane.data());
  }
  if (within(group.end, now)) set.merge(sum.data(), group.states.data());
  return set.results(sum.data(), evaluator, out);
}

void PaneWindow::finish(Ticks now) {
  const auto until = done_until(now);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    if (state_.part(part).empty()) continue;
    before_change(part);
    absl::erase_if(state_.part(part), [&](auto& entry) {
      forget_older(entry.second, until);
      return entry.second.end <= until;
    });
  }
  panes_.erase(panes_.begin(), panes_.upper_bound(until));
  fired_ = now;  // last: parts that were pending are saved with the one before
}

// Ends rise: what goes stands in front.
void PaneWindow::forget_older(PaneGroup& group, Ticks until) {
  const auto all = group.older.get();
  Unpacker from(all);
  auto rest = all;
  while (from.ok() && !from.done() && from.signed_number() <= until) {
    from.bytes();
    rest = from.rest();
  }
  if (rest.size() == all.size()) return;
  packed_.assign(rest);
  group.older.set(packed_);
}

std::string PaneWindow::save_part(std::uint32_t part) const {
  if (state_.part(part).empty()) return {};
  std::string out;
  out.push_back(static_cast<char>(fired_.has_value()));
  pack_signed(out, fired_.value_or(0));
  return out + state_.save(part, [&](std::string& to, const PaneGroup& group) {
    group.head.save(to);
    pack_bytes(to, group.older.get());
    pack_signed(to, group.end);
    set_.save(group.states.data(), to);
  });
}

std::optional<PaneGroup> PaneWindow::load_group(Unpacker& from) const {
  PaneGroup group;
  group.head.load(from);
  const auto older = from.bytes();
  group.end = from.signed_number();
  if (!from.ok() || !good_panes(older, group.end)) return std::nullopt;
  group.older.set(older);
  group.states = AggregateStates(set_);
  set_.end(group.states.data());
  return set_.load(group.states.data(), from) ? std::optional(std::move(group)) : std::nullopt;
}

bool PaneWindow::good_panes(std::string_view older, Ticks newest) const {
  Unpacker from(older);
  auto before = std::numeric_limits<Ticks>::min();
  while (from.ok() && !from.done()) {
    const auto end = from.signed_number();
    Unpacker bytes(from.bytes());
    AggregateStates states(set_);
    set_.end(states.data());
    if (!set_.load(states.data(), bytes) || !bytes.done() || end <= before || end >= newest) return false;
    before = end;
  }
  return from.ok();
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
      panes_.insert(group.end);
      Unpacker from(group.older.get());
      while (from.ok() && !from.done()) {
        panes_.insert(from.signed_number());
        from.bytes();
      }
    }
  }
  return true;
}

std::uint64_t PaneWindow::bytes() const {
  std::uint64_t sum = state_.bytes();
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& [key, group] : state_.part(part)) {
      sum += group.older.heap_bytes() + set_.size() + 16 + set_.heap_bytes(group.states.data());
    }
  }
  return sum;
}

}  // namespace

std::unique_ptr<WindowState> make_pane_window(const sql::Window& window, AggregateSet& set) {
  return std::make_unique<PaneWindow>(window, set);
}

}  // namespace meterhub::engine
