// Steps one after the other: sources, APPLY, WHERE, items (stream-sql 6).
#include <algorithm>

#include <meterhub/sql/compile.h>

#include "event_metadata.h"
#include "run.h"

namespace meterhub::engine::oracle {
namespace {

using sql::ItemKind;
using sql::SourceKind;

void sort_by_time(Rows& rows) {
  std::ranges::stable_sort(rows, {}, [](const Row& row) { return std::pair(row.time, row.origin); });
}

void add_member(std::string& json, std::string_view name, const Value& value) {
  if (json.size() > 1) json += ',';
  append_json_string(json, name);
  json += ':';
  append_json(json, value);
}

bool named_explicitly(const sql::Select& select, std::string_view name) {
  return std::ranges::any_of(select.items, [&](const sql::Item& item) {
    return item.kind == ItemKind::kValue && equal_without_case(item.name, name);
  });
}

SourceRow view(const Row& row) { return {row.values, row.whole, row.time, row.metadata}; }

}  // namespace

const sql::Capabilities& capabilities() {
  static const sql::Capabilities known = [] {
    sql::Capabilities all = sql::everything();
    const auto scalars = kernel_functions();
    std::erase_if(all.functions, [&](sql::FunctionId id) {
      return sql::function_info(id).kind == sql::FunctionKind::kScalar &&
             std::ranges::find(scalars, id) == scalars.end();
    });
    return all;
  }();
  return known;
}

Results evaluate(const sql::Plan& plan, const std::vector<InputEvents>& inputs,
                 const std::vector<ReferenceTable>& references, const Options& options) {
  return Run(plan, inputs, references, options).results();
}

Run::Run(const sql::Plan& plan, const std::vector<InputEvents>& inputs, const std::vector<ReferenceTable>& references,
         const Options& options)
    : plan_(plan), inputs_(inputs), references_(references), options_(options), evaluator_(arena_, plan.ignore_case) {}

Results Run::results() {
  for (std::uint32_t i = 0; i < plan_.readers.size(); ++i) readers_.push_back(read(i));
  Rows all;  // of the statements: `whole` is the result; values[0] is the statement's number
  for (std::uint32_t i = 0; i < plan_.steps.size(); ++i) {
    steps_.push_back(plan_.steps[i].reference ? Rows() : step_rows(i, 0));
    if (!plan_.steps[i].output) continue;
    for (Row row : steps_.back()) {
      row.values = {Value::bigint(i)};
      all.push_back(std::move(row));
    }
  }
  // Results of one instant: rows of events as the events stand, then the others, by step.
  std::ranges::stable_sort(all, {}, [](const Row& row) { return std::pair(row.time, row.origin); });
  for (const auto& row : all) {
    if (first_failure_ && std::pair(row.time, row.origin) >= std::pair(first_failure_->time, first_failure_->origin))
      break;
    const auto& step = plan_.steps[static_cast<std::size_t>(row.values[0].integer)];
    results_.rows.push_back({*step.output, row.time, std::string(row.whole)});
  }
  if (first_failure_) results_.failure = first_failure_->text;
  return std::move(results_);
}

bool Run::dropped(std::uint32_t step, const Origin& origin, Ticks time, const EventMetadata* of) {
  if (evaluator_.error().empty() || options_.on_error == OnRuntimeError::kNull) return false;
  const bool earlier =
      !first_failure_ || std::pair(time, origin) < std::pair(first_failure_->time, first_failure_->origin);
  if (options_.on_error == OnRuntimeError::kFail) {
    if (earlier) {
      const std::string where = of == nullptr ? plan_.steps[step].name
                                              : "event at partition " + std::to_string(of->partition) + ", offset " +
                                                    std::to_string(of->offset);
      first_failure_ = Failure{time, origin, where + ": " + evaluator_.error()};
    }
    return true;
  }
  if (of == nullptr) results_.dropped.push_back(plan_.steps[step].name + " group data_error: " + evaluator_.error());
  else if (noted_.emplace(step, origin).second) {
    results_.dropped.push_back(std::string(of->input) + ' ' + std::to_string(of->offset + 1) +
                               " data_error: " + evaluator_.error());
  }
  return true;
}

// A UNION is merged by time; rows of one event stay together, in order of the branches.
Rows Run::step_rows(std::uint32_t step, Ticks at) {
  Rows all;
  for (const auto& branch : plan_.steps[step].branches) {
    for (auto& row : select_rows(step, branch, at)) all.push_back(std::move(row));
  }
  sort_by_time(all);
  return all;
}

// `at`: for steps over reference data alone, the time whose version is asked for.
Rows Run::select_rows(std::uint32_t step, const sql::Select& select, Ticks at) {
  if (select.match) return match(step, select, source_rows(select.sources[0], at));
  auto rows = first_source(step, select, at);
  for (std::uint32_t i = 1; i < select.sources.size(); ++i) {
    rows = select.sources[i].apply ? apply(step, select, i, rows) : join(step, select, i, rows, at);
  }
  rows = where(step, select, std::move(rows));
  return select.grouping ? group(step, select, rows) : project(step, select, rows);
}

Rows Run::source_rows(const sql::Source& source, Ticks at) {
  switch (source.kind) {
    case SourceKind::kReader: return readers_[source.index];
    case SourceKind::kReference: return read_reference(plan_.references[source.index], at);
    case SourceKind::kStep:
      return plan_.steps[source.index].reference ? step_rows(source.index, at) : steps_[source.index];
    case SourceKind::kApply: break;
  }
  return {};
}

Combinations Run::first_source(std::uint32_t step, const sql::Select& select, Ticks at) {
  Rows rows = source_rows(select.sources[0], at);
  if (select.stateful) std::erase_if(rows, [](const Row& row) { return row.late; });
  auto analysed = analyse(step, select, 0, std::move(rows));
  const Rows& kept = rows_of_sources_.emplace_back(std::move(analysed.rows));
  Combinations out;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    Combination one;
    one.sources.resize(select.sources.size());
    one.sources[0] = view(kept[i]);
    one.analytics = analysed.values[i];
    one.time = kept[i].time;
    one.origin = kept[i].origin;
    one.metadata = kept[i].metadata;
    one.late = kept[i].late;
    out.push_back(std::move(one));
  }
  return out;
}

