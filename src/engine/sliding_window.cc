// Sliding windows (stream-sql 7.4): a result at each instant at which a group's content
// changes and is not empty: when a row comes, and when one leaves.
#include <map>
#include <set>

#include "group_head.h"
#include "keyed_state.h"
#include "recent_rows.h"
#include "window_states.h"

namespace meterhub::engine {
namespace {

struct SlidingGroup {
  GroupHead head;
  RecentRows rows;
  AggregateStates states;  // of aggregates that can take a row back
  Ticks due = 0;           // its next change
};

class SlidingWindow final : public WindowState {
 public:
  SlidingWindow(const sql::Window& window, AggregateSet& set) : size_(window.size), set_(set) {}

  bool add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) override {
    const auto part = part_of_key(row.key);
    before_change(part);
    auto& groups = state_.part(part);
    auto found = groups.find(row.key);
    const bool made = found == groups.end();
    if (made) found = groups.try_emplace(StateKey(row.key), SlidingGroup{GroupHead(row), {}, set.removable() ? AggregateStates(set) : AggregateStates(), row.time}).first;
    auto& group = found->second;
    if (!group.rows.append(row.time, set, evaluator, group.states.data())) {
      if (made) groups.erase(found);
      return false;
    }
    group.head.join(row.tenant);
    if (!made) forget_due(group.due, row.key);
    group.due = row.time;
    due_[group.due].insert(row.key);
    return true;
  }

  std::optional<Ticks> due() const override { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

  bool ready(Ticks now, AggregateSet& set, Evaluator& evaluator, const Give& give) override {
    std::vector<Ready> out;
    for (const auto& key : due_.begin()->second) {
      const auto part = part_of_key(key);
      before_change(part);
      auto& group = *state_.part(part).find(key);
      group.second.rows.evict(now - size_, set, evaluator, group.second.states.data());
      if (!group.second.rows.empty()) out.push_back({group.first.view(), &group.second});
    }
    return give_in_order(out, give);
  }

  bool results(const Ready& ready, Ticks, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& result) override {
    const auto& group = *static_cast<const SlidingGroup*>(ready.group);
    result = group.head.group();
    return group.rows.results(set, evaluator, group.states.data(), out);
  }

  void finish(Ticks) override {
    const auto changed = due_.extract(due_.begin());
    for (const auto& key : changed.mapped()) {
      auto& groups = state_.part_of(key);
      const auto found = groups.find(key);
      if (found->second.rows.empty()) {
        groups.erase(found);
        continue;
      }
      found->second.due = found->second.rows.oldest() + size_;
      due_[found->second.due].insert(key);
    }
  }

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [](Unpacker& from) {
      SlidingGroup group;
      group.head.load(from);
      group.due = from.signed_number();
      return group.rows.load(from) ? std::optional(std::move(group)) : std::nullopt;
    });
  }

  bool loaded() override {
    Arena arena;
    Evaluator evaluator(arena, false);
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      for (auto& [key, group] : state_.part(part)) {
        if (group.rows.empty()) return false;
        if (set_.removable()) {
          group.states = AggregateStates(set_);
          group.rows.collect(set_, evaluator, group.states.data());
        }
        due_[group.due].emplace(key.view());
      }
    }
    return true;
  }

  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override {
    std::uint64_t sum = state_.bytes();
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      for (const auto& [key, group] : state_.part(part)) {
        sum += group.rows.heap_bytes() + 64;
        if (group.states) sum += set_.size() + 16 + set_.heap_bytes(group.states.data());
      }
    }
    return sum;
  }

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [](std::string& out, const SlidingGroup& group) {
      group.head.save(out);
      pack_signed(out, group.due);
      group.rows.save(out);
    });
  }

 private:
  void forget_due(Ticks due, const std::string& key) {
    const auto at = due_.find(due);
    if (at == due_.end()) return;
    at->second.erase(key);
    if (at->second.empty()) due_.erase(at);
  }

  const Ticks size_;
  AggregateSet& set_;
  KeyedState<SlidingGroup> state_;
  std::map<Ticks, std::set<std::string>> due_;  // groups by their next change
};

}  // namespace

std::unique_ptr<WindowState> make_sliding_window(const sql::Window& window, AggregateSet& set) {
  return std::make_unique<SlidingWindow>(window, set);
}

}  // namespace meterhub::engine
