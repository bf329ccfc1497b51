#include "step_runner.h"

#include <algorithm>

#include <meterhub/base/assert.h>

#include "event_metadata.h"

namespace meterhub::engine {
namespace {

constexpr std::uint32_t kNoOutput = 0xffffffff;

// Rows that one event may make through APPLY, over all steps; reading what is taken apart
// costs a row each 64 bytes, or arrays within arrays would run for minutes.
constexpr std::size_t kRowsMax = 100'000;
constexpr std::size_t kBytesARow = 64;

std::vector<std::uint32_t> outputs_of(const sql::Plan& plan) {
  std::vector<std::uint32_t> out;
  for (const auto& step : plan.steps) {
    if (!step.output) {
      out.push_back(kNoOutput);
      continue;
    }
    const auto it = std::ranges::find(plan.outputs, *step.output);
    MH_ASSERT(it != plan.outputs.end());
    out.push_back(static_cast<std::uint32_t>(it - plan.outputs.begin()));
  }
  return out;
}

bool named_explicitly(const sql::Select& select, std::string_view name) {
  return std::ranges::any_of(select.items, [&](const sql::Item& item) {
    return item.kind == sql::ItemKind::kValue && equal_without_case(item.name, name);
  });
}

bool stands_in(std::span<const OutputColumn> columns, std::string_view name) {
  return std::ranges::any_of(columns, [&](const OutputColumn& column) { return equal_without_case(column.name, name); });
}

bool is_metadata(sql::InputMetadata kind, std::string_view name) {
  return std::ranges::any_of(metadata_columns(kind), [&](std::string_view column) { return equal_without_case(column, name); });
}

}  // namespace

StepRunner::StepRunner(const sql::Plan& plan, OnRuntimeError on_error)
    : plan_(plan), on_error_(on_error), evaluator_(arena_, plan.ignore_case), step_rows_(plan.steps.size()),
      output_of_step_(outputs_of(plan)) {}

void StepRunner::clear() {
  for (auto& rows : step_rows_) rows.clear();
  rows_.clear();
  columns_.clear();
  errors_.clear();
  arena_.clear();
}

bool StepRunner::run(std::uint32_t reader, const SourceRow& row, bool late) {
  budget_ = kRowsMax;
  failed_step_ = kNoStep;
  for (std::uint32_t step = 0; step < plan_.steps.size(); ++step) {
    step_rows_[step].clear();
    for (const auto& branch : plan_.steps[step].branches) {
      if (late && branch.stateful) continue;
      if (!run_branch(step, branch, reader, row)) return false;
    }
  }
  return true;
}

bool StepRunner::run_branch(std::uint32_t step, const sql::Select& select, std::uint32_t reader, const SourceRow& row) {
  const auto& first = select.sources.front();
  sources_.resize(select.sources.size());
  if (first.kind == sql::SourceKind::kReader) {
    if (first.index != reader) return true;
    sources_[0] = row;
    return expand(step, select, 1, row.time);
  }
  MH_ASSERT(first.kind == sql::SourceKind::kStep && first.index < step);
  for (const auto& from : step_rows_[first.index]) {
    sources_[0] = {from.values, from.whole, from.time, row.metadata};
    if (!expand(step, select, 1, from.time)) return false;
  }
  return true;
}

// APPLY by APPLY; past the last source the row is complete.
bool StepRunner::expand(std::uint32_t step, const sql::Select& select, std::size_t next, Ticks time) {
  if (next < select.sources.size()) return expand_apply(step, select, next, time);
  return finish(step, select, time);
}

// False: this event has made enough. Said once, whatever on_runtime_error says.
bool StepRunner::spend(std::uint32_t step, std::size_t bytes) {
  const auto cost = 1 + bytes / kBytesARow;
  if (cost < budget_) {
    budget_ -= cost;
    return true;
  }
  if (budget_ > 0) note(step, "one event makes too many rows");
  budget_ = 0;
  return false;
}

// (index or name, value) of each element; none for NULL.
std::vector<std::array<Value, 2>> StepRunner::apply_rows(const Value& argument, bool properties) {
  std::vector<std::array<Value, 2>> pairs;
  if (argument.is_null()) return pairs;
  if (properties) {
    auto fields = fields_.fields(argument.text);
    if (!fields) return pairs;
    for (auto& field : *fields) {
      pairs.push_back(std::array{Value::characters(arena_.keep(std::move(field.name))), keep(field.value, arena_)});
    }
    return pairs;
  }
  const auto elements = fields_.elements(argument.text);
  if (!elements) return pairs;
  for (const auto& element : *elements) {
    pairs.push_back(std::array{Value::bigint(static_cast<std::int64_t>(pairs.size())), keep(element, arena_)});
  }
  return pairs;
}

bool StepRunner::expand_apply(std::uint32_t step, const sql::Select& select, std::size_t next, Ticks time) {
  const auto& apply = *select.sources[next].apply;
  evaluator_.bind(sources_, time);
  const auto argument = evaluator_.value(*apply.argument);
  const auto wanted = apply.properties ? Kind::kRecord : Kind::kArray;
  if (!argument.is_null() && argument.kind != wanted) {
    evaluator_.fail("APPLY over a " + std::string(kind_name(argument.kind)));
  }
  if (failed()) return survive(step);
  if (!spend(step, argument.text.size())) return on_error_ != OnRuntimeError::kFail;
  auto pairs = argument.kind == wanted ? apply_rows(argument, apply.properties) : std::vector<std::array<Value, 2>>();
  if (pairs.empty() && apply.outer) pairs.emplace_back();
  for (const auto& pair : pairs) {
    if (!spend(step, 0)) return on_error_ != OnRuntimeError::kFail;
    sources_[next] = {pair, {}, time, nullptr};
    if (!expand(step, select, next + 1, time)) return false;
  }
  return true;
}

// Once a step: an array of bad elements is one event that went wrong, not thousands.
void StepRunner::note(std::uint32_t step, std::string_view text) {
  if (failed_step_ == step) return;
  failed_step_ = step;
  errors_.emplace_back(text);
}

// After a data error in this row. False: the pipeline stops here.
bool StepRunner::survive(std::uint32_t step) {
  note(step, evaluator_.error());
  return on_error_ != OnRuntimeError::kFail;
}

bool StepRunner::kept(const sql::Select& select) {
  return (!select.where || evaluator_.is_true(*select.where)) && (!select.having || evaluator_.is_true(*select.having));
}

void StepRunner::evaluate(const sql::Select& select) {
  values_.clear();
  for (const auto& item : select.items) {
    const bool computed = item.kind == sql::ItemKind::kValue || item.kind == sql::ItemKind::kHidden;
    if (computed) values_.push_back(evaluator_.value(*item.expr));
  }
}

bool StepRunner::finish(std::uint32_t step, const sql::Select& select, Ticks time) {
  evaluator_.bind(sources_, time);
  const bool keep_it = kept(select);
  if (failed()) return survive(step);
  if (!keep_it) return true;
  evaluate(select);
  if (failed()) return survive(step);
  const auto& to = plan_.steps[step];
  const auto first = columns_.size();
  if (to.output || to.star_used) add_columns(to, select);
  if (failed()) {
    columns_.resize(first);
    return survive(step);
  }
  if (to.output) {
    rows_.push_back({output_of_step_[step], first, columns_.size() - first, time});
    return true;  // nothing reads a statement
  }
  StepRow row{values_, {}, time};
  if (to.star_used) row.whole = as_object(std::span(columns_).subspan(first));
  columns_.resize(first);
  step_rows_[step].push_back(std::move(row));
  return true;
}

// Names come from the first branch of a UNION (6.2).
void StepRunner::add_columns(const sql::Step& step, const sql::Select& select) {
  const auto first = columns_.size();
  std::size_t next = 0;
  for (const auto& item : select.items) {
    switch (item.kind) {
      case sql::ItemKind::kValue:
        columns_.push_back({step.columns[next].name, values_[next]});
        ++next;
        break;
      case sql::ItemKind::kHidden: ++next; break;
      case sql::ItemKind::kStar: {
        const auto& source = select.sources[item.source];
        const auto hidden = source.kind == sql::SourceKind::kReader ? plan_.readers[source.index].star_metadata : sql::InputMetadata::kNone;
        spread(sources_[item.source].whole, select, first, hidden);
        add_metadata(select, sources_[item.source], hidden, first);
        break;
      }
      case sql::ItemKind::kSpread: {
        const auto record = evaluator_.value(*item.expr);
        if (record.kind == Kind::kRecord) spread(record.text, select, first, sql::InputMetadata::kNone);
        break;
      }
    }
  }
}

// What an input adds to the payload, behind it (3.4).
void StepRunner::add_metadata(const sql::Select& select, const SourceRow& source, sql::InputMetadata kind, std::size_t from) {
  if (source.metadata == nullptr) return;
  for (const auto name : metadata_columns(kind)) {
    if (named_explicitly(select, name) || stands_in(std::span(columns_).subspan(from), name)) continue;
    const std::string path(name);
    columns_.push_back({name, metadata_value(std::span(&path, 1), *source.metadata, arena_)});
  }
}

// Of equal names the one given explicitly wins, then the first `*`; within one record the
// later value was taken already.
void StepRunner::spread(std::string_view record, const sql::Select& select, std::size_t from, sql::InputMetadata hidden) {
  auto fields = fields_.fields(record);
  if (!fields) return;  // never: what reaches this was checked when it was read
  const auto before = columns_.size();
  for (auto& field : *fields) {
    const auto earlier = std::span(columns_).subspan(from, before - from);
    if (named_explicitly(select, field.name) || stands_in(earlier, field.name) || is_metadata(hidden, field.name)) continue;
    columns_.push_back({arena_.keep(std::move(field.name)), keep(field.value, arena_)});
  }
}

std::string_view StepRunner::as_object(std::span<const OutputColumn> columns) {
  std::string json = "{";
  for (const auto& column : columns) {
    if (json.size() > 1) json += ',';
    append_json_string(json, column.name);
    json += ':';
    append_json(json, column.value);
  }
  json += '}';
  return arena_.keep(std::move(json));
}

}  // namespace meterhub::engine
