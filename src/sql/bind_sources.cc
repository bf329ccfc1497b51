#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

// The sources an expression reads, as far as it needs one row of them.
std::set<std::uint32_t> sources_of(const Expr& expr) {
  std::set<std::uint32_t> result;
  walk(expr, [&](const Expr& e) {
    if (e.kind == ExprKind::kColumn) result.insert(e.column.source);
    if (e.kind == ExprKind::kTimestamp) result.insert(e.source);
    if (e.kind == ExprKind::kAnalytic) result.insert(Expr::kRow);
    return true;
  });
  return result;
}

void conjuncts(const ExprPtr& expr, std::vector<ExprPtr>& into) {
  if (expr->kind != ExprKind::kAnd) return into.push_back(expr);
  for (const ExprPtr& arg : expr->args) conjuncts(arg, into);
}

// A sum of DATEDIFF over sources: how often each source's time is added.
struct TimeSum {
  std::map<std::uint32_t, int> counts;
  std::optional<TimeUnit> unit;
  bool valid = true;
};

void add_terms(const Expr& expr, int sign, TimeSum& sum) {
  if (expr.kind == ExprKind::kArithmetic && (expr.op == Operator::kAdd || expr.op == Operator::kSubtract)) {
    add_terms(*expr.args[0], sign, sum);
    add_terms(*expr.args[1], expr.op == Operator::kAdd ? sign : -sign, sum);
    return;
  }
  const bool difference = expr.kind == ExprKind::kCall && expr.function->id == FunctionId::kDateDiff && expr.unit &&
                          expr.args[0]->kind == ExprKind::kTimestamp && expr.args[1]->kind == ExprKind::kTimestamp &&
                          expr.args[0]->source != Expr::kRow && expr.args[1]->source != Expr::kRow;
  if (!difference || (sum.unit && *sum.unit != *expr.unit)) {
    sum.valid = false;
    return;
  }
  sum.unit = expr.unit;
  sum.counts[expr.args[0]->source] -= sign;
  sum.counts[expr.args[1]->source] += sign;
}

std::optional<std::int64_t> integer(const Expr& expr) {
  const auto* value = expr.kind == ExprKind::kLiteral ? std::get_if<std::int64_t>(&expr.literal) : nullptr;
  return value == nullptr ? std::nullopt : std::optional(*value);
}

// lower <= DATEDIFF(unit, left, right) <= upper, as far as known.
struct Bounds {
  std::optional<std::int64_t> lower;
  std::optional<std::int64_t> upper;
};

void tighten(Bounds& bounds, std::optional<std::int64_t> lower, std::optional<std::int64_t> upper) {
  if (lower) bounds.lower = std::max(*lower, bounds.lower.value_or(*lower));
  if (upper) bounds.upper = std::min(*upper, bounds.upper.value_or(*upper));
}

Operator mirrored(Operator op) {
  switch (op) {
    case Operator::kLess: return Operator::kGreater;
    case Operator::kLessEqual: return Operator::kGreaterEqual;
    case Operator::kGreater: return Operator::kLess;
    case Operator::kGreaterEqual: return Operator::kLessEqual;
    default: return op;
  }
}

// What one condition says of the term args[0], e.g. DATEDIFF(...) < 5.
Bounds bounds_of(const Expr& condition, const Expr*& term) {
  constexpr std::int64_t kFar = 1'000'000'000'000'000;  // 7 days are 604,800,000,000 of the smallest unit
  Bounds bounds;
  if (condition.kind == ExprKind::kBetween) {
    term = condition.args[0].get();
    tighten(bounds, integer(*condition.args[1]), integer(*condition.args[2]));
  } else if (condition.kind == ExprKind::kCompare) {
    const bool swapped = integer(*condition.args[0]).has_value();
    term = condition.args[swapped ? 1 : 0].get();
    const auto value = integer(*condition.args[swapped ? 0 : 1]);
    const Operator op = swapped ? mirrored(condition.op) : condition.op;
    if (!value || *value > kFar || *value < -kFar) return bounds;
    if (op == Operator::kEqual) tighten(bounds, value, value);
    if (op == Operator::kLess) tighten(bounds, {}, *value - 1);
    if (op == Operator::kLessEqual) tighten(bounds, {}, value);
    if (op == Operator::kGreater) tighten(bounds, *value + 1, {});
    if (op == Operator::kGreaterEqual) tighten(bounds, value, {});
  }
  for (const auto& side : {bounds.lower, bounds.upper}) {
    if (side && (*side > kFar || *side < -kFar)) return {};
  }
  return bounds;
}

}  // namespace

