#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <meterhub/base/result.h>
#include <meterhub/sql/limits.h>

#include "names.h"
#include "parser.h"

namespace meterhub::sql {

using namespace ast;

namespace {

using Level = std::span<const std::pair<std::string_view, Operator>>;

constexpr std::pair<std::string_view, Operator> kBits[] = {
    {"&", Operator::kBitAnd}, {"|", Operator::kBitOr}, {"^", Operator::kBitXor}};
constexpr std::pair<std::string_view, Operator> kAdds[] = {{"+", Operator::kAdd}, {"-", Operator::kSubtract}};
constexpr std::pair<std::string_view, Operator> kMuls[] = {
    {"*", Operator::kMultiply}, {"/", Operator::kDivide}, {"%", Operator::kModulo}};
constexpr std::array<Level, 3> kLevels = {Level(kBits), Level(kAdds), Level(kMuls)};
constexpr std::pair<std::string_view, Operator> kUnary[] = {
    {"-", Operator::kNegate}, {"+", Operator::kPlus}, {"~", Operator::kBitNot}};
constexpr std::pair<std::string_view, Operator> kCompare[] = {
    {"=", Operator::kEqual},       {"<>", Operator::kNotEqual},  {"!=", Operator::kNotEqual},
    {"<", Operator::kLess},        {"<=", Operator::kLessEqual}, {">", Operator::kGreater},
    {">=", Operator::kGreaterEqual}, {"!<", Operator::kGreaterEqual}, {"!>", Operator::kLessEqual}};

std::optional<Operator> operator_of(Level level, const Token& token) {
  if (token.kind != TokenKind::kSymbol) return std::nullopt;
  for (const auto& [text, op] : level) {
    if (text == token.text) return op;
  }
  return std::nullopt;
}

std::vector<ExprPtr> list_of(ExprPtr first, ExprPtr second = nullptr, ExprPtr third = nullptr) {
  std::vector<ExprPtr> result;
  result.push_back(std::move(first));
  if (second) result.push_back(std::move(second));
  if (third) result.push_back(std::move(third));
  return result;
}

}  // namespace

// Depth is bounded here for trees that grow without recursion: 1 + 1 + 1 + ...
Parsed<ExprPtr> Parser::node(ExprKind kind, Span begin, std::vector<ExprPtr> operands) {
  auto result = std::make_unique<Expr>();
  result->kind = kind;
  result->span = since(begin);
  for (const ExprPtr& operand : operands) result->depth = std::max(result->depth, operand->depth + 1);
  result->operands = std::move(operands);
  if (result->depth <= kNestingMax) return result;
  report_.error(result->span, "nested_too_deeply", fmt::format("an expression of more than {} levels", kNestingMax), {},
                "parentheses around groups of terms make it flatter");
  return std::unexpected(Stop{});
}

Parsed<ExprPtr> Parser::expression() {
  const Nesting nesting(*this);
  MH_TRY_VOID(nesting.check());
  return logic(ExprKind::kOr);
}

Parsed<std::vector<ExprPtr>> Parser::expressions() {
  std::vector<ExprPtr> result;
  do {
    result.push_back(MH_TRY(expression()));
  } while (take_symbol(","));
  return result;
}

// OR of ANDs, each a flat list.
Parsed<ExprPtr> Parser::logic(ExprKind kind) {
  const Span begin = peek().span;
  const std::string_view word = kind == ExprKind::kOr ? "OR" : "AND";
  std::vector<ExprPtr> terms;
  do {
    terms.push_back(MH_TRY(kind == ExprKind::kOr ? logic(ExprKind::kAnd) : negation()));
  } while (take_word(word));
  if (terms.size() == 1) return std::move(terms.front());
  return node(kind, begin, std::move(terms));
}

Parsed<ExprPtr> Parser::negation() {
  const Span begin = peek().span;
  std::size_t count = 0;
  while (take_word("NOT")) ++count;
  ExprPtr result = MH_TRY(predicate());
  for (; count > 0; --count) result = MH_TRY(node(ExprKind::kNot, begin, list_of(std::move(result))));
  return result;
}

Parsed<ExprPtr> Parser::predicate() {
  const Span begin = peek().span;
  ExprPtr left = MH_TRY(binary(0));
  if (const auto op = operator_of(kCompare, peek())) {
    take();
    ExprPtr right = MH_TRY(binary(0));
    ExprPtr result = MH_TRY(node(ExprKind::kCompare, begin, list_of(std::move(left), std::move(right))));
    result->op = *op;
    if (operator_of(kCompare, peek())) {
      return unexpected_token("AND, OR or the end of the condition", "a < b AND b < c: comparisons do not chain");
    }
    return result;
  }
  return predicate_tail(std::move(left));
}

Parsed<ExprPtr> Parser::predicate_tail(ExprPtr left) {
  const Span begin = left->span;
  if (take_word("IS")) {
    const bool negated = take_word("NOT");
    MH_TRY_VOID(expect_word("NULL", "after IS"));
    ExprPtr result = MH_TRY(node(ExprKind::kIsNull, begin, list_of(std::move(left))));
    if (negated) return node(ExprKind::kNot, begin, list_of(std::move(result)));
    return result;
  }
  const bool negated = at_word("NOT") && (at_word("IN", 1) || at_word("LIKE", 1) || at_word("BETWEEN", 1));
  if (negated) take();
  ExprPtr result;
  if (take_word("BETWEEN")) result = MH_TRY(between(std::move(left)));
  else if (take_word("IN")) result = MH_TRY(in_list(std::move(left)));
  else if (take_word("LIKE")) result = MH_TRY(like(std::move(left)));
  else return left;
  if (negated) return node(ExprKind::kNot, begin, list_of(std::move(result)));
  return result;
}

Parsed<ExprPtr> Parser::between(ExprPtr left) {
  const Span begin = left->span;
  ExprPtr low = MH_TRY(binary(0));
  MH_TRY_VOID(expect_word("AND", "between the bounds of BETWEEN"));
  ExprPtr high = MH_TRY(binary(0));
  return node(ExprKind::kBetween, begin, list_of(std::move(left), std::move(low), std::move(high)));
}

Parsed<ExprPtr> Parser::in_list(ExprPtr left) {
  const Span begin = left->span;
  MH_TRY_VOID(expect_symbol("(", "after IN"));
  std::vector<ExprPtr> operands = list_of(std::move(left));
  if (at_word("SELECT")) {
    report_.error(peek().span, "not_in_language", "a query cannot stand inside an expression", {}, "join with a step instead");
    skip_parentheses();
    return node(ExprKind::kIn, begin, std::move(operands));
  }
  for (ExprPtr& one : MH_TRY(expressions())) operands.push_back(std::move(one));
  MH_TRY_VOID(expect_symbol(")", "after the list of IN"));
  return node(ExprKind::kIn, begin, std::move(operands));
}

Parsed<ExprPtr> Parser::like(ExprPtr left) {
  const Span begin = left->span;
  ExprPtr pattern = MH_TRY(binary(0));
  ExprPtr escape;
  if (take_word("ESCAPE")) {
    if (peek().kind != TokenKind::kString) return unexpected_token("the escape character, in single quotes");
    const Token& token = take();
    escape = MH_TRY(node(ExprKind::kLiteral, token.span, {}));
    escape->literal = token.text;
  }
  return node(ExprKind::kLike, begin, list_of(std::move(left), std::move(pattern), std::move(escape)));
}

Parsed<ExprPtr> Parser::binary(std::size_t level) {
  if (level == kLevels.size()) return unary();
  const Span begin = peek().span;
  ExprPtr left = MH_TRY(binary(level + 1));
  while (const auto op = operator_of(kLevels[level], peek())) {
    take();
    ExprPtr right = MH_TRY(binary(level + 1));
    left = MH_TRY(node(ExprKind::kArithmetic, begin, list_of(std::move(left), std::move(right))));
    left->op = *op;
  }
  return left;
}

Parsed<ExprPtr> Parser::unary() {
  std::vector<std::pair<Operator, Span>> signs;
  // -9223372036854775808 is a bigint though its digits alone are not: the sign belongs to the number.
  while (const auto op = operator_of(kUnary, peek())) {
    if (*op == Operator::kNegate && peek(1).kind == TokenKind::kInteger) break;
    signs.emplace_back(*op, peek().span);
    take();
  }
  ExprPtr result = MH_TRY(primary());
  for (; !signs.empty(); signs.pop_back()) {
    result = MH_TRY(node(ExprKind::kUnary, signs.back().second, list_of(std::move(result))));
    result->op = signs.back().first;
  }
  return result;
}

Parsed<ExprPtr> Parser::primary() {
  const Token& token = peek();
  if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kNumber || at_symbol("-")) return number();
  if (at_symbol("(")) return parenthesized();
  if (token.kind == TokenKind::kString || at_word("NULL")) {
    take();
    ExprPtr result = MH_TRY(node(ExprKind::kLiteral, token.span, {}));
    if (token.kind == TokenKind::kString) result->literal = token.text;
    return result;
  }
  if (at_word("CASE")) return case_of();
  if (at_word("CAST") && at_symbol("(", 1)) return cast(ExprKind::kCast);
  if (at_word("TRY_CAST") && at_symbol("(", 1)) return cast(ExprKind::kTryCast);
  const bool function = (at_word("LEFT") || at_word("RIGHT")) && at_symbol("(", 1);
  if (at_name() || function) return path_or_call();
  Clause ignored{};
  const bool looks_like_column = token.kind == TokenKind::kWord && !clause_ahead(ignored) && !at_word("SELECT");
  return unexpected_token("an expression", looks_like_column ? fmt::format("[{}] if this is a column", token.text) : "");
}

