#include "step_runner.h"

#include <algorithm>

#include <meterhub/base/assert.h>

namespace meterhub::engine {
namespace {

constexpr std::uint32_t kNoOutput = 0xffffffff;

// Rows that one event may make through APPLY, over all steps.
constexpr std::size_t kRowsMax = 100'000;

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

}  // namespace

StepRunner::StepRunner(const sql::Plan& plan, OnRuntimeError on_error)
    : plan_(plan), on_error_(on_error), evaluator_(arena_, plan.ignore_case), step_rows_(plan.steps.size()),
      output_of_step_(outputs_of(plan)) {}

void StepRunner::clear() {
  for (auto& rows : step_rows_) rows.clear();
  rows_.clear();
  errors_.clear();
  arena_.clear();
}

bool StepRunner::run(std::uint32_t reader, const SourceRow& row, bool late) {
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
  if (!evaluator_.error().empty()) return survive();
  auto pairs = apply_rows(argument, apply.properties);
  if (pairs.empty() && apply.outer) pairs.emplace_back();
  for (const auto& pair : pairs) {
    sources_[next] = {pair, {}, time, nullptr};
    if (!expand(step, select, next + 1, time)) return false;
  }
  return true;
}

// After a data error in this row. False: the pipeline stops here.
bool StepRunner::survive() {
  if (on_error_ == OnRuntimeError::kNull) return true;
  errors_.push_back(evaluator_.error());
  return on_error_ != OnRuntimeError::kFail;
}

bool StepRunner::finish(std::uint32_t step, const sql::Select& select, Ticks time) {
  evaluator_.bind(sources_, time);
  const auto failed = [&] { return !evaluator_.error().empty() && on_error_ != OnRuntimeError::kNull; };
  const bool kept = (!select.where || evaluator_.is_true(*select.where)) && (!select.having || evaluator_.is_true(*select.having));
  if (failed()) return survive();
  if (!kept) return true;
  StepRow row;
  row.time = time;
  for (const auto& item : select.items) {
    if (item.kind == sql::ItemKind::kValue || item.kind == sql::ItemKind::kHidden) row.values.push_back(evaluator_.value(*item.expr));
  }
  const auto& to = plan_.steps[step];
  std::vector<OutputColumn> columns;
  if (to.output || to.star_used) columns = output_columns(select, row.values);
  if (failed()) return survive();
  if (to.star_used) row.whole = as_object(columns);
  if (rows_.size() + step_rows_[step].size() >= kRowsMax) {
    evaluator_.fail("one event makes more than 100,000 rows");
    return survive();
  }
  if (to.output) rows_.push_back({output_of_step_[step], std::move(columns), time});
  step_rows_[step].push_back(std::move(row));
  return true;
}

std::vector<OutputColumn> StepRunner::output_columns(const sql::Select& select, std::span<const Value> values) {
  std::vector<OutputColumn> out;
  out.reserve(values.size());
  std::size_t next = 0;
  for (const auto& item : select.items) {
    switch (item.kind) {
      case sql::ItemKind::kValue: out.push_back({item.name, values[next++]}); break;
      case sql::ItemKind::kHidden: ++next; break;
      case sql::ItemKind::kStar: spread(sources_[item.source].whole, select, out); break;
      case sql::ItemKind::kSpread: {
        const auto record = evaluator_.value(*item.expr);
        if (record.kind == Kind::kRecord) spread(record.text, select, out);
        break;
      }
    }
  }
  return out;
}

void StepRunner::spread(std::string_view record, const sql::Select& select, std::vector<OutputColumn>& out) {
  auto fields = fields_.fields(record);
  if (!fields) return;
  for (auto& field : *fields) {
    if (named_explicitly(select, field.name)) continue;
    out.push_back({arena_.keep(std::move(field.name)), keep(field.value, arena_)});
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
