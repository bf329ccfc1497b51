#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include <meterhub/sql/limits.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

// An aggregate with LIMIT DURATION is computed per event, like LAG.
bool analytic_form(const FunctionInfo& function, const ast::Expr& expr) {
  if (function.kind == FunctionKind::kAnalytic) return true;
  return function.kind == FunctionKind::kAggregate && expr.over && expr.over->limit;
}

bool takes_order(FunctionId id) {
  return id == FunctionId::kTopOne || id == FunctionId::kCollectTop || id == FunctionId::kPercentileCont || id == FunctionId::kPercentileDisc;
}

bool same_list(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b) {
  return std::ranges::equal(a, b, [](const ExprPtr& x, const ExprPtr& y) { return same_expression(*x, *y); });
}

bool same_order(const std::vector<OrderKey>& a, const std::vector<OrderKey>& b) {
  return std::ranges::equal(a, b, [](const OrderKey& x, const OrderKey& y) { return x.descending == y.descending && same_expression(*x.expr, *y.expr); });
}

bool same_optional(const ExprPtr& a, const ExprPtr& b) { return (!a && !b) || (a && b && same_expression(*a, *b)); }

bool same_call(const AnalyticCall& a, const AnalyticCall& b) {
  return a.function == b.function && a.source == b.source && a.whole_event == b.whole_event && a.offset == b.offset &&
         a.duration == b.duration && same_list(a.args, b.args) && same_list(a.partition, b.partition) &&
         same_order(a.order, b.order) && same_optional(a.fallback, b.fallback) && same_optional(a.when, b.when);
}

bool same_call(const AggregateCall& a, const AggregateCall& b) {
  return a.function == b.function && a.distinct == b.distinct && a.whole_event == b.whole_event && same_list(a.args, b.args) &&
         same_order(a.order, b.order);
}

template <class Call>
std::uint32_t index_of(std::vector<Call>& calls, Call call) {
  const auto found = std::ranges::find_if(calls, [&](const Call& c) { return same_call(c, call); });
  const auto index = static_cast<std::uint32_t>(found - calls.begin());
  if (found == calls.end()) calls.push_back(std::move(call));
  return index;
}

Type result_type(const FunctionInfo& function, const std::vector<ExprPtr>& args) {
  if (function.result != Type::kAny || args.empty()) return function.result;
  const bool numeric = function.arguments[0] == ArgumentKind::kNumber;
  return numeric && (args[0]->type == Type::kBigint || args[0]->type == Type::kFloat) ? args[0]->type : Type::kAny;
}

}  // namespace

bool holds_aggregate(const ast::Expr& expr) {
  if (expr.kind == ast::ExprKind::kCall && expr.path.size() == 1) {
    const FunctionInfo* function = find_function(expr.path[0].text);
    if (function != nullptr && function->kind == FunctionKind::kAggregate && !analytic_form(*function, expr)) return true;
  }
  return std::ranges::any_of(expr.operands, [](const ast::ExprPtr& operand) { return holds_aggregate(*operand); });
}

ExprPtr Binder::bind_call(const ast::Expr& expr, const Context& context) {
  if (same_name(expr.path[0].text, "System") && expr.path.size() == 2) return bind_system(expr, context);
  if (context.match != nullptr) {
    if (ExprPtr value = bind_match_call(expr, context)) return value;
  }
  const FunctionInfo* function = expr.path.size() == 2 ? &function_info(FunctionId::kUser) : find_function(expr.path[0].text);
  if (function == nullptr) return unknown_function(expr);
  if (function->kind == FunctionKind::kApply) {
    report_.error(expr.span, "misplaced_function", fmt::format("{} stands after CROSS APPLY or OUTER APPLY only", function->name), {},
                  function->id == FunctionId::kGetArrayElements ? "GetArrayElement(array, index) for one element" : "GetRecordPropertyValue(record, name) for one field");
    return null_at(expr.span);
  }
  if (!check_arguments(*function, expr)) return null_at(expr.span);
  if (expr.distinct && function->id != FunctionId::kCount) {
    report_.error(expr.span, "misplaced_distinct", fmt::format("DISTINCT is for COUNT only, not for {}", function->name));
  }
  ExprPtr value = analytic_form(*function, expr)                  ? bind_analytic(*function, expr, context)
                  : function->kind == FunctionKind::kAggregate ? bind_aggregate(*function, expr, context)
                                                               : bind_scalar(*function, expr, context);
  return bind_fields(std::move(value), expr);
}