Parsed<ExprPtr> Parser::parenthesized() {
  const Span begin = take().span;
  if (at_word("SELECT")) {
    report_.error(peek().span, "not_in_language", "a query cannot stand inside an expression", {},
                  "make it a step with WITH, and join it");
    skip_parentheses();
    return node(ExprKind::kLiteral, begin, {});
  }
  ExprPtr inner = MH_TRY(expression());
  MH_TRY_VOID(expect_symbol(")", "to close the parenthesis"));
  return inner;
}

Parsed<ExprPtr> Parser::number() {
  const Span begin = peek().span;
  const std::string sign = take_symbol("-") ? "-" : "";
  const Token& token = take();
  const std::string text = sign + token.text;
  ExprPtr result = MH_TRY(node(ExprKind::kLiteral, begin, {}));
  if (token.kind == TokenKind::kInteger) {
    std::int64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{}) report_.error(result->span, "number_range", "this number does not fit into a bigint", {}, text + ".0");
    result->literal = value;
  } else {
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || !std::isfinite(value)) report_.error(result->span, "number_range", "this number does not fit into a float");
    result->literal = value;
  }
  return result;
}

Parsed<ExprPtr> Parser::case_of() {
  const Span begin = take().span;
  std::vector<ExprPtr> operands;
  const bool has_operand = !at_word("WHEN");
  if (has_operand) operands.push_back(MH_TRY(expression()));
  if (!at_word("WHEN")) return unexpected_token("WHEN");
  while (take_word("WHEN")) {
    operands.push_back(MH_TRY(expression()));
    MH_TRY_VOID(expect_word("THEN", "after the condition of WHEN"));
    operands.push_back(MH_TRY(expression()));
  }
  const bool has_else = take_word("ELSE");
  if (has_else) operands.push_back(MH_TRY(expression()));
  MH_TRY_VOID(expect_word("END", "or WHEN, to go on with CASE"));
  ExprPtr result = MH_TRY(node(ExprKind::kCase, begin, std::move(operands)));
  result->has_operand = has_operand;
  result->has_else = has_else;
  return result;
}

