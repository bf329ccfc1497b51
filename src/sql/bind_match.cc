// MATCH_RECOGNIZE becomes a step of its own, whose columns are the measures: the SELECT
// around it reads that step.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <meterhub/sql/limits.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

std::optional<MatchFunction> match_function(const ast::Expr& call) {
  if (call.path.size() != 1) return std::nullopt;
  const std::string name = folded(call.path[0].text);
  if (name == "first") return MatchFunction::kFirst;
  if (name == "last") return MatchFunction::kLast;
  if (name == "min") return MatchFunction::kMin;
  if (name == "max") return MatchFunction::kMax;
  return name == "classifier" ? std::optional(MatchFunction::kClassifier) : std::nullopt;
}

std::string_view function_text(MatchFunction function) {
  constexpr std::array<std::string_view, 5> kNames = {"First", "Last", "Min", "Max", "Classifier"};
  return kNames[static_cast<std::size_t>(function)];
}

std::vector<std::string> names_of(const MatchRecognize& match) {
  std::vector<std::string> names;
  for (const MatchVariable& variable : match.variables) names.push_back(variable.name);
  return names;
}

// The variable of that name; the number of variables when there is none.
std::uint32_t variable_named(const MatchRecognize& match, std::string_view name) {
  const auto found =
      std::ranges::find_if(match.variables, [&](const MatchVariable& v) { return same_name(v.name, name); });
  return static_cast<std::uint32_t>(found - match.variables.begin());
}

std::uint32_t index_of(MatchRecognize& match, MatchAggregate aggregate) {
  const auto same = [&](const MatchAggregate& a) {
    if (a.function != aggregate.function || a.variable != aggregate.variable) return false;
    return (!a.value && !aggregate.value) ||
           (a.value && aggregate.value && same_expression(*a.value, *aggregate.value));
  };
  const auto found = std::ranges::find_if(match.aggregates, same);
  const auto index = static_cast<std::uint32_t>(found - match.aggregates.begin());
  if (found == match.aggregates.end()) match.aggregates.push_back(std::move(aggregate));
  return index;
}

// Without the first name, which was the variable.
ast::Expr field_of(const ast::Expr& path) {
  ast::Expr field;
  field.kind = ast::ExprKind::kPath;
  field.span = path.span;
  field.path.assign(path.path.begin() + 1, path.path.end());
  return field;
}

}  // namespace

// FROM source MATCH_RECOGNIZE (...) AS alias.
void Binder::bind_match_source(Scope& scope) {
  const ast::MatchRecognize& written = *scope.written->match_recognize;
  if (!scope.written->links.empty()) {
    report_.error(written.span, "misplaced_match",
                  "MATCH_RECOGNIZE stands behind one source, not behind joins and APPLY", {},
                  "join in a step, then look for the pattern in that step");
  }
  const std::string alias = written.alias ? written.alias->text : "match";
  Step step;
  step.name = fmt::format("{} of {}", alias, scope.step);
  Select select;
  Scope inner{scope.written, &select, step.name, {}, {}};
  bind_source(inner, *scope.written->from);
  const Source& source = select.sources.front();
  if (source.kind == SourceKind::kReference ||
      (source.kind == SourceKind::kStep && plan_.steps[source.index].reference)) {
    report_.error(scope.written->from->span, "match_reference",
                  fmt::format("'{}' is reference data: it has no events to find a pattern in", source.alias));
  }
  select.match = bind_match(inner, written);
  select.stateful = true;
  step.branches.push_back(std::move(select));
  step_columns_.resize(plan_.steps.size());
  step_columns_.emplace_back();
  for (const Item& item : step.branches.front().items) {
    step_columns_.back().try_emplace(path_key({item.name}), static_cast<std::uint32_t>(step.columns.size()));
    step.columns.push_back(StepColumn{item.name, item.expr->type, false, {}});
  }
  // After a mistake in the clause any column may exist, so that there are no false errors.
  step.open = written.failed || written.measures.empty();
  Source of;
  of.kind = SourceKind::kStep;
  of.alias = alias;
  of.index = static_cast<std::uint32_t>(plan_.steps.size());
  scope.select->sources.push_back(std::move(of));
  plan_.steps.push_back(std::move(step));
  step_used_.push_back(true);
}