ExprPtr Binder::unknown_function(const ast::Expr& expr) {
  const std::string& name = expr.path[0].text;
  std::vector<std::string> names;
  for (const FunctionInfo& function : functions()) names.emplace_back(function.name);
  const std::string word = folded(name);
  std::string suggestion = nearest(name, names);
  if (word == "isnull" || word == "ifnull" || word == "nvl") suggestion = "COALESCE";
  if (word == "convert") suggestion = "CAST(x AS type)";
  if (word == "length") suggestion = "LEN";
  if (word == "getdate" || word == "now") suggestion = "System.Timestamp()";
  if (word == "iif") suggestion = "CASE WHEN ... THEN ... ELSE ... END";
  if (word.ends_with("window") || word == "windows") {
    report_.error(expr.span, "misplaced_window", fmt::format("'{}' is a window: it stands in GROUP BY, by itself", name), {}, {});
  } else {
    report_.error(expr.path[0].span, "unknown_function", fmt::format("there is no function '{}'", name), {}, suggestion);
  }
  return null_at(expr.span);
}

bool Binder::check_arguments(const FunctionInfo& function, const ast::Expr& expr) {
  const std::size_t count = expr.operands.size();
  const bool many = function.arguments_max == kUnlimitedArguments;
  if (count >= function.arguments_min && (many || count <= function.arguments_max)) return true;
  const std::string right = many ? fmt::format("at least {}", function.arguments_min)
                            : function.arguments_min == function.arguments_max
                                ? fmt::format("{}", function.arguments_min)
                                : fmt::format("{} to {}", function.arguments_min, function.arguments_max);
  report_.error(expr.span, "argument_count", fmt::format("{} takes {} argument{}, not {}", function.name, right, right == "1" ? "" : "s", count),
                std::string(function.signature));
  return false;
}

ExprPtr Binder::bind_system(const ast::Expr& expr, const Context& context) {
  auto result = std::make_shared<Expr>();
  result->span = expr.span;
  if (is_timestamp(expr)) {
    result->kind = ExprKind::kTimestamp;
    result->type = Type::kDatetime;
    if (context.clause == Clause::kTimestampBy) {
      report_.error(expr.span, "misplaced_timestamp", "TIMESTAMP BY sets System.Timestamp(): it cannot read it", "a column of the payload");
    }
    return result;
  }
  const bool window = same_name(expr.path[1].text, "Window") && expr.operands.empty();
  if (window && expr.fields.size() == 1 && same_name(expr.fields[0].text, "Id")) {
    result->kind = ExprKind::kWindowId;
    result->type = Type::kText;
    if (context.clause != Clause::kItem && context.clause != Clause::kHaving) {
      report_.error(expr.span, "misplaced_window_id", "System.Window().Id is known after grouping: in SELECT and HAVING");
    }
    return result;
  }
  report_.error(expr.span, "unknown_function", "System has Timestamp() and Window().Id", {}, "System.Timestamp()");
  return null_at(expr.span);
}

// f(x).a.b: fields of the record a call gives.
ExprPtr Binder::bind_fields(ExprPtr value, const ast::Expr& call) {
  for (const ast::Name& field : call.fields) {
    auto name = std::make_shared<Expr>();
    name->literal = field.text;
    name->type = Type::kText;
    name->span = field.span;
    auto get = std::make_shared<Expr>();
    get->kind = ExprKind::kCall;
    get->function = &function_info(FunctionId::kGetRecordPropertyValue);
    get->span = call.span;
    get->args = {std::move(value), std::move(name)};
    value = std::move(get);
  }
  return value;
}

