// Session windows (stream-sql 7.5): as long as events come closer than the timeout, cut at
// multiples of the maximum. Without OVER one session runs over all events.
#include <algorithm>
#include <map>
#include <set>

#include "group_head.h"
#include "keyed_state.h"
#include "window_states.h"
#include "windows.h"

namespace meterhub::engine {
namespace {

struct SessionGroup {
  GroupHead head;
  AggregateStates states;
};

struct Session {
  Ticks first = 0;
  Ticks last = 0;
  std::map<std::string, SessionGroup, std::less<>> groups;  // by key of GROUP BY
};

class SessionWindow final : public WindowState {
 public:
  SessionWindow(const sql::Window& window, AggregateSet& set) : timeout_(window.timeout), maximum_(window.maximum), set_(set) {}

  bool add(const GroupedRow& row, AggregateSet& set, Evaluator& evaluator) override {
    const auto part = part_of_key(row.partition);
    before_change(part);
    auto& sessions = state_.part(part);
    auto found = sessions.find(row.partition);
    const bool opens = found == sessions.end();
    if (opens) found = sessions.try_emplace(StateKey(row.partition), Session{row.time, row.time, {}}).first;
    auto& session = found->second;
    auto group = session.groups.find(row.key);
    const bool made = group == session.groups.end();
    if (made) group = session.groups.try_emplace(row.key, SessionGroup{GroupHead(row), AggregateStates(set)}).first;
    if (!set.add(group->second.states.data(), evaluator)) {
      if (made) session.groups.erase(group);
      if (opens) sessions.erase(found);
      return false;
    }
    group->second.head.join(row.tenant);
    if (!opens) forget_due(end_of(session), row.partition);
    session.last = row.time;
    due_[end_of(session)].insert(row.partition);
    return true;
  }

  std::optional<Ticks> due() const override { return due_.empty() ? std::nullopt : std::optional(due_.begin()->first); }

  bool ready(Ticks, AggregateSet&, Evaluator&, const Give& give) override {
    std::vector<Ready> out;
    for (const auto& partition : due_.begin()->second) {
      for (const auto& [key, group] : state_.part_of(partition).find(partition)->second.groups) out.push_back({key, &group});
    }
    return give_in_order(out, give);
  }

  bool results(const Ready& ready, Ticks, AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out, Group& result) override {
    const auto& group = *static_cast<const SessionGroup*>(ready.group);
    result = group.head.group();
    return set.results(group.states.data(), evaluator, out);
  }

  void finish(Ticks) override {
    const auto ended = due_.extract(due_.begin());
    for (const auto& partition : ended.mapped()) {
      const auto part = part_of_key(partition);
      before_change(part);
      state_.part(part).erase(std::string_view(partition));
    }
  }

  bool load_part(std::uint32_t part, std::string_view bytes) override {
    return state_.load(part, bytes, [&](Unpacker& from) { return load_session(from); });
  }

  bool loaded() override {
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      for (const auto& [partition, session] : state_.part(part)) due_[end_of(session)].emplace(partition.view());
    }
    return true;
  }

  std::uint64_t keys() const override { return state_.size(); }
  std::uint64_t bytes() const override {
    std::uint64_t sum = state_.bytes();
    for (std::uint32_t part = 0; part < kStateParts; ++part) {
      for (const auto& [partition, session] : state_.part(part)) {
        for (const auto& [key, group] : session.groups) sum += 128 + key.size() + set_.size() + set_.heap_bytes(group.states.data());
      }
    }
    return sum;
  }

 protected:
  std::string save_part(std::uint32_t part) const override {
    return state_.save(part, [&](std::string& out, const Session& session) {
      pack_signed(out, session.first);
      pack_signed(out, session.last);
      pack_number(out, session.groups.size());
      for (const auto& [key, group] : session.groups) {
        pack_bytes(out, key);
        group.head.save(out);
        set_.save(group.states.data(), out);
      }
    });
  }

 private:
  std::optional<Session> load_session(Unpacker& from) const {
    Session session;
    session.first = from.signed_number();
    session.last = from.signed_number();
    const auto count = from.number();
    for (std::uint64_t i = 0; i < count && from.ok(); ++i) {
      std::string key(from.bytes());
      SessionGroup group{GroupHead(), AggregateStates(set_)};
      group.head.load(from);
      set_.end(group.states.data());
      if (!set_.load(group.states.data(), from)) return std::nullopt;
      session.groups.insert_or_assign(std::move(key), std::move(group));
    }
    return from.ok() ? std::optional(std::move(session)) : std::nullopt;
  }

  // The timeout after the last event, or the first multiple of the maximum at which it is as old.
  Ticks end_of(const Session& session) const {
    return std::min(session.last + timeout_, window_end(session.first + maximum_, maximum_, 0));
  }

  void forget_due(Ticks due, const std::string& partition) {
    const auto at = due_.find(due);
    if (at == due_.end()) return;
    at->second.erase(partition);
    if (at->second.empty()) due_.erase(at);
  }

  const Ticks timeout_, maximum_;
  AggregateSet& set_;
  KeyedState<Session> state_;  // by key of OVER (PARTITION BY)
  std::map<Ticks, std::set<std::string>> due_;
};

}  // namespace

std::unique_ptr<WindowState> make_session_window(const sql::Window& window, AggregateSet& set) {
  return std::make_unique<SessionWindow>(window, set);
}

std::unique_ptr<WindowState> make_window(const sql::Window& window, AggregateSet& set) {
  switch (window.kind) {
    case sql::WindowKind::kSliding: return make_sliding_window(window, set);
    case sql::WindowKind::kSession: return make_session_window(window, set);
    case sql::WindowKind::kTumbling:
    case sql::WindowKind::kHopping:
    case sql::WindowKind::kSnapshot: break;
  }
  return make_pane_window(window, set);
}

}  // namespace meterhub::engine
