#include <algorithm>

#include <fmt/format.h>
#include <meterhub/sql/limits.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

bool mentions_datediff(const ast::Expr& expr) {
  if (expr.kind == ast::ExprKind::kCall && expr.path.size() == 1 && same_name(expr.path[0].text, "DATEDIFF")) return true;
  return std::ranges::any_of(expr.operands, [](const ast::ExprPtr& e) { return mentions_datediff(*e); });
}

}  // namespace

Plan Binder::run() {
  plan_.policy = options_.policy;
  plan_.ignore_case = options_.string_comparison == StringComparison::kIgnoreCase;
  collect_inputs();
  bind_steps();
  bind_statements();
  if (!report_.failed()) {
    check_substreams();
    warn_unused_steps();
    note_uses();
  }
  return std::move(plan_);
}

void Binder::collect_inputs() {
  inputs_ = options_.inputs;
  if (options_.infer_inputs) infer_inputs();
  bind_tables();
}

void Binder::bind_tables() {
  for (const ast::Table& table : program_.tables) {
    const auto input = std::ranges::find_if(inputs_, [&](const InputDeclaration& i) { return same_name(i.name, table.name.text); });
    if (input == inputs_.end()) {
      std::vector<std::string> names;
      for (const InputDeclaration& one : inputs_) names.push_back(one.name);
      if (options_.infer_inputs) continue;  // a table that no statement reads
      report_.error(table.name.span, "unknown_input", fmt::format("CREATE TABLE describes an input: there is no '{}'", table.name.text), {},
                    nearest(table.name.text, names));
      continue;
    }
    input->columns.clear();
    for (const ast::TableColumn& column : table.columns) {
      const auto same = [&](const KnownColumn& c) { return same_name(c.name, column.name.text); };
      if (std::ranges::any_of(input->columns, same)) {
        report_.error(column.name.span, "duplicate_column", fmt::format("two columns are called '{}'", column.name.text));
      }
      input->columns.push_back(KnownColumn{column.name.text, column.type});
    }
  }
}

// Only names nobody declared: what is joined without any time bound can only be reference data.
void Binder::infer_inputs() {
  std::map<std::string, InputDeclaration> found;
  for (const ast::Step& step : program_.steps) infer_from(step.query, found);
  for (const ast::Query& statement : program_.statements) infer_from(statement, found);
  for (auto& [key, input] : found) {
    const auto step = std::ranges::find_if(program_.steps, [&](const ast::Step& s) { return same_name(s.name.text, input.name); });
    // An input may have a step's name: then only that step reads the input.
    const auto reads = [&](const ast::Select& s) { return s.from && same_name(s.from->name.text, input.name); };
    if (step != program_.steps.end() && std::ranges::none_of(step->query.branches, reads)) continue;
    if (find_input(input.name) == nullptr) inputs_.push_back(input);
  }
}

void Binder::infer_from(const ast::Query& query, std::map<std::string, InputDeclaration>& found) {
  const auto note = [&](const ast::Source& source, InputKind kind) {
    const auto [entry, fresh] = found.try_emplace(folded(source.name.text), InputDeclaration{source.name.text, kind, {}, options_.inferred_metadata, false});
    if (!fresh && kind == InputKind::kStream) entry->second.kind = kind;
  };
  for (const ast::Select& select : query.branches) {
    if (select.from) note(*select.from, InputKind::kStream);
    for (const ast::Link& link : select.links) {
      if (!link.on) continue;
      const bool stream = link.source.timestamp_by || mentions_datediff(*link.on);
      note(link.source, stream ? InputKind::kStream : InputKind::kReference);
    }
  }
}

void Binder::bind_steps() {
  for (std::uint32_t i = 0; i < program_.steps.size(); ++i) later_steps_.emplace(folded(program_.steps[i].name.text), i);
  for (const ast::Step& written : program_.steps) {
    if (plan_.steps.size() >= kStepsMax) {
      report_.error(written.name.span, "too_many_steps", fmt::format("more than {} steps", kStepsMax));
      return;
    }
    for (const ast::Select& branch : written.query.branches) {
      if (branch.into) report_.error(branch.into->span, "misplaced_into", "INTO cannot stand in a step of WITH", {}, "write the step INTO an output with a statement after WITH");
    }
    Step step = bind_query(written.query, written.name.text);
    if (!step_names_.emplace(folded(written.name.text), static_cast<std::uint32_t>(plan_.steps.size())).second) {
      report_.error(written.name.span, "duplicate_step", fmt::format("two steps are called '{}'", written.name.text), {}, "another name");
    }
    later_steps_.erase(folded(written.name.text));
    plan_.steps.push_back(std::move(step));
    step_used_.push_back(false);
  }
}

void Binder::bind_statements() {
  std::size_t number = 0;
  for (const ast::Query& written : program_.statements) {
    if (plan_.steps.size() >= 2 * kStepsMax) {
      report_.error(written.span, "too_many_steps", "too many statements", "at most 256");
      return;
    }
    Step step = bind_query(written, fmt::format("statement {}", ++number));
    bind_output(step, written);
    plan_.steps.push_back(std::move(step));
    step_used_.push_back(true);
  }
}