std::optional<TimeUnit> Binder::bind_unit(const ast::Expr& expr) {
  const bool word = expr.kind == ast::ExprKind::kPath && expr.path.size() == 1;
  if (word) {
    if (const auto unit = unit_of(expr.path[0].text)) return unit;
  }
  const std::vector<std::string> units = {"year", "quarter", "month", "dayofyear", "day", "week", "weekday",
                                          "hour", "minute",  "second", "millisecond", "microsecond"};
  report_.error(expr.span, "unknown_unit", word ? fmt::format("'{}' is not a time unit", expr.path[0].text) : "a time unit stands here without quotes",
                "year, quarter, month, day, week, hour, minute, second, millisecond, ...", word ? nearest(expr.path[0].text, units) : "");
  return std::nullopt;
}

ExprPtr Binder::bind_scalar(const FunctionInfo& function, const ast::Expr& expr, const Context& context) {
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kCall;
  result->function = &function;
  result->span = expr.span;
  if (function.id == FunctionId::kUser) result->user_function = expr.path[0].text + "." + expr.path[1].text;
  if (expr.over) report_.error(expr.over->span, "misplaced_over", fmt::format("{} takes no OVER", function.name));
  if (function.id == FunctionId::kGetMetadataPropertyValue && context.clause == Clause::kMeasures) {
    report_.error(expr.span, "misplaced_function", fmt::format("{} is of one event, a measure is of several", function.name), {}, "make it a column in a step before");
    return null_at(expr.span);
  }
  for (std::size_t i = 0; i < expr.operands.size(); ++i) {
    const ast::Expr& operand = *expr.operands[i];
    const ArgumentKind kind = function.arguments[std::min<std::size_t>(i, 3)];
    const bool source_time = function.id == FunctionId::kDateDiff && operand.kind == ast::ExprKind::kPath && operand.path.size() == 1;
    if (kind == ArgumentKind::kUnit) result->unit = bind_unit(operand);
    else if (kind == ArgumentKind::kSource || source_time) result->args.push_back(bind_source_argument(operand, context));
    else result->args.push_back(bind(operand, context));
  }
  const bool constant = result->args.size() < 2 || function.arguments[1] != ArgumentKind::kConstant;
  if (!constant && !std::holds_alternative<std::string>(result->args[1]->literal)) {
    report_.error(result->args[1]->span, "constant_needed", fmt::format("{} needs a constant text here", function.name), std::string(function.signature));
  }
  result->type = result_type(function, result->args);
  return result;
}

// DATEDIFF(unit, a, b) with names of sources means their times; GetMetadataPropertyValue
// takes a source. A name that is no source is an ordinary column.
ExprPtr Binder::bind_source_argument(const ast::Expr& expr, const Context& context) {
  const Select& select = *context.scope->select;
  const bool name = expr.kind == ast::ExprKind::kPath && expr.path.size() == 1;
  const auto source = name && context.clause != Clause::kMeasures ? source_named(select, expr.path[0].text) : std::nullopt;
  if (!source || select.sources[*source].kind == SourceKind::kApply) return bind(expr, context);
  if (knows(select.sources[*source], expr.path[0].text) == Knows::kYes) return bind(expr, context);
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kTimestamp;
  result->type = Type::kDatetime;
  result->source = *source;
  result->span = expr.span;
  return result;
}

std::vector<OrderKey> Binder::bind_order(const ast::Expr& expr, const Context& context) {
  std::vector<OrderKey> result;
  for (const ast::OrderTerm& term : expr.over->order) result.push_back(OrderKey{bind(*term.expr, context), term.descending});
  return result;
}

std::optional<std::int64_t> Binder::constant_integer(const ast::Expr& expr, std::string_view what, std::int64_t least) {
  const auto* value = expr.kind == ast::ExprKind::kLiteral ? std::get_if<std::int64_t>(&expr.literal) : nullptr;
  if (value != nullptr && *value >= least && *value <= std::numeric_limits<std::int32_t>::max()) return *value;
  report_.error(expr.span, "constant_needed", fmt::format("{} must be a whole number from {}", what, least));
  return std::nullopt;
}