Parsed<ExprPtr> Parser::cast(ExprKind kind) {
  const Span begin = take().span;
  take();
  ExprPtr value = MH_TRY(expression());
  MH_TRY_VOID(expect_word("AS", "and a type, as in CAST(x AS bigint)"));
  const Type to = MH_TRY(type());
  MH_TRY_VOID(expect_symbol(")", "after the type"));
  ExprPtr result = MH_TRY(node(kind, begin, list_of(std::move(value))));
  result->type = to;
  return result;
}

Parsed<ExprPtr> Parser::path_or_call() {
  const Span begin = peek().span;
  std::vector<Name> names;
  names.push_back(take_name());
  const bool dotted = same_name(names[0].text, "System") || same_name(names[0].text, "udf") || same_name(names[0].text, "uda");
  while (!at_symbol("(") && take_symbol(".")) {
    if (take_symbol("*")) {
      ExprPtr star = MH_TRY(node(ExprKind::kStar, begin, {}));
      star->path = std::move(names);
      return star;
    }
    // After a dot every word is a name.
    if (!at_name() && peek().kind != TokenKind::kWord) return unexpected_token("a field's name after the dot", "[name] for names with other characters");
    names.push_back(take_name());
  }
  if (at_symbol("(") && (names.size() == 1 || (dotted && names.size() == 2))) return call(std::move(names), begin);
  ExprPtr result = MH_TRY(node(ExprKind::kPath, begin, {}));
  result->path = std::move(names);
  return result;
}