const InputDeclaration* Binder::find_input(std::string_view name) const {
  const auto found = std::ranges::find_if(inputs_, [&](const InputDeclaration& i) { return same_name(i.name, name); });
  return found == inputs_.end() ? nullptr : &*found;
}

void Binder::unknown_input(const ast::Name& name) {
  std::vector<std::string> names;
  for (const InputDeclaration& input : inputs_) names.push_back(input.name);
  for (const Step& step : plan_.steps) names.push_back(step.name);
  if (const auto later = later_steps_.find(folded(name.text)); later != later_steps_.end()) {
    report_.error(name.span, "step_order", fmt::format("'{}' is defined later: a step reads only inputs and steps before it", name.text), {},
                  "change the order of the steps");
    return;
  }
  report_.error(name.span, "unknown_input", fmt::format("there is no input or step '{}'", name.text), {}, nearest(name.text, names));
}

void Binder::bind_sources(Scope& scope) {
  if (scope.written->match_recognize) return bind_match_source(scope);
  bind_source(scope, *scope.written->from);
  for (const ast::Link& link : scope.written->links) {
    const bool apply = link.kind == ast::LinkKind::kCrossApply || link.kind == ast::LinkKind::kOuterApply;
    if (apply) bind_apply(scope, link);
    else bind_join(scope, link);
  }
}

void Binder::bind_source(Scope& scope, const ast::Source& written) {
  Source source;
  const ast::Name& name = written.alias ? *written.alias : written.name;
  source.alias = name.text;
  if (source_named(*scope.select, source.alias)) {
    report_.error(name.span, "duplicate_source", fmt::format("two sources are called '{}'", source.alias), {}, "give one an alias: FROM a JOIN b AS other");
  }
  if (!find_source(source, written)) {
    // An open stand-in, so that the rest of the statement is checked without false errors.
    inputs_.push_back(InputDeclaration{written.name.text, InputKind::kStream, {}, InputMetadata::kNone, false});
    bind_reader(source, written, InputDeclaration(inputs_.back()));
  }
  scope.select->sources.push_back(std::move(source));
  Select only;
  only.sources.push_back(scope.select->sources.back());
  Scope alone{scope.written, &only, scope.step, {}, {}};
  scope.select->sources.back().partition_by = bind_all(written.partition_by, Context{&alone, Clause::kPartitionBy});
  scope.select->sources.back().partition_into = written.partition_into;
}

bool Binder::find_source(Source& source, const ast::Source& written) {
  if (const auto step = step_names_.find(folded(written.name.text)); step != step_names_.end()) {
    source.kind = SourceKind::kStep;
    source.index = step->second;
    step_used_[step->second] = true;
    if (written.timestamp_by) {
      report_.error(written.timestamp_by->span, "misplaced_timestamp_by", fmt::format("'{}' is a step: only an input has TIMESTAMP BY", written.name.text), {},
                    "put it into the step, behind its input");
    }
    return true;
  }
  const InputDeclaration* input = find_input(written.name.text);
  if (input == nullptr) {
    unknown_input(written.name);
    return false;
  }
  if (input->kind == InputKind::kStream) {
    bind_reader(source, written, InputDeclaration(*input));
    return true;
  }
  if (written.timestamp_by) {
    report_.error(written.timestamp_by->span, "misplaced_timestamp_by", fmt::format("'{}' is reference data: it has no TIMESTAMP BY", written.name.text));
  }
  source.kind = SourceKind::kReference;
  const auto known = std::ranges::find_if(plan_.references, [&](const Reference& r) { return same_name(r.input, input->name); });
  source.index = static_cast<std::uint32_t>(known - plan_.references.begin());
  if (known == plan_.references.end()) plan_.references.push_back(Reference{input->name, input->columns, {}, false});
  return true;
}