void Binder::check_constants(const FunctionInfo& function, const ast::Expr& expr) {
  if (function.id == FunctionId::kCollectTop) constant_integer(*expr.operands[0], "the number of events", 1);
  if (function.id != FunctionId::kPercentileCont && function.id != FunctionId::kPercentileDisc) return;
  const ast::Expr& part = *expr.operands[0];
  const bool literal = part.kind == ast::ExprKind::kLiteral;
  const auto* whole = literal ? std::get_if<std::int64_t>(&part.literal) : nullptr;
  const auto* real = literal ? std::get_if<double>(&part.literal) : nullptr;
  const bool good = (whole != nullptr && *whole >= 0 && *whole <= 1) || (real != nullptr && *real >= 0 && *real <= 1);
  if (!good) report_.error(part.span, "constant_needed", fmt::format("{} needs a constant from 0 to 1", function.name), std::string(function.signature));
}

// Confidence, size of the history and mode decide what is kept: constants.
void Binder::check_anomaly(const FunctionInfo& function, const ast::Expr& expr) {
  const std::string signature(function.signature);
  if (expr.operands[0]->kind == ast::ExprKind::kStar) {
    report_.error(expr.operands[0]->span, "misplaced_star", fmt::format("{} scores one value, not a whole event", function.name), signature);
  }
  const Literal* confidence = expr.operands[1]->kind == ast::ExprKind::kLiteral ? &expr.operands[1]->literal : nullptr;
  const auto* whole = confidence != nullptr ? std::get_if<std::int64_t>(confidence) : nullptr;
  const auto* real = confidence != nullptr ? std::get_if<double>(confidence) : nullptr;
  const double percent = whole != nullptr ? static_cast<double>(*whole) : real != nullptr ? *real : 0;
  if (!(percent >= 1 && percent <= 100)) {
    report_.error(expr.operands[1]->span, "constant_needed", "the confidence must be a constant from 1 to 100", signature);
  }
  const std::int64_t most = function.id == FunctionId::kChangePoint ? kChangeHistoryMax : kSpikeHistoryMax;
  if (constant_integer(*expr.operands[2], "the size of the history", 1).value_or(1) > most) {
    report_.error(expr.operands[2]->span, "bad_size", fmt::format("{} learns from {} values at most", function.name, most));
  }
  if (expr.operands.size() < 4) return;
  const std::vector<std::string> modes = {"spikes", "dips", "spikesanddips"};
  const ast::Expr& mode = *expr.operands[3];
  const auto* text = mode.kind == ast::ExprKind::kLiteral ? std::get_if<std::string>(&mode.literal) : nullptr;
  if (text != nullptr && std::ranges::any_of(modes, [&](const std::string& m) { return same_name(m, *text); })) return;
  report_.error(mode.span, "constant_needed", "the mode is 'spikes', 'dips' or 'spikesanddips'", signature, text == nullptr ? "" : nearest(*text, modes));
}

ExprPtr Binder::bind_aggregate(const FunctionInfo& function, const ast::Expr& expr, const Context& context) {
  const bool place = context.clause == Clause::kItem || context.clause == Clause::kHaving;
  if (!place || context.in_aggregate || context.in_analytic) {
    const std::string where = context.in_aggregate || context.in_analytic ? "inside another function" : fmt::format("in {}", clause_name(context.clause));
    report_.error(expr.span, "misplaced_aggregate", fmt::format("{} cannot stand {}: it needs the rows of a group", function.name, where), {},
                  context.clause == Clause::kWhere ? "HAVING filters groups; WHERE filters rows before grouping"
                  : context.match != nullptr       ? "First, Last, Min and Max of a field"
                                                   : "");
    return null_at(expr.span);
  }
  Select& select = *context.scope->select;
  if (!select.grouping) return null_at(expr.span);  // bind_grouping reported the missing window
  Context inner = context;
  inner.in_aggregate = true;
  AggregateCall call;
  call.function = &function;
  call.distinct = expr.distinct;
  call.whole_event = expr.operands.empty();
  for (const ast::ExprPtr& operand : expr.operands) {
    if (operand->kind == ast::ExprKind::kStar && operand->path.empty()) call.whole_event = true;
    else call.args.push_back(bind(*operand, inner));
  }
  if (function.id == FunctionId::kCollectTop && call.args.size() == 1) call.whole_event = true;
  check_constants(function, expr);
  if (expr.over) call.order = bind_order(expr, inner);
  check_over(function, expr);
  if (call.whole_event && (function.id != FunctionId::kCount || call.distinct)) {
    for (const Source& source : select.sources) need_whole(source);
  }
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kAggregate;
  result->type = function.id == FunctionId::kCollectTop ? function.result : result_type(function, call.args);
  result->span = expr.span;
  result->index = index_of(select.grouping->aggregates, std::move(call));
  return result;
}

