// GROUP BY: rows into windows and groups, aggregates, HAVING, items (stream-sql 6.5, 7).
#include <algorithm>

#include "aggregates.h"
#include "run.h"
#include "values.h"
#include "windows.h"

namespace meterhub::engine::oracle {

struct Member {
  Ticks time = 0;
  std::vector<Value> keys;
  std::vector<Value> part;                  // PARTITION BY of the source
  std::vector<std::vector<Value>> session;  // by window: OVER (PARTITION BY ...)
  std::vector<CallInput> inputs;            // by aggregate
};
using Members = std::vector<const Member*>;

struct Group {
  Ticks end = 0;
  std::size_t window = 0;
  Members members;
};

namespace {

Call call_of(const sql::AggregateCall& call) {
  return {call.function, &call.args, &call.order, call.distinct, call.whole_event};
}

// Members that agree in what `key` gives, in order of that.
template <class Key>
std::vector<Members> split(const Members& members, Key key) {
  std::vector<Members> groups;
  for (const auto* member : members) {
    const auto same = [&](const Members& group) { return same_group(key(*group.front()), key(*member)); };
    auto group = std::ranges::find_if(groups, same);
    if (group == groups.end()) group = groups.insert(group, Members());
    group->push_back(member);
  }
  std::ranges::stable_sort(
      groups, [&](const Members& a, const Members& b) { return order_lists(key(*a.front()), key(*b.front())) < 0; });
  return groups;
}

std::vector<std::pair<Ticks, Members>> windows_of(const sql::Window& window, const Members& members) {
  std::vector<Ticks> times;
  for (const auto* member : members) times.push_back(member->time);
  std::vector<std::pair<Ticks, Members>> out;
  for (const auto& filled : fill(window, times)) {
    Members inside;
    for (const auto i : filled.rows) inside.push_back(members[i]);
    out.emplace_back(filled.end, std::move(inside));
  }
  return out;
}

const auto by_keys = [](const Member& member) -> const std::vector<Value>& { return member.keys; };

// Keys alone do not split sessions: a session runs over all rows, or over those of its own
// PARTITION BY; the rows in it are grouped then (7.5).
std::vector<Group> groups_of(const sql::Grouping& grouping, std::size_t window, const Members& part) {
  std::vector<Group> out;
  const auto& of = grouping.windows[window];
  if (of.kind == sql::WindowKind::kSession) {
    for (const auto& apart :
         split(part, [&](const Member& m) -> const std::vector<Value>& { return m.session[window]; })) {
      for (const auto& [end, session] : windows_of(of, apart)) {
        for (auto& group : split(session, by_keys)) out.push_back({end, window, std::move(group)});
      }
    }
    return out;
  }
  for (const auto& group : split(part, by_keys)) {
    for (auto& [end, inside] : windows_of(of, group)) out.push_back({end, window, std::move(inside)});
  }
  return out;
}

// The row as a record: of a join, a record of its sources' records.
std::string whole_of(const sql::Select& select, const Combination& row) {
  if (row.sources.size() == 1) return std::string(row.sources.front().whole);
  std::string json = "{";
  for (std::size_t i = 0; i < row.sources.size(); ++i) {
    if (i > 0) json += ',';
    append_json_string(json, select.sources[i].alias);
    json += ':' + (row.sources[i].whole.empty() ? "null" : std::string(row.sources[i].whole));
  }
  return json + '}';
}

// By the end of the window, then as the windows stand, then by key.
bool before(const Group& a, const Group& b) {
  if (a.end != b.end) return a.end < b.end;
  if (a.window != b.window) return a.window < b.window;
  return order_lists(a.members.front()->keys, b.members.front()->keys) < 0;
}

std::vector<Group> all_groups(const sql::Grouping& grouping, const std::vector<Member>& members) {
  Members all;
  for (const auto& member : members) all.push_back(&member);
  std::vector<Group> groups;
  for (const auto& part : split(all, [](const Member& m) -> const std::vector<Value>& { return m.part; })) {
    for (std::size_t window = 0; window < grouping.windows.size(); ++window) {
      for (auto& found : groups_of(grouping, window, part)) groups.push_back(std::move(found));
    }
  }
  std::ranges::stable_sort(groups, before);
  return groups;
}

}  // namespace

Rows Run::group(std::uint32_t step, const sql::Select& select, const Combinations& rows) {
  // A row with a data error in what the groups read of it is in none of them.
  std::vector<Member> members;
  for (const auto& row : rows) {
    auto one = member(select, row);
    if (!dropped(step, row.origin, row.time, row.metadata)) members.push_back(std::move(one));
  }
  Rows out;
  for (const auto& group : all_groups(*select.grouping, members)) {
    if (auto row = group_row(step, select, group)) out.push_back(std::move(*row));
  }
  return out;
}

Member Run::member(const sql::Select& select, const Combination& row) {
  const auto& grouping = *select.grouping;
  const auto list = [&](const std::vector<sql::ExprPtr>& exprs) {
    std::vector<Value> values;
    for (const auto& expr : exprs) values.push_back(evaluator_.value(*expr));
    return values;
  };
  evaluator_.bind(row.sources, row.time, row.analytics);
  Member member;
  member.time = row.time;
  member.keys = list(grouping.keys);
  member.part = list(select.sources.front().partition_by);
  for (const auto& window : grouping.windows) member.session.push_back(list(window.partition));
  const auto whole = keep(whole_of(select, row));
  for (const auto& call : grouping.aggregates) {
    member.inputs.push_back(read_call(evaluator_, call_of(call), whole));
  }
  return member;
}

// Nothing: HAVING does not keep it, or a data error drops it.
std::optional<Row> Run::group_row(std::uint32_t step, const sql::Select& select, const Group& group) {
  const auto& grouping = *select.grouping;
  Row row;
  row.time = group.end;
  row.origin = {true, 0, 0, 0};
  evaluator_.bind({}, group.end);
  std::vector<Value> aggregates;
  for (std::size_t i = 0; i < grouping.aggregates.size(); ++i) {
    std::vector<const CallInput*> inputs;
    for (const auto* member : group.members) inputs.push_back(&member->inputs[i]);
    aggregates.push_back(aggregate(evaluator_, call_of(grouping.aggregates[i]), inputs));
  }
  if (dropped(step, row.origin, row.time, nullptr)) return std::nullopt;
  const auto& id = grouping.windows[group.window].id;
  const GroupValues values{group.members.front()->keys, aggregates,
                           id ? std::optional<std::string_view>(*id) : std::nullopt};
  evaluator_.bind({}, group.end, {}, &values);
  const bool kept = !select.having || evaluator_.is_true(*select.having);
  if (dropped(step, row.origin, row.time, nullptr) || !kept) return std::nullopt;
  if (!items(step, select, {}, row)) return std::nullopt;
  return row;
}

}  // namespace meterhub::engine::oracle