MatchRecognize Binder::bind_match(Scope& scope, const ast::MatchRecognize& written) {
  MatchRecognize match;
  check_match(written);
  if (written.limit) match.duration = bind_duration(*written.limit, 1);
  match.partition = scope.select->sources.front().partition_by;
  for (ExprPtr& key : bind_all(written.partition, Context{&scope, Clause::kPartitionBy}))
    match.partition.push_back(std::move(key));
  check_match_substream(scope, match, written.span);
  if (!written.pattern) return match;
  match.pattern = bind_pattern(*written.pattern, match);
  if (pattern_positions(match.pattern) > kPatternPositionsMax) {
    report_.error(
        written.pattern->span, "pattern_too_large",
        fmt::format("the pattern has more than {} variables once repetitions are written out", kPatternPositionsMax));
  } else if (pattern_positions(match.pattern) == 0) {
    report_.error(written.pattern->span, "empty_pattern", "the pattern can match no event at all");
  }
  bind_definitions(scope, written, match);
  match.defined = static_cast<std::uint32_t>(match.aggregates.size());
  bind_measures(scope, written, match);
  return match;
}

void Binder::check_match(const ast::MatchRecognize& written) {
  if (written.failed) return;
  const auto need = [&](bool there, std::string_view code, std::string_view what, std::string_view example) {
    if (!there) report_.error(written.span, code, fmt::format("MATCH_RECOGNIZE needs {}", what), std::string(example));
  };
  need(written.limit.has_value(), "missing_duration", "LIMIT DURATION: how long a match may take",
       "LIMIT DURATION(minute, 5)");
  need(!written.measures.empty(), "missing_measures", "MEASURES: the columns that it gives",
       "MEASURES Last(A.value) AS value");
  need(written.pattern.has_value(), "missing_pattern", "PATTERN: what to look for", "PATTERN (A+ B)");
}

// stream-sql 5.4: events of several keys have no order among each other.
void Binder::check_match_substream(const Scope& scope, const MatchRecognize& match, Span span) {
  const Source& source = scope.select->sources.front();
  if (source.kind != SourceKind::kReader || plan_.readers[source.index].substream.empty()) return;
  const ExprPtr& key = plan_.readers[source.index].substream.front();
  const auto same = [&](const ExprPtr& k) { return same_expression(*k, *key); };
  if (std::ranges::any_of(match.partition, same)) return;
  report_.error(span, "substreams", "the key of TIMESTAMP BY ... OVER must be in PARTITION BY of MATCH_RECOGNIZE");
}

PatternNode Binder::bind_pattern(const ast::Pattern& written, MatchRecognize& match) {
  PatternNode node;
  node.kind = written.kind;
  node.least = written.least;
  node.most = written.most;
  if (written.kind == PatternKind::kVariable) {
    node.variable = variable_named(match, written.variable.text);
    if (node.variable == match.variables.size()) match.variables.push_back({written.variable.text, nullptr});
    if (match.variables.size() == kPatternVariablesMax + 1) {
      report_.error(written.span, "pattern_too_large",
                    fmt::format("more than {} variables in a pattern", kPatternVariablesMax));
    }
  }
  if (written.most && *written.most < written.least) {
    report_.error(written.span, "bad_size",
                  fmt::format("at least {} and at most {} times is never", written.least, *written.most));
  }
  for (const ast::Pattern& part : written.parts) node.parts.push_back(bind_pattern(part, match));
  return node;
}