// Statements that agree on input, time and substream share a reader.
void Binder::bind_reader(Source& source, const ast::Source& written, const InputDeclaration& input) {
  Reader reader;
  reader.input = input.name;
  reader.columns = input.columns;
  if (input.metadata_in_star) reader.star_metadata = input.metadata;
  if (written.timestamp_by) bind_time(reader, written, source.alias);
  source.kind = SourceKind::kReader;
  const auto same = [&](const Reader& r) {
    if (!same_name(r.input, reader.input) || !r.timestamp_by != !reader.timestamp_by) return false;
    if (reader.timestamp_by && !same_expression(*r.timestamp_by, *reader.timestamp_by)) return false;
    return std::ranges::equal(r.substream, reader.substream, [](const ExprPtr& a, const ExprPtr& b) { return same_expression(*a, *b); });
  };
  const auto known = std::ranges::find_if(plan_.readers, same);
  source.index = static_cast<std::uint32_t>(known - plan_.readers.begin());
  if (known != plan_.readers.end()) return;
  // The paths of the time expression are indices into the reader's own list.
  plan_.readers.push_back(std::move(reader));
  if (written.timestamp_by) bind_time(plan_.readers[source.index], written, source.alias);
}

void Binder::bind_time(Reader& reader, const ast::Source& written, const std::string& alias) {
  const bool kept = !plan_.readers.empty() && &reader == &plan_.readers.back();
  if (!kept) plan_.readers.push_back(reader);
  const auto index = static_cast<std::uint32_t>(plan_.readers.size() - 1);
  Select only;
  only.sources.push_back(Source{SourceKind::kReader, alias, index, {}, {}, {}, {}});
  Scope alone{nullptr, &only, {}, {}, {}};
  const Context context{&alone, Clause::kTimestampBy};
  ExprPtr time = bind(*written.timestamp_by, context);
  std::vector<ExprPtr> substream = bind_all(written.timestamp_over, context);
  Reader& target = kept ? plan_.readers[index] : reader;
  target.timestamp_by = std::move(time);
  target.substream = std::move(substream);
  if (kept) return;
  plan_.readers.pop_back();
  if (reader_paths_.size() > index) reader_paths_[index].clear();
}

void Binder::bind_apply(Scope& scope, const ast::Link& link) {
  Source source;
  source.kind = SourceKind::kApply;
  source.alias = link.source.alias->text;
  source.apply.emplace();
  source.apply->outer = link.kind == ast::LinkKind::kOuterApply;
  source.apply->properties = same_name(link.apply_function.text, "GetRecordProperties");
  if (!source.apply->properties && !same_name(link.apply_function.text, "GetArrayElements")) {
    const std::vector<std::string> names = {"GetArrayElements", "GetRecordProperties"};
    report_.error(link.apply_function.span, "unknown_function", fmt::format("'{}' cannot follow APPLY", link.apply_function.text),
                  "GetArrayElements or GetRecordProperties", nearest(link.apply_function.text, names));
  }
  if (source_named(*scope.select, source.alias)) {
    report_.error(link.source.alias->span, "duplicate_source", fmt::format("two sources are called '{}'", source.alias), {}, "another alias");
  }
  source.apply->argument = bind(*link.apply_argument, Context{&scope, Clause::kApply});
  scope.select->sources.push_back(std::move(source));
}

void Binder::bind_join(Scope& scope, const ast::Link& link) {
  bind_source(scope, link.source);
  Select& select = *scope.select;
  const auto right = static_cast<std::uint32_t>(select.sources.size() - 1);
  const Source& source = select.sources[right];
  Join join;
  join.left_outer = link.kind == ast::LinkKind::kLeftJoin;
  join.reference = source.kind == SourceKind::kReference || (source.kind == SourceKind::kStep && plan_.steps[source.index].reference);
  const ExprPtr on = bind(*link.on, Context{&scope, Clause::kOn});
  split_on(scope, join, on, link.span);
  if (!join.reference) select.stateful = true;
  select.sources[right].join = std::move(join);
}

