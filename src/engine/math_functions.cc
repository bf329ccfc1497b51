#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "functions.h"

namespace meterhub::engine {
namespace {

using Args = std::span<const Value>;

bool is_whole(const Value& value) { return value.kind != Kind::kFloat; }

double real_of(const Value& value) {
  return value.kind == Kind::kFloat ? value.number : static_cast<double>(value.integer);
}

// For functions of one number that always give a float.
template <double (*F)(double)>
Value real_function(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  if (x.is_null()) return x;
  return in.finite(F(real_of(x)));
}

double squared(double x) { return x * x; }
double square_root(double x) { return std::sqrt(x); }
double exponential(double x) { return std::exp(x); }

// For functions that keep the argument's type (8.4): bigints pass unchanged.
template <double (*F)(double)>
Value keeping_function(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  return x.is_null() || is_whole(x) ? x : Value::real(F(x.number));
}

double ceiling(double x) { return std::ceil(x); }
double floor_of(double x) { return std::floor(x); }

Value absolute(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  if (x.is_null()) return x;
  if (!is_whole(x)) return Value::real(std::fabs(x.number));
  if (x.integer == std::numeric_limits<std::int64_t>::min()) return in.fail("bigint overflow");
  return Value::bigint(x.integer < 0 ? -x.integer : x.integer);
}

Value sign(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  if (x.is_null()) return x;
  if (is_whole(x)) return Value::bigint((x.integer > 0) - (x.integer < 0));
  return Value::real((x.number > 0) - (x.number < 0));
}

// Exact where it fits, which pow() is not beyond 2^53. By squaring; nothing when it overflows.
std::optional<std::int64_t> whole_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (;;) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return std::nullopt;
    exponent >>= 1;
    if (exponent == 0) return result;
    if (__builtin_mul_overflow(base, base, &base)) return std::nullopt;
  }
}

Value power(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  const auto y = in.to_number(args[1]);
  if (x.is_null() || y.is_null()) return Value::null();
  if (is_whole(x) && is_whole(y) && y.integer >= 0) {
    const auto whole = whole_power(x.integer, y.integer);
    return whole ? Value::bigint(*whole) : in.fail("bigint overflow");
  }
  const double result = std::pow(real_of(x), real_of(y));
  if (!is_whole(x) || !std::isfinite(result)) return in.finite(result);
  if (std::fabs(result) >= 9223372036854775808.0) return in.fail("bigint overflow");
  return Value::bigint(static_cast<std::int64_t>(result));
}

// Drops the last `count` digits of a whole number, halves away from zero.
Value round_whole(Evaluator& in, std::int64_t value, std::int64_t count) {
  if (count >= 20) return Value::bigint(0);
  __int128 unit = 1;
  for (std::int64_t i = 0; i < count; ++i) unit *= 10;
  const __int128 half = value < 0 ? -unit / 2 : unit / 2;
  const __int128 rounded = (value + half) / unit * unit;
  if (rounded > std::numeric_limits<std::int64_t>::max() || rounded < std::numeric_limits<std::int64_t>::min()) {
    return in.fail("bigint overflow");
  }
  return Value::bigint(static_cast<std::int64_t>(rounded));
}

// Rounds the shortest decimal text, so that 123.9995 is what it reads as (8.4).
double round_decimal(double value, std::int64_t digits) {
  std::array<char, 400> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value), std::chars_format::fixed).ptr;
  std::string text(buffer.data(), end);
  auto point = text.find('.');
  if (point == std::string::npos) {
    point = text.size();
    text += '.';
  }
  const auto cut = static_cast<std::int64_t>(point) + digits;  // digits kept before this place, point not counted
  text.erase(point, 1);
  if (cut < 0) return 0.0;
  if (cut >= static_cast<std::int64_t>(text.size())) return value;
  const auto kept = static_cast<std::size_t>(cut);
  const bool up = text[kept] >= '5';
  std::string number = "0" + text.substr(0, kept);
  for (std::size_t i = number.size(); up && i-- > 0;) {
    if (number[i] != '9') {
      ++number[i];
      break;
    }
    number[i] = '0';
  }
  number += "e" + std::to_string(-digits);
  double result = std::numeric_limits<double>::infinity();  // stays when the number is too large
  std::from_chars(number.data(), number.data() + number.size(), result);
  return std::copysign(result, value);
}

Value round(Evaluator& in, const sql::Expr&, Args args) {
  const auto x = in.to_number(args[0]);
  const auto digits = args.size() > 1 ? in.to_bigint(args[1]) : Value::bigint(0);
  if (x.is_null() || digits.is_null()) return Value::null();
  if (is_whole(x)) return digits.integer >= 0 ? x : round_whole(in, x.integer, -std::max<std::int64_t>(digits.integer, -20));
  if (digits.integer > 400) return x;
  if (digits.integer < -400) return Value::real(0);
  return in.finite(round_decimal(x.number, digits.integer));
}

constexpr std::array kKernels{
    Kernel{sql::FunctionId::kAbs, absolute},
    Kernel{sql::FunctionId::kCeiling, keeping_function<ceiling>},
    Kernel{sql::FunctionId::kFloor, keeping_function<floor_of>},
    Kernel{sql::FunctionId::kRound, round},
    Kernel{sql::FunctionId::kPower, power},
    Kernel{sql::FunctionId::kSqrt, real_function<square_root>},
    Kernel{sql::FunctionId::kSquare, real_function<squared>},
    Kernel{sql::FunctionId::kSign, sign},
    Kernel{sql::FunctionId::kExp, real_function<exponential>},
};

}  // namespace

std::span<const Kernel> math_kernels() { return kKernels; }

}  // namespace meterhub::engine
