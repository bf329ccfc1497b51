// MATCH_RECOGNIZE: for every event all ways to match with it and those behind it, tried one after
// the other in order of preference, each over the list of its events.
#include <algorithm>
#include <functional>

#include "run.h"
#include "values.h"

namespace meterhub::engine::oracle {
namespace {

using sql::MatchFunction;
using sql::PatternKind;
using sql::PatternNode;

// An event as a variable's.
struct Taken {
  const Row* row = nullptr;
  std::uint32_t variable = 0;
};
using Assignment = std::vector<Taken>;

// 4.5, as for MIN and MAX of a group.
Value for_extremum(Evaluator& evaluator, const Value& value, const sql::Expr& expr) {
  if (value.kind == Kind::kRecord || value.kind == Kind::kArray) {
    return evaluator.fail("MIN and MAX of a " + std::string(kind_name(value.kind)));
  }
  const bool convert = value.kind == Kind::kText && expr.type != sql::Type::kText;
  return convert ? evaluator.cast(value, sql::Type::kFloat, false) : value;
}

}  // namespace

class Search {
 public:
  Search(Run& run, const sql::Select& select, std::uint32_t step, std::vector<const Row*> rows)
      : run_(run), match_(*select.match), step_(step), rows_(std::move(rows)) {}

  struct Found {
    Assignment events;
    Ticks time = 0;
    std::size_t decided = 0;  // index of the event that decided
    bool at_end = false;      // nothing but the end of the duration did
    std::vector<Value> aggregates;
  };

  // The match that begins with event `first`, if any.
  std::optional<Found> from(std::size_t first) {
    std::size_t end = first;
    while (end < rows_.size() && rows_[end]->time - rows_[first]->time < match_.duration) ++end;
    // With one event more each time: decided, when nothing that is preferred needs the next event.
    for (std::size_t known = first + 1; known <= end; ++known) {
      if (!search(first, known)) {
        if (!open_) return std::nullopt;
        continue;
      }
      if (!open_) return found(rows_[known - 1]->time, known - 1, false);
    }
    if (!search(first, end)) return std::nullopt;
    return found(rows_[first]->time + match_.duration, end, true);
  }

 private:
  using Then = std::function<bool(std::size_t)>;

  std::optional<Found> found(Ticks time, std::size_t decided, bool at_end) {
    return Found{events_, time, decided, at_end, aggregates(events_)};
  }

  // The preferred match of events [first, known); `open_`: one that is preferred, or any if there is
  // none, could need the next event.
  bool search(std::size_t first, std::size_t known) {
    known_ = known;
    open_ = false;
    events_.clear();
    return satisfied(match_.pattern, first, [&](std::size_t at) { return at > first; });
  }

  bool satisfied(const PatternNode& node, std::size_t at, const Then& then) {
    switch (node.kind) {
      case PatternKind::kVariable: return take(node.variable, at, then);
      case PatternKind::kSequence: return sequence(node, 0, at, then);
      case PatternKind::kAlternation:
        return std::ranges::any_of(node.parts, [&](const PatternNode& part) { return satisfied(part, at, then); });
      case PatternKind::kRepeat: return repeat(node, 0, at, then);
    }
    return false;
  }

  bool sequence(const PatternNode& node, std::size_t part, std::size_t at, const Then& then) {
    if (part == node.parts.size()) return then(at);
    return satisfied(node.parts[part], at,
                     [&, part](std::size_t next) { return sequence(node, part + 1, next, then); });
  }

  bool repeat(const PatternNode& node, std::int64_t times, std::size_t at, const Then& then) {
    if (!node.most || times < *node.most) {
      // Again without an event, for ever, leads nowhere.
      const auto again = [&, times, at](std::size_t next) {
        return (next > at || node.most || times < node.least) && repeat(node, times + 1, next, then);
      };
      if (satisfied(node.parts.front(), at, again)) return true;
    }
    return times >= node.least && then(at);
  }

  bool take(std::uint32_t variable, std::size_t at, const Then& then) {
    if (at == known_) {
      open_ = true;
      return false;
    }
    events_.push_back({rows_[at], variable});
    if (holds() && then(at + 1)) return true;
    events_.pop_back();
    return false;
  }

  // Whether the last event may be what it was taken as. Data errors are no.
  bool holds() {
    const auto& last = events_.back();
    const auto values = aggregates(events_);
    const bool bad = noted(*last.row);
    const auto& define = match_.variables[last.variable].define;
    if (!define) return !bad;
    const SourceRow row = view(*last.row);
    const GroupValues group{{}, values, std::nullopt};
    run_.evaluator_.bind(std::span(&row, 1), last.row->time, {}, &group);
    const bool holds = run_.evaluator_.is_true(*define);
    return !noted(*last.row) && !bad && holds;
  }