// Equalities between the sides become keys, DATEDIFF conditions the time bound.
void Binder::split_on(Scope& scope, Join& join, const ExprPtr& on, Span span) {
  const auto right = static_cast<std::uint32_t>(scope.select->sources.size() - 1);
  std::vector<ExprPtr> terms;
  conjuncts(on, terms);
  auto rest = std::make_shared<Expr>();
  rest->kind = ExprKind::kAnd;
  rest->type = Type::kBit;
  rest->span = on->span;
  for (const ExprPtr& term : terms) {
    bool key = term->kind == ExprKind::kCompare && term->op == Operator::kEqual;
    if (key) {
      const auto a = sources_of(*term->args[0]);
      const auto b = sources_of(*term->args[1]);
      const auto only_right = [&](const auto& s) { return s.size() == 1 && s.contains(right); };
      const auto only_left = [&](const auto& s) { return !s.empty() && !s.contains(right) && !s.contains(Expr::kRow); };
      if (only_left(a) && only_right(b)) join.keys.push_back({term->args[0], term->args[1]});
      else if (only_right(a) && only_left(b)) join.keys.push_back({term->args[1], term->args[0]});
      else key = false;
    }
    if (!key) rest->args.push_back(term);
  }
  if (rest->args.size() == 1) join.residual = rest->args[0];
  else if (!rest->args.empty()) join.residual = rest;
  if (!join.reference) return check_bound(scope, join, rest->args, span);
  if (join.keys.empty()) {
    report_.warning(span, "reference_scan", fmt::format("no equality with '{}' in ON: every event is compared with every row", scope.select->sources[right].alias));
  }
}

void Binder::check_bound(Scope& scope, Join& join, const std::vector<ExprPtr>& terms, Span span) {
  const auto right = static_cast<std::uint32_t>(scope.select->sources.size() - 1);
  std::map<std::pair<std::uint32_t, TimeUnit>, Bounds> found;
  for (const ExprPtr& term : terms) {
    const Expr* sum_of = nullptr;
    const Bounds bounds = bounds_of(*term, sum_of);
    if (sum_of == nullptr || (!bounds.lower && !bounds.upper)) continue;
    TimeSum sum;
    add_terms(*sum_of, 1, sum);
    std::erase_if(sum.counts, [](const auto& entry) { return entry.second == 0; });
    if (!sum.valid || !sum.unit || !unit_ticks(*sum.unit) || sum.counts.size() != 2) continue;
    const auto at_right = sum.counts.find(right);
    if (at_right == sum.counts.end() || std::abs(at_right->second) != 1) continue;
    const auto other = std::ranges::find_if(sum.counts, [&](const auto& e) { return e.first != right; });
    if (other->second != -at_right->second) continue;
    Bounds& known = found[{other->first, *sum.unit}];
    const auto minus = [](std::optional<std::int64_t> v) { return v ? std::optional(-*v) : v; };
    if (at_right->second > 0) tighten(known, bounds.lower, bounds.upper);
    else tighten(known, minus(bounds.upper), minus(bounds.lower));
  }
  for (const auto& [where, bounds] : found) {
    if (!bounds.lower || !bounds.upper) continue;
    const Ticks unit = *unit_ticks(where.second);
    TimeBound bound{where.first, where.second, *bounds.lower, *bounds.upper, 0, 0, unit};
    const bool far = __builtin_mul_overflow(bound.lower, unit, &bound.lower_ticks) || __builtin_mul_overflow(bound.upper, unit, &bound.upper_ticks) ||
                     std::abs(bound.lower_ticks) > kWindowMax || std::abs(bound.upper_ticks) > kWindowMax;
    if (far) report_.error(span, "over_seven_days", "the time bound of a join is longer than 7 days", "at most 7 days");
    if (bound.lower > bound.upper) report_.error(span, "empty_time_bound", fmt::format("no time satisfies a DATEDIFF from {} to {}", bound.lower, bound.upper));
    join.bound = bound;
    return;
  }
  const Source& source = scope.select->sources[right];
  const std::string left = scope.select->sources[0].alias;
  report_.error(span, "missing_time_bound",
                fmt::format("a join of streams must bound the time between '{}' and '{}' from below and above", left, source.alias),
                "DATEDIFF(unit, left, right) BETWEEN n AND m in ON",
                fmt::format("AND DATEDIFF(minute, {}, {}) BETWEEN 0 AND 5", left, source.alias));
}

}  // namespace meterhub::sql