// (index or name, value) of each element; none for NULL (6.3).
std::vector<std::vector<Value>> Run::elements(const Value& argument, bool properties) {
  std::vector<std::vector<Value>> pairs;
  if (argument.is_null()) return pairs;
  if (properties) {
    const auto fields = json_.fields(argument.text).value();
    for (const auto& field : fields) {
      pairs.push_back({Value::characters(keep(field.name)), engine::keep(field.value, arena_)});
    }
    return pairs;
  }
  const auto elements_of = json_.elements(argument.text).value();
  for (const auto& element : elements_of) {
    pairs.push_back({Value::bigint(static_cast<std::int64_t>(pairs.size())), engine::keep(element, arena_)});
  }
  return pairs;
}

Combinations Run::apply(std::uint32_t step, const sql::Select& select, std::uint32_t source, const Combinations& left) {
  const auto& how = *select.sources[source].apply;
  const auto wanted = how.properties ? Kind::kRecord : Kind::kArray;
  Combinations out;
  for (const auto& row : left) {
    evaluator_.bind(row.sources, row.time, row.analytics);
    auto argument = evaluator_.value(*how.argument);
    if (!argument.is_null() && argument.kind != wanted) {
      argument = evaluator_.fail("APPLY over a " + std::string(kind_name(argument.kind)));
    }
    if (dropped(step, row.origin, row.time, row.metadata)) continue;
    auto pairs = elements(argument, how.properties);
    if (pairs.empty() && how.outer) pairs.emplace_back(2);
    for (auto& pair : pairs) {
      Combination one = row;
      one.sources[source] = {keep(std::move(pair)), {}, row.time, nullptr};
      out.push_back(std::move(one));
    }
  }
  return out;
}