  bool noted(const Row& row) { return run_.dropped(step_, row.origin, row.time, row.metadata); }

  static SourceRow view(const Row& row) { return {row.values, row.whole, row.time, row.metadata}; }

  std::vector<Value> aggregates(const Assignment& events) {
    std::vector<Value> out;
    run_.evaluator_.bind({}, 0);
    std::string error;
    for (const auto& aggregate : match_.aggregates) {
      out.push_back(value(aggregate, events));
      if (error.empty()) error = run_.evaluator_.error();
    }
    if (!error.empty()) run_.evaluator_.fail(error);
    return out;
  }

  Value value(const sql::MatchAggregate& aggregate, const Assignment& events) {
    if (aggregate.function == MatchFunction::kClassifier) return classifier(events);
    std::vector<Value> values;
    std::string error;
    for (const auto& [row, variable] : events) {
      if (aggregate.variable && *aggregate.variable != variable) continue;
      const SourceRow source = view(*row);
      run_.evaluator_.bind(std::span(&source, 1), row->time);
      auto one = run_.evaluator_.value(*aggregate.value);
      const bool extremum = aggregate.function == MatchFunction::kMin || aggregate.function == MatchFunction::kMax;
      if (extremum) one = for_extremum(run_.evaluator_, one, *aggregate.value);
      if (error.empty()) error = run_.evaluator_.error();
      if (!extremum || !one.is_null()) values.push_back(one);
    }
    run_.evaluator_.bind({}, 0);
    if (!error.empty()) run_.evaluator_.fail(error);
    if (values.empty()) return Value::null();
    const auto less = [](const Value& a, const Value& b) { return order_values(a, b) < 0; };
    switch (aggregate.function) {
      case MatchFunction::kFirst: return values.front();
      case MatchFunction::kLast: return values.back();
      case MatchFunction::kMin: return *std::ranges::min_element(values, less);
      // Of equal ones that of the earlier event.
      default: return *std::ranges::max_element(values, less);
    }
  }

  Value classifier(const Assignment& events) {
    std::string json = "[";
    for (const auto& taken : events) {
      if (json.size() > 1) json += ',';
      append_json_string(json, match_.variables[taken.variable].name);
    }
    return Value::array(run_.keep(json + ']'));
  }

  Run& run_;
  const sql::MatchRecognize& match_;
  const std::uint32_t step_;
  const std::vector<const Row*> rows_;  // of one key, in order
  std::size_t known_ = 0;
  bool open_ = false;
  Assignment events_;
};

// Matches in order of when they are certain: with an event, or after all events of that time.
Rows Run::match(std::uint32_t step, const sql::Select& select, Rows all) {
  std::erase_if(all, [](const Row& row) { return row.late; });
  const Rows& rows = rows_of_sources_.emplace_back(std::move(all));
  struct Part {
    std::vector<Value> key;
    std::vector<const Row*> rows;
  };
  std::vector<Part> parts;
  for (const auto& row : rows) {
    const SourceRow source{row.values, row.whole, row.time, row.metadata};
    evaluator_.bind(std::span(&source, 1), row.time);
    std::vector<Value> key;
    for (const auto& expr : select.match->partition) key.push_back(evaluator_.value(*expr));
    if (dropped(step, row.origin, row.time, row.metadata)) continue;
    const auto part = std::ranges::find_if(parts, [&](const Part& p) { return same_group(p.key, key); });
    if (part == parts.end()) parts.push_back({std::move(key), {&row}});
    else part->rows.push_back(&row);
  }
  struct Certain {
    Search::Found found;
    const Row* by;  // null: the end of the duration
    const Row* first;
  };
  std::vector<Certain> certain;
  for (const auto& part : parts) {
    Search search(*this, select, step, part.rows);
    for (std::size_t first = 0; first < part.rows.size(); ++first) {
      auto found = search.from(first);
      if (!found) continue;
      const Row* by = found->at_end ? nullptr : part.rows[found->decided];
      certain.push_back({std::move(*found), by, part.rows[first]});
    }
  }
  // Rows of one vector: their addresses are in their order.
  std::ranges::sort(
      certain, {}, [](const Certain& one) { return std::tuple(one.found.time, one.by == nullptr, one.by, one.first); });
  Rows out;
  for (const auto& one : certain) {
    Row row;
    row.time = one.found.time;
    row.origin = {true, 0, 0, 0};
    const GroupValues values{{}, one.found.aggregates, std::nullopt};
    evaluator_.bind({}, row.time, {}, &values);
    if (items(step, select, {}, row)) out.push_back(std::move(row));
  }
  return out;
}

}  // namespace meterhub::engine::oracle
