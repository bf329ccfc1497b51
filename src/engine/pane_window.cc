// Tumbling, hopping and snapshot windows: partial results a pane, combined when a window
// ends (stream-sql 11.3). A pane is what all windows that touch it hold whole.
#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "kept_records.h"
#include "pane_group.h"
#include "states_pool.h"
#include "window_states.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

class PaneWindow final : public WindowState {
 public:
  explicit PaneWindow(const sql::Window& window, AggregateSet& set)
      : snapshot_(window.kind == sql::WindowKind::kSnapshot), size_(window.size), hop_(window.hop), offset_(window.offset),
        pane_(snapshot_ ? 1 : std::gcd(window.size, window.hop)), set_(set), first_row_(set), open_(set) {}

  bool add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) override;
  std::optional<Ticks> due() const override;
  bool ready(Ticks now, AggregateSet& set, Evaluator& evaluator, const Give& give) override;
  bool results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& group) override;
  void finish(Ticks now) override;
  void roll_up(Ticks now, WindowState& coarser) override;
  void take_ended(const Ended& ended) override;

  bool load_part(std::uint32_t part, std::string_view bytes) override;
  bool loaded() override;
  std::uint64_t keys() const override { return groups_.size(); }
  std::uint64_t bytes() const override { return groups_.bytes() + open_.bytes(); }

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

  // Ends of panes as small numbers: counted from the first that was seen. Of foreign bytes any.
  std::int64_t number_of(Ticks pane_end) const {
    return static_cast<Ticks>(static_cast<std::uint64_t>(pane_end) - static_cast<std::uint64_t>(first_end_)) / pane_;
  }
  Ticks end_of(std::int64_t number) const {
    return static_cast<Ticks>(static_cast<std::uint64_t>(first_end_) + static_cast<std::uint64_t>(number) * static_cast<std::uint64_t>(pane_));
  }
  Ticks pane_of(Ticks time) const { return snapshot_ ? time : window_end(time, pane_, offset_); }
  void saw(Ticks pane_end);

  bool any_within(const PaneGroup& group, Ticks now) const;
  // `put(states)` adds to states what came, or says false, having changed nothing.
  template <class Put>
  bool take(std::string_view key, const Group& of, Ticks end, bool large, const Put& put);
  template <class Put>
  bool take_first(PaneGroup& group, bool large, const Put& put);
  template <class Put>
  bool take_again(KeptRecords::Found found, PaneGroup& group, const Put& put);
  void write(KeptRecords::Found found, const PaneGroup& group);
  void load_open(PaneGroup& group);
  AggregateStates unpacked(std::string_view states) const;
  void keep_states(const PaneGroup& group, std::string& out) const;
  bool forget(KeptRecords::Found found, Ticks until);
  bool load_group(Unpacker& from, std::string& out);
  bool load_states(std::string_view bytes);

  const bool snapshot_;
  const Ticks size_, hop_, offset_, pane_;
  AggregateSet& set_;
  AggregateStates first_row_;   // of a row that is alone in its pane
  KeptRecords groups_;
  StatesPool open_;
  Ticks first_end_ = 0;
  std::set<Ticks> panes_;       // ends of those that hold rows
  std::optional<Ticks> fired_;  // the window that ended last
  std::string states_, value_;
};

void PaneWindow::saw(Ticks pane_end) {
  if (panes_.empty() && groups_.size() == 0) first_end_ = pane_end;
  if (panes_.empty() || *panes_.rbegin() != pane_end) panes_.insert(pane_end);
}

void PaneWindow::write(KeptRecords::Found found, const PaneGroup& group) {
  value_.clear();
  group.write(value_);
  groups_.set(found, value_);
}

// The first of a group in its newest pane: packed in states_, or open where it is large.
template <class Put>
bool PaneWindow::take_first(PaneGroup& group, bool large, const Put& put) {
  if (large) {
    group.open = open_.make();
    if (put(open_.at(group.open))) return true;
    open_.drop(group.open);
    return false;
  }
  first_row_ = AggregateStates(set_);
  if (!put(first_row_.data())) return false;
  states_.clear();
  set_.save(first_row_.data(), states_);
  group.open = PaneGroup::kPacked;
  group.states = states_;
  return true;
}