void Binder::check_over(const FunctionInfo& function, const ast::Expr& expr) {
  if (takes_order(function.id) && (!expr.over || expr.over->order.empty())) {
    report_.error(expr.span, "missing_order", fmt::format("{} needs OVER (ORDER BY ...)", function.name), std::string(function.signature));
  }
  const bool order = expr.over && !expr.over->order.empty();
  if (!takes_order(function.id) && order) report_.error(expr.over->span, "misplaced_over", fmt::format("{} takes no ORDER BY", function.name));
  const bool others = expr.over && (!expr.over->partition.empty() || expr.over->when);
  const bool empty = expr.over && !order && !others;
  if (others || empty) {
    report_.error(expr.over->span, "missing_duration", fmt::format("{} with OVER needs LIMIT DURATION", function.name),
                  "LIMIT DURATION(unit, n)", "GROUP BY with a window if a value per window is meant");
  }
}

bool Binder::analytic_allowed(const FunctionInfo& function, const ast::Expr& expr, const Context& context) {
  if (context.in_analytic) {
    report_.error(expr.span, "nested_analytic", fmt::format("{} cannot stand inside another analytic function", function.name), {},
                  "compute the inner one in a step of its own");
    return false;
  }
  if (context.clause == Clause::kTimestampBy || context.clause == Clause::kPartitionBy || context.match != nullptr) {
    report_.error(expr.span, "misplaced_analytic", fmt::format("{} cannot stand in {}", function.name, clause_name(context.clause)));
    return false;
  }
  return true;
}

ExprPtr Binder::bind_analytic(const FunctionInfo& function, const ast::Expr& expr, const Context& context) {
  if (!analytic_allowed(function, expr, context)) return null_at(expr.span);
  Context inner = context;
  inner.in_analytic = true;
  AnalyticCall call;
  call.function = &function;
  call.offset = function.id == FunctionId::kLag ? 1 : 0;
  bind_analytic_arguments(call, expr, inner);
  if (expr.over) {
    call.partition = bind_all(expr.over->partition, inner);
    call.order = bind_order(expr, inner);
    if (expr.over->limit && function.id != FunctionId::kIsFirst) call.duration = bind_duration(*expr.over->limit, 1);
    if (expr.over->when) call.when = bind(*expr.over->when, inner);
  }
  if (function.id != FunctionId::kIsFirst && (!expr.over || !expr.over->limit)) {
    report_.error(expr.span, "missing_duration", fmt::format("{} needs OVER (LIMIT DURATION(unit, n))", function.name), std::string(function.signature));
  }
  check_constants(function, expr);
  if (function.id == FunctionId::kSpikeAndDip || function.id == FunctionId::kChangePoint) check_anomaly(function, expr);
  if (takes_order(function.id) && call.order.empty()) {
    report_.error(expr.span, "missing_order", fmt::format("{} needs ORDER BY in OVER", function.name), std::string(function.signature));
  }
  if (expr.distinct) report_.error(expr.span, "misplaced_distinct", "COUNT(DISTINCT x) cannot have OVER");
  Select& select = *context.scope->select;
  if (!bind_analytic_source(call, expr, select)) return null_at(expr.span);
  select.stateful = true;
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kAnalytic;
  result->type = result_type(function, call.args);
  result->span = expr.span;
  if (call.whole_event && function.id != FunctionId::kCount) need_whole(select.sources[call.source]);
  result->index = index_of(select.analytics, std::move(call));
  return result;
}

