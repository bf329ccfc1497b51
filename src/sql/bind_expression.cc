#include <limits>

#include <fmt/format.h>
#include <meterhub/sql/limits.h>

#include "binder.h"
#include "names.h"

namespace meterhub::sql {
namespace {

ExprKind kind_of(ast::ExprKind kind) {
  switch (kind) {
    case ast::ExprKind::kUnary: return ExprKind::kUnary;
    case ast::ExprKind::kArithmetic: return ExprKind::kArithmetic;
    case ast::ExprKind::kCompare: return ExprKind::kCompare;
    case ast::ExprKind::kAnd: return ExprKind::kAnd;
    case ast::ExprKind::kOr: return ExprKind::kOr;
    case ast::ExprKind::kNot: return ExprKind::kNot;
    case ast::ExprKind::kIsNull: return ExprKind::kIsNull;
    case ast::ExprKind::kIn: return ExprKind::kIn;
    case ast::ExprKind::kLike: return ExprKind::kLike;
    case ast::ExprKind::kBetween: return ExprKind::kBetween;
    case ast::ExprKind::kCast: return ExprKind::kCast;
    case ast::ExprKind::kTryCast: return ExprKind::kTryCast;
    default: return ExprKind::kLiteral;
  }
}

Type literal_type(const Literal& literal) {
  if (std::holds_alternative<std::int64_t>(literal)) return Type::kBigint;
  if (std::holds_alternative<double>(literal)) return Type::kFloat;
  return std::holds_alternative<std::string>(literal) ? Type::kText : Type::kAny;
}

Type operator_type(const Expr& expr) {
  if (expr.kind == ExprKind::kUnary) return expr.args[0]->type;
  if (expr.kind != ExprKind::kArithmetic) return Type::kBit;
  const Type a = expr.args[0]->type;
  const Type b = expr.args[1]->type;
  if (expr.op == Operator::kAdd && a == Type::kText && b == Type::kText) return Type::kText;
  if (a == Type::kBigint && b == Type::kBigint) return Type::kBigint;
  const bool numbers = (a == Type::kFloat && (b == Type::kFloat || b == Type::kBigint)) || (a == Type::kBigint && b == Type::kFloat);
  return numbers ? Type::kFloat : Type::kAny;
}

std::optional<std::int64_t> fold_bigint(Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case Operator::kAdd: return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case Operator::kSubtract: return __builtin_sub_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case Operator::kMultiply: return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
    case Operator::kBitAnd: return a & b;
    case Operator::kBitOr: return a | b;
    case Operator::kBitXor: return a ^ b;
    default: return std::nullopt;  // division stays: by zero it is a data error of each event
  }
}

Literal fold_unary(Operator op, const Literal& value) {
  if (op == Operator::kPlus) return value;
  if (const auto* i = std::get_if<std::int64_t>(&value)) {
    if (op == Operator::kBitNot) return ~*i;
    if (*i != std::numeric_limits<std::int64_t>::min()) return -*i;
  } else if (const auto* d = std::get_if<double>(&value); d != nullptr && op == Operator::kNegate) {
    return -*d;
  }
  return std::monostate{};
}

Literal fold_binary(Operator op, const Literal& a, const Literal& b) {
  const auto* x = std::get_if<std::int64_t>(&a);
  const auto* y = std::get_if<std::int64_t>(&b);
  if (x == nullptr || y == nullptr) return std::monostate{};
  if (const auto folded = fold_bigint(op, *x, *y)) return *folded;
  return std::monostate{};
}

}  // namespace

ExprPtr fold_constants(std::shared_ptr<Expr> expr) {
  for (const ExprPtr& arg : expr->args) {
    if (arg->kind != ExprKind::kLiteral) return expr;
  }
  Literal value;
  if (expr->kind == ExprKind::kUnary) value = fold_unary(expr->op, expr->args[0]->literal);
  if (expr->kind == ExprKind::kArithmetic) value = fold_binary(expr->op, expr->args[0]->literal, expr->args[1]->literal);
  if (std::holds_alternative<std::monostate>(value)) return expr;
  auto folded = std::make_shared<Expr>();
  folded->span = expr->span;
  folded->type = literal_type(value);
  folded->literal = std::move(value);
  return folded;
}

