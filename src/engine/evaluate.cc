#include "evaluate.h"

#include <array>
#include <cmath>
#include <limits>

#include <meterhub/base/assert.h>

#include "like.h"

namespace meterhub::engine {
namespace {

using sql::ExprKind;
using sql::Operator;

Value literal(const sql::Literal& literal) {
  struct Visitor {
    Value operator()(std::monostate) const { return Value::null(); }
    Value operator()(std::int64_t v) const { return Value::bigint(v); }
    Value operator()(double v) const { return Value::real(v); }
    Value operator()(const std::string& v) const { return Value::characters(v); }
  };
  return std::visit(Visitor{}, literal);
}

bool is_number(const Value& value) {
  return value.kind == Kind::kBigint || value.kind == Kind::kFloat || value.kind == Kind::kBit;
}

double as_real(const Value& value) {
  return value.kind == Kind::kFloat ? value.number : static_cast<double>(value.integer);
}

template <class T>
int order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Exact, where a double next to a large integer would be rounded.
int compare_mixed(std::int64_t a, double b) {
  if (b >= 9223372036854775808.0) return -1;
  if (b < -9223372036854775808.0) return 1;
  const double whole = std::floor(b);
  const int by_whole = order(a, static_cast<std::int64_t>(whole));
  return by_whole != 0 ? by_whole : (b > whole ? -1 : 0);
}

bool holds(Operator op, int sign) {
  switch (op) {
    case Operator::kEqual: return sign == 0;
    case Operator::kNotEqual: return sign != 0;
    case Operator::kLess: return sign < 0;
    case Operator::kLessEqual: return sign <= 0;
    case Operator::kGreater: return sign > 0;
    case Operator::kGreaterEqual: return sign >= 0;
    default: return false;
  }
}

bool is_bit_operator(Operator op) {
  return op == Operator::kBitAnd || op == Operator::kBitOr || op == Operator::kBitXor;
}

bool truth(const Value& value) { return value.kind == Kind::kBit && value.integer != 0; }

}  // namespace

int compare_numbers(const Value& a, const Value& b) {
  const bool a_real = a.kind == Kind::kFloat;
  const bool b_real = b.kind == Kind::kFloat;
  if (a_real && b_real) return order(a.number, b.number);
  if (a_real) return -compare_mixed(b.integer, a.number);
  if (b_real) return compare_mixed(a.integer, b.number);
  return order(a.integer, b.integer);
}

Value Evaluator::fail(std::string text) {
  if (error_.empty()) error_ = std::move(text);
  return Value::null();
}

Value Evaluator::finite(double result) {
  return std::isfinite(result) ? Value::real(result) : fail("the result does not fit into a float");
}

Value Evaluator::value(const sql::Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral: return literal(expr.literal);
    case ExprKind::kColumn: return column(expr.column);
    case ExprKind::kTimestamp:
      if (expr.source == sql::Expr::kRow) return Value::datetime(time_);
      return sources_[expr.source].nobody ? Value::null() : Value::datetime(sources_[expr.source].time);
    case ExprKind::kUnary: return unary(expr);
    case ExprKind::kArithmetic: return arithmetic(expr.op, value(*expr.args[0]), value(*expr.args[1]));
    case ExprKind::kCompare: return compared(expr);
    case ExprKind::kAnd: return logic(expr, false);
    case ExprKind::kOr: return logic(expr, true);
    case ExprKind::kNot: {
      const auto inner = value(*expr.args[0]);
      return inner.is_null() ? inner : Value::bit(!truth(inner));
    }
    case ExprKind::kIsNull: return Value::bit(value(*expr.args[0]).is_null());
    case ExprKind::kIn: return in_list(expr);
    case ExprKind::kLike: return like(expr);
    case ExprKind::kBetween: return between(expr);
    case ExprKind::kCase: return choose(expr);
    case ExprKind::kCast: return cast(value(*expr.args[0]), expr.type, false);
    case ExprKind::kTryCast: return cast(value(*expr.args[0]), expr.type, true);
    case ExprKind::kCall: return call(expr);
    case ExprKind::kAnalytic: return analytics_[expr.index];
    case ExprKind::kAggregate: return group_->aggregates[expr.index];
    case ExprKind::kGroupKey: return group_->keys[expr.index];
    case ExprKind::kWindowId:
      return group_ != nullptr && group_->window_id ? Value::characters(*group_->window_id) : Value::null();
  }
  MH_ASSERT(false && "a kind of expression that does not exist");
}