void Binder::bind_output(Step& step, const ast::Query& query) {
  const std::optional<ast::Name>& into = query.branches.front().into;
  const std::string name = into ? into->text : "output";
  for (std::size_t i = 1; i < query.branches.size(); ++i) {
    if (query.branches[i].into) report_.error(query.branches[i].into->span, "misplaced_into", "INTO stands in the first SELECT of a UNION");
  }
  const auto declared = std::ranges::find_if(options_.outputs, [&](const std::string& o) { return same_name(o, name); });
  if (!options_.any_output && declared == options_.outputs.end()) {
    report_.error(into ? into->span : query.span, "unknown_output", fmt::format("there is no output '{}'", name), {}, nearest(name, options_.outputs));
  }
  step.output = declared != options_.outputs.end() ? *declared : name;
  const auto known = std::ranges::find_if(plan_.outputs, [&](const std::string& o) { return same_name(o, *step.output); });
  if (known == plan_.outputs.end()) plan_.outputs.push_back(*step.output);
  else step.output = *known;
  for (const Select& branch : step.branches) {
    for (const Item& item : branch.items) {
      if (item.kind == ItemKind::kStar) need_whole(branch.sources[item.source]);
    }
  }
}

Step Binder::bind_query(const ast::Query& query, std::string name) {
  Step step;
  step.name = std::move(name);
  step.reference = true;
  for (const ast::Select& branch : query.branches) {
    if (!branch.from) continue;
    step.branches.push_back(bind_select(branch, step.name));
    for (const Source& source : step.branches.back().sources) {
      const bool reference = source.kind == SourceKind::kReference || source.kind == SourceKind::kApply ||
                             (source.kind == SourceKind::kStep && plan_.steps[source.index].reference);
      step.reference = step.reference && reference;
    }
  }
  finish_columns(step, query);
  return step;
}

// Names come from the first branch; the others must have as many columns.
void Binder::finish_columns(Step& step, const ast::Query& query) {
  step_columns_.resize(plan_.steps.size());
  step_columns_.emplace_back();
  if (step.branches.empty()) return;
  const auto value = [](const Item& item) { return item.kind == ItemKind::kValue; };
  const auto count = std::ranges::count_if(step.branches.front().items, value);
  for (const Item& item : step.branches.front().items) {
    if (item.kind != ItemKind::kValue) {
      step.open = true;
      continue;
    }
    step_columns_.back().try_emplace(path_key({item.name}), static_cast<std::uint32_t>(step.columns.size()));
    step.columns.push_back(StepColumn{item.name, item.expr->type, false, {}});
  }
  for (std::size_t i = 1; i < step.branches.size() && step.branches.size() == query.branches.size(); ++i) {
    const Select& branch = step.branches[i];
    const bool open = std::ranges::any_of(branch.items, [](const Item& item) { return item.kind != ItemKind::kValue; });
    if (std::ranges::count_if(branch.items, value) != count || open != step.open) {
      report_.error(query.branches[i].span, "union_columns", "every SELECT of a UNION has the same number of columns",
                    fmt::format("{} columns{}", count, step.open ? " and *" : ""));
      continue;
    }
    std::size_t at = 0;
    for (const Item& item : branch.items) {
      if (item.kind != ItemKind::kValue) continue;
      if (step.columns[at].type != item.expr->type) step.columns[at].type = Type::kAny;
      ++at;
    }
  }
}

Select Binder::bind_select(const ast::Select& written, const std::string& step) {
  Select select;
  Scope scope{&written, &select, step, {}, {}};
  bind_sources(scope);
  const Source& first = select.sources.front();
  if (select.sources.size() > 1 && first.kind == SourceKind::kReference && select.sources[1].join && !select.sources[1].join->reference) {
    report_.error(written.from->span, "reference_first", fmt::format("'{}' is reference data: it stands on the right of a join", first.alias), {},
                  "FROM stream JOIN reference ON ...");
  }
  // Group keys come after WHERE but may be aliases of items; items may need the aggregates.
  bind_where(scope);
  bind_grouping(scope);
  bind_items(scope);
  bind_having(scope);
  return select;
}

// stream-sql 5.4: substreams are used on all inputs or none, and their key in every GROUP BY.
void Binder::check_substreams() {
  const auto with = [](const Reader& r) { return !r.substream.empty(); };
  const auto some = std::ranges::find_if(plan_.readers, with);
  if (some == plan_.readers.end()) return;
  const Span span = some->substream.front()->span;
  if (!std::ranges::all_of(plan_.readers, with)) {
    report_.error(span, "substreams", "TIMESTAMP BY ... OVER is used on all inputs of a query or on none");
  }
  for (const Step& step : plan_.steps) {
    for (const Select& select : step.branches) {
      const bool reader = select.sources.front().kind == SourceKind::kReader;
      if (!select.grouping || !reader) continue;
      const ExprPtr& key = plan_.readers[select.sources.front().index].substream.front();
      const auto same = [&](const ExprPtr& k) { return same_expression(*k, *key); };
      if (std::ranges::none_of(select.grouping->keys, same)) {
        report_.error(key->span, "substreams", fmt::format("the key of OVER must be in GROUP BY of {}", step.name));
      }
    }
  }
}

void Binder::warn_unused_steps() {
  for (const ast::Step& written : program_.steps) {
    const auto step = step_names_.find(folded(written.name.text));
    if (step == step_names_.end() || step_used_[step->second]) continue;
    report_.warning(written.name.span, "unused_step", fmt::format("no statement reads the step '{}'", written.name.text));
  }
}

}  // namespace meterhub::sql