// A pane is made only with something in it: one without rows would be a result.
template <class Put>
bool PaneWindow::take(std::string_view key, const Group& of, Ticks end, bool large, const Put& put) {
  const auto part = part_of_key(key);
  before_change(part);
  const auto found = groups_.find(part, key);
  if (found == nullptr) {
    PaneGroup group;
    if (!take_first(group, large, put)) return false;
    saw(end);
    group.tenant = of.tenant;
    group.original = of.original;
    group.pane = number_of(end);
    value_.clear();
    group.write(value_);
    groups_.add(part, key, value_);
    return true;
  }
  auto group = PaneGroup::read(groups_.get(found).value);
  const auto tenant = group.tenant;
  group.join(of.tenant);
  if (end_of(group.pane) == end) {
    if (group.is_open() && group.tenant == tenant) return put(open_.at(group.open));
    return take_again(found, group, put);
  }
  const auto before = group;
  if (!take_first(group, large, put)) return false;
  std::string older(before.older);
  std::string newest;
  keep_states(before, newest);
  pack_signed(older, before.pane);
  pack_bytes(older, newest);
  if (before.is_open()) open_.drop(before.open);
  group.older = older;
  group.pane = number_of(end);
  write(found, group);
  saw(end);
  return true;
}

void PaneWindow::load_open(PaneGroup& group) {
  group.open = open_.make();
  Unpacker from(group.states);
  set_.end(open_.at(group.open));
  set_.load(open_.at(group.open), from);
}

// More in the newest pane: its states lie open from now on.
template <class Put>
bool PaneWindow::take_again(KeptRecords::Found found, PaneGroup& group, const Put& put) {
  const bool opens = !group.is_open();
  if (opens) load_open(group);
  if (!put(open_.at(group.open))) {
    if (opens) open_.drop(group.open);
    return false;
  }
  write(found, group);
  return true;
}

bool PaneWindow::add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) {
  const auto end = pane_of(row.time);
  if (in_gap(end)) return true;
  return take(row.key, {row.original, row.tenant}, end, false, [&](std::byte* states) { return set.add(states, evaluator); });
}

void PaneWindow::take_ended(const Ended& ended) {
  const auto end = pane_of(ended.end);
  if (in_gap(end)) return;
  take(ended.key, ended.group, end, ended.several, [&](std::byte* states) {
    set_.merge(states, ended.states);
    return true;
  });
}

// Tumbling: what is here is of the pane that ends. Rows of later ones come after it.
void PaneWindow::roll_up(Ticks now, WindowState& coarser) {
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    groups_.each(part, [&](KeptRecords::Found found) {
      const auto [key, value] = groups_.get(found);
      const auto group = PaneGroup::read(value);
      if (!within(end_of(group.pane), now)) return;
      if (group.is_open()) return coarser.take_ended({key, {group.original, group.tenant}, open_.at(group.open), true, now});
      const auto alone = unpacked(group.states);
      coarser.take_ended({key, {group.original, group.tenant}, alone.data(), false, now});
    });
  }
}

AggregateStates PaneWindow::unpacked(std::string_view states) const {
  AggregateStates out(set_);
  Unpacker from(states);
  set_.end(out.data());
  set_.load(out.data(), from);
  return out;
}

void PaneWindow::keep_states(const PaneGroup& group, std::string& out) const {
  if (group.is_open()) set_.save(open_.at(group.open), out);
  else out += group.states;
}

std::optional<Ticks> PaneWindow::due() const {
  if (panes_.empty()) return std::nullopt;
  const auto first = first_window(*panes_.begin());
  return fired_ && !snapshot_ ? std::max(first, *fired_ + hop_) : first;
}

bool PaneWindow::any_within(const PaneGroup& group, Ticks now) const {
  bool any = within(end_of(group.pane), now);
  Unpacker from(group.older);
  while (!any && from.ok() && !from.done()) {
    any = within(end_of(from.signed_number()), now);
    from.bytes();
  }
  return any;
}

bool PaneWindow::ready(Ticks now, AggregateSet&, Evaluator&, const Give& give) {
  std::vector<KeptRecords::Handle> ready;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    groups_.each(part, [&](KeptRecords::Found found) {
      if (any_within(PaneGroup::read(groups_.get(found).value), now)) ready.push_back(KeptRecords::handle(found));
    });
  }
  std::ranges::sort(ready, {}, [&](KeptRecords::Handle handle) { return groups_.at(handle).key; });
  return std::ranges::all_of(ready, [&](KeptRecords::Handle handle) {
    const auto [key, value] = groups_.at(handle);
    const auto group = PaneGroup::read(value);
    return give({key, &group});
  });
}

bool PaneWindow::results(const Ready& ready, Ticks now, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& result) {
  const auto& group = *static_cast<const PaneGroup*>(ready.group);
  result = {group.original, group.tenant};
  if (group.older.empty() && group.is_open()) return set.results(open_.at(group.open), evaluator, out);
  AggregateStates sum(set);
  const auto add = [&](std::string_view bytes) { set.merge(sum.data(), unpacked(bytes).data()); };
  Unpacker from(group.older);
  while (from.ok() && !from.done()) {
    const auto end = end_of(from.signed_number());
    const auto bytes = from.bytes();
    if (within(end, now)) add(bytes);
  }
  if (within(end_of(group.pane), now)) {
    if (group.is_open()) set.merge(sum.data(), open_.at(group.open));
    else add(group.states);
  }
  return set.results(sum.data(), evaluator, out);
}