bool Evaluator::is_true(const sql::Expr& expr) { return truth(value(expr)); }

Value Evaluator::column(const sql::ColumnRef& column) {
  const auto& row = sources_[column.source];
  if (row.nobody) return Value::null();
  const std::span path(column.path);
  if (path.empty()) return Value::record(row.whole);
  if (column.index == sql::ColumnRef::kNoIndex) return field_of(Value::record(row.whole), path, reader_, arena_);
  return field_of(row.values[column.index], path.subspan(column.consumed == 0 ? path.size() : column.consumed), reader_,
                  arena_);
}

Value Evaluator::to_number(const Value& value) {
  switch (value.kind) {
    case Kind::kNull:
    case Kind::kBigint:
    case Kind::kFloat: return value;
    case Kind::kBit: return Value::bigint(value.integer);
    case Kind::kText:
      if (const auto whole = parse_bigint(value.text)) return Value::bigint(*whole);
      if (const auto real = parse_float(value.text)) return Value::real(*real);
      return fail("'" + std::string(value.text.substr(0, 60)) + "' is not a number");
    default: return fail("a " + std::string(kind_name(value.kind)) + " is not a number");
  }
}

Value Evaluator::to_bigint(const Value& value) { return cast(value, sql::Type::kBigint, false); }

Value Evaluator::to_datetime(const Value& value) {
  if (value.is_null() || value.kind == Kind::kDatetime) return value;
  if (value.kind == Kind::kText) {
    if (const auto ticks = parse_datetime(value.text)) return Value::datetime(*ticks);
    return fail("'" + std::string(value.text.substr(0, 60)) + "' is not a datetime");
  }
  return fail("a " + std::string(kind_name(value.kind)) + " is not a datetime");
}

Value Evaluator::to_text(const Value& value) {
  switch (value.kind) {
    case Kind::kNull:
    case Kind::kText: return value;
    case Kind::kBigint: return Value::characters(arena_.keep(std::to_string(value.integer)));
    case Kind::kFloat: return Value::characters(arena_.keep(float_text(value.number)));
    case Kind::kDatetime: return Value::characters(arena_.keep(datetime_text(value.integer)));
    case Kind::kBit: return Value::characters(value.integer != 0 ? "1" : "0");
    case Kind::kRecord:
    case Kind::kArray: return Value::characters(value.text);
  }
  return Value::null();
}

std::optional<int> Evaluator::compare(const Value& a, const Value& b) {
  if (a.is_null() || b.is_null()) return std::nullopt;
  if (a.kind == Kind::kText && b.kind == Kind::kText) {
    if (!ignore_case_) return order(a.text, b.text);
    return order(lower_case(a.text), lower_case(b.text));
  }
  if (a.kind == Kind::kDatetime || b.kind == Kind::kDatetime) {
    const auto x = to_datetime(a);
    const auto y = to_datetime(b);
    if (x.is_null() || y.is_null()) return std::nullopt;
    return order(x.integer, y.integer);
  }
  const auto x = to_number(a);
  const auto y = to_number(b);
  if (x.is_null() || y.is_null()) return std::nullopt;
  return compare_numbers(x, y);
}

Value Evaluator::compared(const sql::Expr& expr) {
  const auto sign = compare(value(*expr.args[0]), value(*expr.args[1]));
  return sign ? Value::bit(holds(expr.op, *sign)) : Value::null();
}