Parsed<ExprPtr> Parser::call(std::vector<Name> name, Span begin) {
  take();
  ExprPtr result = MH_TRY(node(ExprKind::kCall, begin, {}));
  result->path = std::move(name);
  MH_TRY_VOID(call_arguments(*result));
  if (at_word("OVER")) result->over = MH_TRY(over());
  while (take_symbol(".")) {
    if (!at_name() && peek().kind != TokenKind::kWord) return unexpected_token("a field's name after the dot");
    result->fields.push_back(take_name());
  }
  result->span = since(begin);
  if (result->depth <= kNestingMax) return result;
  report_.error(result->span, "nested_too_deeply", fmt::format("an expression of more than {} levels", kNestingMax));
  return std::unexpected(Stop{});
}

Done Parser::call_arguments(Expr& call) {
  if (take_symbol(")")) return {};
  call.distinct = take_word("DISTINCT");
  if (!call.distinct && at_word("ALL") && !at_symbol(",", 1) && !at_symbol(")", 1) && !at_symbol(".", 1)) take();
  do {
    const Span begin = peek().span;
    if (take_symbol("*")) call.operands.push_back(MH_TRY(node(ExprKind::kStar, begin, {})));
    else call.operands.push_back(MH_TRY(expression()));
    call.depth = std::max(call.depth, call.operands.back()->depth + 1);
  } while (take_symbol(","));
  return expect_symbol(")", "or ',' in the arguments");
}

Parsed<std::unique_ptr<Over>> Parser::over() {
  auto result = std::make_unique<Over>();
  const Span begin = take().span;
  MH_TRY_VOID(expect_symbol("(", "after OVER"));
  while (!at_symbol(")")) MH_TRY_VOID(over_part(*result));
  take();
  result->span = since(begin);
  return result;
}

// The older language had LIMIT DURATION first: any order is accepted.
Done Parser::over_part(Over& over) {
  if (over.partition.empty() && take_word("PARTITION")) {
    MH_TRY_VOID(expect_word("BY", "after PARTITION"));
    over.partition = MH_TRY(expressions());
  } else if (over.order.empty() && take_word("ORDER")) {
    MH_TRY_VOID(expect_word("BY", "after ORDER"));
    do {
      OrderTerm term;
      term.expr = MH_TRY(expression());
      term.descending = take_word("DESC");
      if (!term.descending) take_word("ASC");
      over.order.push_back(std::move(term));
    } while (take_symbol(","));
  } else if (!over.limit && take_word("LIMIT")) {
    over.limit = MH_TRY(duration_call("DURATION", false));
  } else if (!over.when && take_word("WHEN")) {
    over.when = MH_TRY(expression());
  } else {
    return unexpected_token("PARTITION BY, ORDER BY, LIMIT DURATION, WHEN or ')' in OVER");
  }
  return {};
}

}  // namespace meterhub::sql