void Binder::bind_definitions(Scope& scope, const ast::MatchRecognize& written, MatchRecognize& match) {
  std::vector<std::uint32_t> order;  // variables as they are defined
  for (const auto& definition : written.definitions) {
    const std::uint32_t variable = variable_named(match, definition.variable.text);
    if (variable == match.variables.size()) {
      report_.error(definition.variable.span, "unknown_variable",
                    fmt::format("the pattern has no variable '{}'", definition.variable.text), {},
                    nearest(definition.variable.text, names_of(match)));
    } else if (std::ranges::find(order, variable) != order.end()) {
      report_.error(definition.variable.span, "duplicate_definition",
                    fmt::format("'{}' is defined twice", definition.variable.text), {}, "AND between the conditions");
    } else {
      order.push_back(variable);
    }
  }
  MatchScope in{&match, {}, {}};
  for (std::uint32_t i = 0; i < match.variables.size(); ++i) {
    const bool defined = std::ranges::find(order, i) != order.end();
    if (!defined) in.visible.push_back(i);
    if (!defined && match.variables[i].name != ".") {
      report_.warning(written.span, "no_definition",
                      fmt::format("'{}' is not defined: it matches every event", match.variables[i].name));
    }
  }
  for (const auto& definition : written.definitions) {
    const std::uint32_t variable = variable_named(match, definition.variable.text);
    if (variable == match.variables.size() || match.variables[variable].define) continue;
    in.current = variable;
    in.visible.push_back(variable);
    Context context{&scope, Clause::kDefine};
    context.match = &in;
    match.variables[variable].define = bind(*definition.condition, context);
  }
}

void Binder::bind_measures(Scope& scope, const ast::MatchRecognize& written, MatchRecognize& match) {
  MatchScope in{&match, std::nullopt, {}};
  for (std::uint32_t i = 0; i < match.variables.size(); ++i) in.visible.push_back(i);
  Context context{&scope, Clause::kMeasures};
  context.match = &in;
  std::vector<Item>& items = scope.select->items;
  for (const auto& measure : written.measures) {
    if (std::ranges::any_of(items, [&](const Item& item) { return same_name(item.name, measure.name.text); })) {
      report_.error(measure.name.span, "duplicate_column",
                    fmt::format("two measures are called '{}'", measure.name.text), {}, "another name");
    }
    items.push_back(Item{ItemKind::kValue, measure.name.text, bind(*measure.value, context), 0});
  }
}

ExprPtr Binder::match_aggregate(MatchScope& match, MatchAggregate aggregate, Type type, Span span) {
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kAggregate;
  result->type = type;
  result->span = span;
  result->index = index_of(*match.match, std::move(aggregate));
  return result;
}

// Which variable a path begins with, if any. False: an error was reported.
bool Binder::match_variable(const ast::Expr& path, const MatchScope& in, std::optional<std::uint32_t>& variable) {
  const MatchRecognize& match = *in.match;
  const std::uint32_t found = variable_named(match, path.path[0].text);
  if (found == match.variables.size()) {
    const std::vector<std::string> names = names_of(match);
    const std::string meant = path.path.size() > 1 ? nearest(path.path[0].text, names) : "";
    if (!meant.empty())
      report_.warning(path.path[0].span, "no_variable",
                      fmt::format("'{}' is read as a column: the pattern has no such variable", path.path[0].text),
                      meant);
    return true;
  }
  if (path.path.size() == 1) {
    report_.error(path.span, "variable_field",
                  fmt::format("'{}' is a variable of the pattern, not a value", path.path[0].text),
                  "a field of its events", fmt::format("{}.field", path.path[0].text));
    return false;
  }
  if (std::ranges::find(in.visible, found) == in.visible.end()) {
    report_.error(path.path[0].span, "later_variable",
                  fmt::format("'{}' is defined later: a condition reads its own variable and those defined before it",
                              path.path[0].text),
                  {}, "change the order of the definitions");
    return false;
  }
  variable = found;
  return true;
}