// AND (deciding = false) and OR (true): one deciding operand decides, else NULL wins.
Value Evaluator::logic(const sql::Expr& expr, bool deciding) {
  bool unknown = false;
  for (const auto& arg : expr.args) {
    const auto operand = value(*arg);
    if (operand.is_null()) {
      unknown = true;
    } else if (truth(operand) == deciding) {
      return Value::bit(deciding);
    }
  }
  return unknown ? Value::null() : Value::bit(!deciding);
}

Value Evaluator::in_list(const sql::Expr& expr) {
  const auto wanted = value(*expr.args[0]);
  bool unknown = wanted.is_null();
  for (std::size_t i = 1; i < expr.args.size() && !wanted.is_null(); ++i) {
    const auto sign = compare(wanted, value(*expr.args[i]));
    if (sign == 0) return Value::bit(true);
    unknown = unknown || !sign;
  }
  return unknown ? Value::null() : Value::bit(false);
}

Value Evaluator::between(const sql::Expr& expr) {
  const auto middle = value(*expr.args[0]);
  const auto low = compare(middle, value(*expr.args[1]));
  const auto high = compare(middle, value(*expr.args[2]));
  if ((low && *low < 0) || (high && *high > 0)) return Value::bit(false);
  return low && high ? Value::bit(true) : Value::null();
}

Value Evaluator::choose(const sql::Expr& expr) {
  std::size_t i = 0;
  for (; i + 1 < expr.args.size(); i += 2) {
    if (is_true(*expr.args[i])) return value(*expr.args[i + 1]);
  }
  return value(*expr.args[i]);
}

Value Evaluator::like(const sql::Expr& expr) {
  const auto text = to_text(value(*expr.args[0]));
  const auto pattern = to_text(value(*expr.args[1]));
  if (text.is_null() || pattern.is_null()) return Value::null();
  std::string_view escape;
  if (expr.args.size() > 2) escape = to_text(value(*expr.args[2])).text;
  if (!ignore_case_) return Value::bit(matches_like(text.text, pattern.text, escape));
  return Value::bit(matches_like(lower_case(text.text), lower_case(pattern.text), escape));
}

Value Evaluator::unary(const sql::Expr& expr) {
  const auto given = value(*expr.args[0]);
  if (expr.op == Operator::kBitNot) {
    if (given.kind == Kind::kBit) return Value::bit(given.integer == 0);
    const auto whole = to_bigint(given);
    return whole.is_null() ? whole : Value::bigint(~whole.integer);
  }
  const auto operand = to_number(given);
  if (operand.is_null() || expr.op == Operator::kPlus) return operand;
  if (operand.kind == Kind::kFloat) return Value::real(-operand.number);
  if (operand.integer == std::numeric_limits<std::int64_t>::min()) return fail("bigint overflow");
  return Value::bigint(-operand.integer);
}

Value Evaluator::arithmetic(Operator op, const Value& a, const Value& b) {
  if (a.is_null() || b.is_null()) return Value::null();
  if (op == Operator::kAdd && a.kind == Kind::kText && b.kind == Kind::kText) {
    return Value::characters(arena_.keep(std::string(a.text) + std::string(b.text)));
  }
  if (is_bit_operator(op)) return bits(op, a, b);
  const auto x = to_number(a);
  const auto y = to_number(b);
  if (x.is_null() || y.is_null()) return Value::null();
  if (is_number(x) && is_number(y) && x.kind != Kind::kFloat && y.kind != Kind::kFloat) {
    return integers(op, x.integer, y.integer);
  }
  return reals(op, as_real(x), as_real(y));
}

// Floats become the other operand's type, two floats bigints; two bits stay a bit (4.7).
Value Evaluator::bits(Operator op, const Value& a, const Value& b) {
  const auto is_bit = [](const Value& v, const Value& other) {
    return v.kind == Kind::kBit || (v.kind == Kind::kFloat && other.kind == Kind::kBit);
  };
  const bool as_bit = is_bit(a, b) && is_bit(b, a);
  const auto x = cast(a, as_bit ? sql::Type::kBit : sql::Type::kBigint, false);
  const auto y = cast(b, as_bit ? sql::Type::kBit : sql::Type::kBigint, false);
  if (x.is_null() || y.is_null()) return Value::null();
  std::int64_t result = 0;
  switch (op) {
    case Operator::kBitAnd: result = x.integer & y.integer; break;
    case Operator::kBitOr: result = x.integer | y.integer; break;
    default: result = x.integer ^ y.integer;
  }
  return as_bit ? Value::bit(result != 0) : Value::bigint(result);
}