// Without GROUP BY, HAVING is a second WHERE (6.4).
Combinations Run::where(std::uint32_t step, const sql::Select& select, Combinations rows) {
  Combinations out;
  for (auto& row : rows) {
    evaluator_.bind(row.sources, row.time, row.analytics);
    bool kept = !select.where || evaluator_.is_true(*select.where);
    if (kept && select.having && !select.grouping) kept = evaluator_.is_true(*select.having);
    if (dropped(step, row.origin, row.time, row.metadata) || !kept) continue;
    out.push_back(std::move(row));
  }
  return out;
}

Rows Run::project(std::uint32_t step, const sql::Select& select, const Combinations& rows) {
  Rows out;
  for (const auto& from : rows) {
    Row row;
    row.time = from.time;
    row.origin = from.origin;
    row.metadata = from.metadata;
    row.late = from.late;
    evaluator_.bind(from.sources, from.time, from.analytics);
    if (items(step, select, from.sources, row)) out.push_back(std::move(row));
  }
  return out;
}

// Values and the whole row as JSON. Names come from the first branch of a UNION; of equal names
// an explicit one wins, then the first `*` (3.4).
bool Run::items(std::uint32_t step, const sql::Select& select, std::span<const SourceRow> sources, Row& into) {
  const auto& columns = plan_.steps[step].columns;
  for (const auto& item : select.items) {
    if (item.kind == ItemKind::kValue || item.kind == ItemKind::kHidden)
      into.values.push_back(evaluator_.value(*item.expr));
  }
  std::string json = "{";
  std::set<std::string> taken;
  std::size_t next = 0;
  for (const auto& item : select.items) {
    if (item.kind == ItemKind::kHidden) ++next;
    if (item.kind == ItemKind::kValue) {
      add_member(json, columns[next].name, into.values[next]);
      ++next;
    }
    if (item.kind == ItemKind::kSpread) {
      const auto record = evaluator_.value(*item.expr);
      if (record.kind == Kind::kRecord) spread(select, record.text, taken, sql::InputMetadata::kNone, json);
    }
    if (item.kind != ItemKind::kStar) continue;
    const auto& source = select.sources[item.source];
    const auto hidden =
        source.kind == SourceKind::kReader ? plan_.readers[source.index].star_metadata : sql::InputMetadata::kNone;
    const auto& row = sources[item.source];
    spread(select, row.whole, taken, hidden, json);
    if (row.metadata == nullptr) continue;
    for (const auto name : metadata_columns(hidden)) {
      const std::string path(name);
      if (named_explicitly(select, name) || !taken.insert(lower_case(name)).second) continue;
      add_member(json, name, metadata_value(std::span(&path, 1), *row.metadata, arena_));
    }
  }
  into.whole = keep(json + '}');
  return !dropped(step, into.origin, into.time, into.metadata);
}

// The fields of one record; `hidden`: columns of the input's own, which hide the payload's.
void Run::spread(const sql::Select& select, std::string_view record, std::set<std::string>& taken,
                 sql::InputMetadata hidden, std::string& json) {
  const auto fields = json_.fields(record);
  if (!fields) return;  // the row of a source that had no match
  const auto before = taken;
  for (const auto& field : *fields) {
    const auto own = metadata_columns(hidden);
    const bool metadata =
        std::ranges::any_of(own, [&](std::string_view name) { return equal_without_case(name, field.name); });
    if (named_explicitly(select, field.name) || metadata || before.contains(lower_case(field.name))) continue;
    taken.insert(lower_case(field.name));
    add_member(json, field.name, field.value);
  }
}

}  // namespace meterhub::engine::oracle
