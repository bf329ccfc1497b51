#include <meterhub/sql/plan.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "names.h"
#include "parser.h"

namespace meterhub::sql {
namespace {

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result += '\'';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "'";
}

std::string name_text(std::string_view name) {
  const auto part = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  const bool plain =
      !name.empty() && std::ranges::all_of(name, part) && !(name[0] >= '0' && name[0] <= '9') && !reserved(name);
  if (plain) return std::string(name);
  std::string result = "[";
  for (const char c : name) result += c == ']' ? "]]" : std::string(1, static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  return result + "]";
}

std::string literal_text(const Literal& literal) {
  if (const auto* i = std::get_if<std::int64_t>(&literal)) return fmt::format("{}", *i);
  if (const auto* d = std::get_if<double>(&literal)) return fmt::format("{}", *d);
  if (const auto* s = std::get_if<std::string>(&literal)) return in_quotes(*s);
  return "NULL";
}

std::string list(const std::vector<ExprPtr>& exprs, const Select& select, std::string_view between = ", ") {
  std::string result;
  for (const ExprPtr& expr : exprs) {
    if (!result.empty()) result += between;
    result += expression_text(*expr, select);
  }
  return result;
}

std::string order_text(const std::vector<OrderKey>& order, const Select& select) {
  std::string result;
  for (const OrderKey& key : order) {
    result +=
        (result.empty() ? " ORDER BY " : ", ") + expression_text(*key.expr, select) + (key.descending ? " DESC" : "");
  }
  return result;
}

std::string column_text(const ColumnRef& ref, const Select& select) {
  std::string result = ref.source < select.sources.size() && !select.sources[ref.source].alias.empty()
                           ? name_text(select.sources[ref.source].alias)
                           : "";
  for (const std::string& part : ref.path) result += (result.empty() ? "" : ".") + name_text(part);
  return result;
}

std::string case_text(const Expr& expr, const Select& select) {
  std::string result = "CASE";
  for (std::size_t i = 0; i + 1 < expr.args.size(); i += 2) {
    result += " WHEN " + expression_text(*expr.args[i], select) + " THEN " + expression_text(*expr.args[i + 1], select);
  }
  return result + " ELSE " + expression_text(*expr.args.back(), select) + " END";
}

std::string call_text(const Expr& expr, const Select& select) {
  const std::string name = expr.user_function.empty() ? std::string(expr.function->name) : expr.user_function;
  const std::string unit = expr.unit ? std::string(unit_name(*expr.unit)) + (expr.args.empty() ? "" : ", ") : "";
  return fmt::format("{}({}{})", name, unit, list(expr.args, select));
}

std::string aggregate_text(const AggregateCall& call, const Select& select) {
  std::string args = list(call.args, select);
  if (call.whole_event && call.function->id == FunctionId::kCount) args = "*";
  const std::string over =
      call.order.empty() ? "" : fmt::format(" OVER ({})", order_text(call.order, select).substr(1));
  return fmt::format("{}({}{}){}", call.function->name, call.distinct ? "DISTINCT " : "", args, over);
}

std::string analytic_text(const AnalyticCall& call, const Select& select) {
  std::string args = call.whole_event && call.args.empty() ? "*" : list(call.args, select);
  const FunctionId id = call.function->id;
  if (id == FunctionId::kIsFirst) args = duration_text(call.duration);
  if (id == FunctionId::kLag && (call.offset != 1 || call.fallback)) args += fmt::format(", {}", call.offset);
  if (call.fallback) args += ", " + expression_text(*call.fallback, select);
  std::string over;
  if (!call.partition.empty()) over += " PARTITION BY " + list(call.partition, select);
  over += order_text(call.order, select);
  if (id != FunctionId::kIsFirst) over += fmt::format(" LIMIT {}", duration_text(call.duration));
  if (call.when) over += " WHEN " + expression_text(*call.when, select);
  return fmt::format("{}({}){}", call.function->name, args,
                     over.empty() ? "" : fmt::format(" OVER ({})", over.substr(1)));
}

// First(A.value), or First(input.value) when it is over all events.
std::string match_text(const MatchRecognize& match, const MatchAggregate& aggregate, const Select& select) {
  constexpr std::array<std::string_view, 5> kNames = {"First", "Last", "Min", "Max", "Classifier"};
  std::string field = aggregate.value ? expression_text(*aggregate.value, select) : "";
  if (aggregate.variable) {
    field = name_text(match.variables[*aggregate.variable].name);
    for (const std::string& part : aggregate.value->column.path) field += "." + name_text(part);
  }
  return fmt::format("{}({})", kNames[static_cast<std::size_t>(aggregate.function)], field);
}

bool same_column(const ColumnRef& a, const ColumnRef& b) {
  return a.source == b.source &&
         std::ranges::equal(a.path, b.path, [](const std::string& x, const std::string& y) { return same_name(x, y); });
}

}  // namespace

std::string expression_text(const Expr& expr, const Select& select) {
  const auto arg = [&](std::size_t i) { return expression_text(*expr.args[i], select); };
  switch (expr.kind) {
    case ExprKind::kLiteral: return literal_text(expr.literal);
    case ExprKind::kColumn: return column_text(expr.column, select);
    case ExprKind::kTimestamp:
      return expr.source == Expr::kRow ? "System.Timestamp()"
                                       : fmt::format("time of {}", select.sources[expr.source].alias);
    case ExprKind::kWindowId: return "System.Window().Id";
    case ExprKind::kUnary: return fmt::format("{}{}", operator_text(expr.op), arg(0));
    case ExprKind::kArithmetic:
    case ExprKind::kCompare: return fmt::format("({} {} {})", arg(0), operator_text(expr.op), arg(1));
    case ExprKind::kAnd: return fmt::format("({})", list(expr.args, select, " AND "));
    case ExprKind::kOr: return fmt::format("({})", list(expr.args, select, " OR "));
    case ExprKind::kNot: return fmt::format("NOT {}", arg(0));
    case ExprKind::kIsNull: return fmt::format("({} IS NULL)", arg(0));
    case ExprKind::kIn:
      return fmt::format("({} IN ({}))", arg(0), list({expr.args.begin() + 1, expr.args.end()}, select));
    case ExprKind::kLike:
      return fmt::format("({} LIKE {}{})", arg(0), arg(1), expr.args.size() > 2 ? " ESCAPE " + arg(2) : "");
    case ExprKind::kBetween: return fmt::format("({} BETWEEN {} AND {})", arg(0), arg(1), arg(2));
    case ExprKind::kCase: return case_text(expr, select);
    case ExprKind::kCast: return fmt::format("CAST({} AS {})", arg(0), type_name(expr.type));
    case ExprKind::kTryCast: return fmt::format("TRY_CAST({} AS {})", arg(0), type_name(expr.type));
    case ExprKind::kCall: return call_text(expr, select);
    case ExprKind::kAnalytic: return analytic_text(select.analytics[expr.index], select);
    case ExprKind::kAggregate:
      return select.match ? match_text(*select.match, select.match->aggregates[expr.index], select)
                          : aggregate_text(select.grouping->aggregates[expr.index], select);
    case ExprKind::kGroupKey: return expression_text(*select.grouping->keys[expr.index], select);
  }
  return {};
}

bool pattern_may_be_empty(const PatternNode& node) {
  switch (node.kind) {
    case PatternKind::kVariable: return false;
    case PatternKind::kSequence: return std::ranges::all_of(node.parts, pattern_may_be_empty);
    case PatternKind::kAlternation: return std::ranges::any_of(node.parts, pattern_may_be_empty);
    case PatternKind::kRepeat: return node.least == 0 || pattern_may_be_empty(node.parts.front());
  }
  return false;
}

std::uint64_t pattern_positions(const PatternNode& node) {
  constexpr std::uint64_t kMany = 1'000'000;  // more than any limit
  if (node.kind == PatternKind::kVariable) return 1;
  std::uint64_t sum = 0;
  for (const PatternNode& part : node.parts) sum = std::min(kMany, sum + pattern_positions(part));
  if (node.kind != PatternKind::kRepeat) return sum;
  // The last of those that must be there may come again, unless it may be empty.
  const bool again = !node.most && (node.least == 0 || pattern_may_be_empty(node.parts.front()));
  const auto times = std::min(kMany, static_cast<std::uint64_t>(node.most.value_or(node.least)) + (again ? 1 : 0));
  return std::min(kMany, std::max<std::uint64_t>(1, sum) * times);
}

bool same_expression(const Expr& a, const Expr& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.op != b.op || a.literal != b.literal || a.source != b.source || a.index != b.index)
    return false;
  if (a.function != b.function || a.unit != b.unit || !same_name(a.user_function, b.user_function)) return false;
  const bool cast = a.kind == ExprKind::kCast || a.kind == ExprKind::kTryCast;
  if ((cast && a.type != b.type) || !same_column(a.column, b.column)) return false;
  return std::ranges::equal(a.args, b.args, [](const ExprPtr& x, const ExprPtr& y) { return same_expression(*x, *y); });
}

}  // namespace meterhub::sql