// In DEFINE a field of the own variable, or of none, is that of the event at hand; any other is
// that of the last event that the variable, or the match, has.
ExprPtr Binder::bind_match_path(const ast::Expr& expr, const Context& context) {
  MatchScope& in = *context.match;
  std::optional<std::uint32_t> variable;
  if (!match_variable(expr, in, variable)) return null_at(expr.span);
  ExprPtr value = bind_match_field(expr, variable.has_value(), context);
  const bool at_hand = in.current && (!variable || variable == in.current);
  if (at_hand || value->kind != ExprKind::kColumn) return value;
  const Type type = value->type;
  return match_aggregate(in, {MatchFunction::kLast, variable, std::move(value)}, type, expr.span);
}

// A column of the source.
ExprPtr Binder::bind_match_field(const ast::Expr& expr, bool of_variable, const Context& context) {
  const Select& select = *context.scope->select;
  const ast::Expr field = of_variable ? field_of(expr) : ast::Expr{};
  const ast::Expr& path = of_variable ? field : expr;
  const bool qualified = !of_variable && path.path.size() > 1 && source_named(select, path.path[0].text);
  if (qualified && knows(select.sources[0], path.path[0].text) != Knows::kYes) return bind_qualified(0, path, context);
  return bind_unqualified(path, context);
}

// First, Last, Min, Max and Classifier; null: some other function.
ExprPtr Binder::bind_match_call(const ast::Expr& expr, const Context& context) {
  const auto function = match_function(expr);
  if (!function && expr.path.size() == 1 && find_function(expr.path[0].text) == nullptr) {
    const std::vector<std::string> names = {"First", "Last", "Min", "Max", "Classifier"};
    const std::string meant = nearest(expr.path[0].text, names);
    if (meant.empty()) return nullptr;
    report_.error(expr.path[0].span, "unknown_function", fmt::format("there is no function '{}'", expr.path[0].text),
                  {}, meant);
    return null_at(expr.span);
  }
  if (!function) return nullptr;
  MatchScope& in = *context.match;
  const std::string_view name = function_text(*function);
  if (expr.over)
    report_.error(expr.over->span, "misplaced_over", fmt::format("{} takes no OVER in MATCH_RECOGNIZE", name));
  if (*function == MatchFunction::kClassifier) {
    if (in.current)
      report_.error(expr.span, "misplaced_function", "Classifier() is known when all is matched: in MEASURES only");
    if (!expr.operands.empty())
      report_.error(expr.span, "argument_count",
                    fmt::format("Classifier takes 0 arguments, not {}", expr.operands.size()), "Classifier()");
    return bind_fields(match_aggregate(in, {MatchFunction::kClassifier, {}, nullptr}, Type::kArray, expr.span), expr);
  }
  const bool field = expr.operands.size() == 1 && !expr.distinct && expr.operands[0]->kind == ast::ExprKind::kPath &&
                     !is_timestamp(*expr.operands[0]);
  if (!field) {
    report_.error(expr.span, "match_argument", fmt::format("{} takes one field, without any calculation", name),
                  fmt::format("{}(A.value)", name), "calculate in a step before, or with the results");
    return null_at(expr.span);
  }
  const ast::Expr& path = *expr.operands[0];
  std::optional<std::uint32_t> variable;
  if (!match_variable(path, in, variable)) return null_at(expr.span);
  ExprPtr value = bind_match_field(path, variable.has_value(), context);
  if (value->kind != ExprKind::kColumn) return value;  // an error was reported
  const bool same_type =
      *function == MatchFunction::kFirst || *function == MatchFunction::kLast || value->type != Type::kBit;
  const Type type = same_type ? value->type : Type::kAny;
  return bind_fields(match_aggregate(in, {*function, variable, std::move(value)}, type, expr.span), expr);
}

}  // namespace meterhub::sql