Value Evaluator::integers(Operator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Operator::kAdd: overflow = __builtin_add_overflow(a, b, &result); break;
    case Operator::kSubtract: overflow = __builtin_sub_overflow(a, b, &result); break;
    case Operator::kMultiply: overflow = __builtin_mul_overflow(a, b, &result); break;
    default:
      if (b == 0) {
        ++zero_divisions_;
        return Value::null();
      }
      overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
      if (!overflow) result = op == Operator::kDivide ? a / b : a % b;
  }
  return overflow ? fail("bigint overflow") : Value::bigint(result);
}

Value Evaluator::reals(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd: return finite(a + b);
    case Operator::kSubtract: return finite(a - b);
    case Operator::kMultiply: return finite(a * b);
    default:
      if (b == 0) {
        ++zero_divisions_;
        return Value::null();
      }
      return finite(op == Operator::kDivide ? a / b : std::fmod(a, b));
  }
}

Value Evaluator::cast(const Value& value, sql::Type to, bool try_only) {
  if (value.is_null()) return value;
  const auto refuse = [&] {
    if (try_only) return Value::null();
    return fail("cannot convert " + std::string(kind_name(value.kind)) +
                (value.kind == Kind::kText ? " '" + std::string(value.text.substr(0, 60)) + "'" : std::string()) +
                " to " + std::string(sql::type_name(to)));
  };
  switch (to) {
    case sql::Type::kAny: return value;
    case sql::Type::kText: return to_text(value);
    case sql::Type::kBigint:
      if (value.kind == Kind::kText) {
        const auto whole = parse_bigint(value.text);
        return whole ? Value::bigint(*whole) : refuse();
      }
      if (value.kind == Kind::kFloat) {
        if (!(value.number >= -9223372036854775808.0 && value.number < 9223372036854775808.0)) return refuse();
        return Value::bigint(static_cast<std::int64_t>(value.number));  // toward zero (D11)
      }
      return is_number(value) ? Value::bigint(value.integer) : refuse();
    case sql::Type::kFloat:
      if (value.kind == Kind::kText) {
        const auto real = parse_float(value.text);
        return real ? Value::real(*real) : refuse();
      }
      return is_number(value) ? Value::real(as_real(value)) : refuse();
    case sql::Type::kDatetime:
      if (value.kind == Kind::kText) {
        const auto ticks = parse_datetime(value.text);
        return ticks ? Value::datetime(*ticks) : refuse();
      }
      return value.kind == Kind::kDatetime ? value : refuse();
    case sql::Type::kBit:
      if (value.kind == Kind::kText) {
        const auto real = parse_float(value.text);
        return real ? Value::bit(*real != 0) : refuse();
      }
      return is_number(value) ? Value::bit(as_real(value) != 0) : refuse();
    case sql::Type::kRecord: return value.kind == Kind::kRecord ? value : refuse();
    case sql::Type::kArray: return value.kind == Kind::kArray ? value : refuse();
  }
  return refuse();
}

Value Evaluator::call(const sql::Expr& expr) {
  MH_ASSERT(expr.function != nullptr);
  const auto kernel = find_kernel(expr.function->id);
  MH_ASSERT(kernel != nullptr);
  std::array<Value, 16> few;
  std::vector<Value> many;
  std::span<Value> args(few.data(), std::min(expr.args.size(), few.size()));
  if (expr.args.size() > few.size()) {
    many.resize(expr.args.size());
    args = many;
  }
  for (std::size_t i = 0; i < args.size(); ++i) args[i] = value(*expr.args[i]);
  return kernel(*this, expr, args);
}

}  // namespace meterhub::engine