void PaneWindow::finish(Ticks now) {
  const auto until = done_until(now);
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    if (groups_.empty(part)) continue;
    before_change(part);
    groups_.erase_if(part, [&](KeptRecords::Found found) { return forget(found, until); });
  }
  panes_.erase(panes_.begin(), panes_.upper_bound(until));
  fired_ = now;  // last: parts that were pending are saved with the one before
}

// Forgets panes that ended at or before `until`. Ends rise: what goes stands in front. True: nothing is left.
bool PaneWindow::forget(KeptRecords::Found found, Ticks until) {
  auto group = PaneGroup::read(groups_.get(found).value);
  if (end_of(group.pane) <= until) {
    if (group.is_open()) open_.drop(group.open);
    return true;
  }
  Unpacker from(group.older);
  auto rest = group.older;
  while (from.ok() && !from.done() && end_of(from.signed_number()) <= until) {
    from.bytes();
    rest = from.rest();
  }
  if (rest.size() == group.older.size()) return false;
  group.older = rest;
  value_.clear();
  group.write(value_);
  groups_.set(found, value_);
  return false;
}

std::string PaneWindow::save_part(std::uint32_t part) const {
  if (groups_.empty(part)) return {};
  std::string out;
  out.push_back(static_cast<char>(fired_.has_value()));
  pack_signed(out, fired_.value_or(0));
  return out + groups_.save(part, [&](std::string& to, std::string_view value) {
    const auto group = PaneGroup::read(value);
    pack_number(to, group.tenant);
    pack_bytes(to, group.original);
    std::string older;
    Unpacker from(group.older);
    while (from.ok() && !from.done()) {
      pack_signed(older, end_of(from.signed_number()));
      pack_bytes(older, from.bytes());
    }
    pack_bytes(to, older);
    pack_signed(to, end_of(group.pane));
    keep_states(group, to);
  });
}

// Whether they are states, packed; states_ then holds them as save() writes them.
bool PaneWindow::load_states(std::string_view bytes) {
  Unpacker from(bytes);
  first_row_ = AggregateStates(set_);
  set_.end(first_row_.data());
  if (!set_.load(first_row_.data(), from) || !from.done()) return false;
  states_.assign(bytes);
  return true;
}

bool PaneWindow::load_group(Unpacker& from, std::string& out) {
  PaneGroup group;
  group.tenant = static_cast<std::uint32_t>(from.number());
  group.original = from.bytes();
  Unpacker panes(from.bytes());
  const auto newest = from.signed_number();
  if (groups_.size() == 0) first_end_ = newest;
  std::string older;
  auto before = std::numeric_limits<Ticks>::min();
  while (panes.ok() && !panes.done()) {
    const auto end = panes.signed_number();
    if (!load_states(panes.bytes()) || end <= before || end >= newest || end_of(number_of(end)) != end) return false;
    pack_signed(older, number_of(end));
    pack_bytes(older, states_);
    before = end;
  }
  if (!panes.ok() || end_of(number_of(newest)) != newest) return false;
  const auto all = from.rest();
  first_row_ = AggregateStates(set_);
  set_.end(first_row_.data());
  if (!set_.load(first_row_.data(), from)) return false;
  group.states = all.substr(0, all.size() - from.rest().size());
  group.older = older;
  group.pane = number_of(newest);
  group.write(out);
  return true;
}

bool PaneWindow::load_part(std::uint32_t part, std::string_view bytes) {
  Unpacker head(bytes);
  const bool fired = head.number() != 0;
  const auto last = head.signed_number();
  if (fired) fired_ = last;
  return head.ok() && groups_.load(part, head.rest(), [&](Unpacker& from, std::string& value) { return load_group(from, value); });
}

bool PaneWindow::loaded() {
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    groups_.each(part, [&](KeptRecords::Found found) {
      const auto group = PaneGroup::read(groups_.get(found).value);
      panes_.insert(end_of(group.pane));
      Unpacker from(group.older);
      while (from.ok() && !from.done()) {
        panes_.insert(end_of(from.signed_number()));
        from.bytes();
      }
    });
  }
  return true;
}

}  // namespace

std::unique_ptr<WindowState> make_pane_window(const sql::Window& window, AggregateSet& set) {
  return std::make_unique<PaneWindow>(window, set);
}

}  // namespace meterhub::engine