ExprPtr Binder::null_at(Span span) {
  auto result = std::make_shared<Expr>();
  result->span = span;
  return result;
}

bool Binder::spend(std::size_t nodes, Span span) {
  nodes_ += nodes;
  if (nodes_ <= kExpressionNodesMax) return true;
  if (!too_large_) {
    report_.error(span, "query_too_large", fmt::format("the query has more than {} parts once aliases are put in", kExpressionNodesMax),
                  {}, "split it into steps");
  }
  too_large_ = true;
  return false;
}

ExprPtr Binder::bind(const ast::Expr& expr, const Context& context) {
  if (!spend(1, expr.span)) return null_at(expr.span);
  switch (expr.kind) {
    case ast::ExprKind::kLiteral: {
      auto result = std::make_shared<Expr>();
      result->literal = expr.literal;
      result->type = literal_type(expr.literal);
      result->span = expr.span;
      return result;
    }
    case ast::ExprKind::kPath: return bind_path(expr, context);
    case ast::ExprKind::kCall: return bind_call(expr, context);
    case ast::ExprKind::kCase: return bind_case(expr, context);
    case ast::ExprKind::kStar:
      report_.error(expr.span, "misplaced_star", "'*' cannot stand in an expression", "a column");
      return null_at(expr.span);
    default: return bind_operator(expr, context);
  }
}

std::vector<ExprPtr> Binder::bind_all(const std::vector<ast::ExprPtr>& exprs, const Context& context) {
  std::vector<ExprPtr> result;
  for (const ast::ExprPtr& expr : exprs) result.push_back(bind(*expr, context));
  return result;
}

ExprPtr Binder::bind_operator(const ast::Expr& expr, const Context& context) {
  auto result = std::make_shared<Expr>();
  result->kind = kind_of(expr.kind);
  result->op = expr.op;
  result->span = expr.span;
  result->args = bind_all(expr.operands, context);
  const bool cast = expr.kind == ast::ExprKind::kCast || expr.kind == ast::ExprKind::kTryCast;
  result->type = cast ? expr.type : operator_type(*result);
  return fold_constants(std::move(result));
}

// CASE x WHEN a THEN ... becomes CASE WHEN x = a THEN ...
ExprPtr Binder::bind_case(const ast::Expr& expr, const Context& context) {
  auto result = std::make_shared<Expr>();
  result->kind = ExprKind::kCase;
  result->span = expr.span;
  std::vector<ExprPtr> parts = bind_all(expr.operands, context);
  const std::size_t first = expr.has_operand ? 1 : 0;
  const std::size_t end = parts.size() - (expr.has_else ? 1 : 0);
  for (std::size_t i = first; i + 1 < end; i += 2) {
    ExprPtr condition = parts[i];
    if (expr.has_operand) {
      auto equal = std::make_shared<Expr>();
      equal->kind = ExprKind::kCompare;
      equal->op = Operator::kEqual;
      equal->type = Type::kBit;
      equal->span = parts[i]->span;
      equal->args = {parts[0], parts[i]};
      condition = equal;
    }
    result->args.push_back(condition);
    result->args.push_back(parts[i + 1]);
  }
  result->args.push_back(expr.has_else ? parts.back() : null_at(expr.span));
  // The operand is copied into every branch: a walk sees it as often.
  if (expr.has_operand) {
    std::size_t nodes = 0;
    walk(*parts[0], [&](const Expr&) { return ++nodes <= kExpressionNodesMax; });
    if (!spend(nodes * (result->args.size() / 2), expr.span)) return null_at(expr.span);
  }
  result->type = result->args[1]->type;
  for (std::size_t i = 1; i < result->args.size(); i += 2) {
    if (result->args[i]->type != result->type) result->type = Type::kAny;
  }
  if (expr.has_else && parts.back()->type != result->type) result->type = Type::kAny;
  return result;
}

}  // namespace meterhub::sql