void Binder::bind_analytic_arguments(AnalyticCall& call, const ast::Expr& expr, const Context& inner) {
  const FunctionId id = call.function->id;
  const bool earlier = id == FunctionId::kLag || id == FunctionId::kLast;
  if (id == FunctionId::kIsFirst) {
    const auto unit = bind_unit(*expr.operands[0]);
    const auto count = constant_integer(*expr.operands[1], "the interval", 1);
    if (unit && count) call.duration = bind_duration(ast::Duration{expr.operands[0]->path[0], *count, expr.span}, 1);
    return;
  }
  call.whole_event = expr.operands.empty();
  for (std::size_t i = 0; i < expr.operands.size(); ++i) {
    const ast::Expr& operand = *expr.operands[i];
    if (operand.kind == ast::ExprKind::kStar && operand.path.empty()) call.whole_event = true;
    else if (id == FunctionId::kLag && i == 1) call.offset = constant_integer(operand, "LAG's offset", 1).value_or(1);
    else if (earlier && i > 0) call.fallback = bind(operand, inner);
    else call.args.push_back(bind(operand, inner));
  }
  if (id == FunctionId::kCollectTop && call.args.size() == 1) call.whole_event = true;
}

bool Binder::bind_analytic_source(AnalyticCall& call, const ast::Expr& expr, const Select& select) {
  std::set<std::uint32_t> sources;
  const auto visit = [&](const Expr& e) {
    if (e.kind == ExprKind::kColumn) sources.insert(e.column.source);
    if (e.kind == ExprKind::kTimestamp && e.source != Expr::kRow) sources.insert(e.source);
    return true;
  };
  for (const ExprPtr& e : call.args) walk(*e, visit);
  for (const ExprPtr& e : call.partition) walk(*e, visit);
  for (const OrderKey& key : call.order) walk(*key.expr, visit);
  if (call.when) walk(*call.when, visit);
  if (call.fallback) walk(*call.fallback, visit);
  if (sources.empty()) sources.insert(0);
  if (sources.size() > 1) {
    report_.error(expr.span, "analytic_sources", fmt::format("{} runs over the events of one source, not of several", call.function->name), {},
                  "join in a step, then use it over that step");
    return false;
  }
  call.source = *sources.begin();
  if (select.sources.empty()) return false;
  const Source& source = select.sources[call.source];
  const bool reference = source.kind == SourceKind::kReference || (source.kind == SourceKind::kStep && plan_.steps[source.index].reference);
  if (source.kind != SourceKind::kApply && !reference) return true;
  report_.error(expr.span, "analytic_sources",
                fmt::format("{} runs over events, before APPLY and joins: '{}' has none", call.function->name, source.alias), {},
                "do it in a later step");
  return false;
}

Ticks Binder::bind_duration(const ast::Duration& duration, std::int64_t least) {
  const auto unit = unit_of(duration.unit.text);
  const auto ticks = unit ? unit_ticks(*unit) : std::nullopt;
  if (!ticks) {
    const std::vector<std::string> units = {"day", "hour", "minute", "second", "millisecond", "microsecond"};
    report_.error(duration.unit.span, "unknown_unit", fmt::format("'{}' cannot measure a duration", duration.unit.text),
                  "day, hour, minute, second, millisecond or microsecond", unit ? "" : nearest(duration.unit.text, units));
    return kTicksPerSecond;
  }
  Ticks result = 0;
  if (duration.count < least) {
    report_.error(duration.span, "bad_size", fmt::format("a size of {} must be {} or more", duration.count, least));
    return *ticks;
  }
  if (__builtin_mul_overflow(*ticks, duration.count, &result) || result > kWindowMax || result < -kWindowMax) {
    report_.error(duration.span, "over_seven_days", fmt::format("{} {}s is longer than 7 days", duration.count, unit_name(*unit)), "at most 7 days");
    return *ticks;
  }
  return result;
}

}  // namespace meterhub::sql
