#include "exact.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace meterhub::engine::oracle {
namespace {

using boost::multiprecision::cpp_int;

constexpr int kMantissaBits = 53;
constexpr int kSmallestBit = -1074;  // of a subnormal double
constexpr int kGuardBits = 70;       // of the quotient: more than any double keeps

int bits_of(const cpp_int& value) { return static_cast<int>(msb(value)) + 1; }

// `digits` times 2^exponent; `more`: something smaller than the last bit was cut off.
double rounded(const cpp_int& digits, int exponent, bool more) {
  const int top = bits_of(digits) + exponent;  // the value is below 2^top
  const int kept = std::min(kMantissaBits, top - kSmallestBit);
  if (kept < 0) return 0;
  const int cut = bits_of(digits) - kept;
  const cpp_int unit = cpp_int(1) << static_cast<unsigned>(cut);
  cpp_int mantissa = digits / unit;
  const cpp_int rest = digits - mantissa * unit;
  const cpp_int half = unit / 2;
  const bool up = rest > half || (rest == half && (more || (mantissa & 1) != 0));
  if (up) ++mantissa;
  return std::ldexp(static_cast<double>(static_cast<std::uint64_t>(mantissa)), cut + exponent);
}

}  // namespace

double nearest_double(const Rational& value) {
  if (value == 0) return 0;
  const bool negative = value < 0;
  const cpp_int top = abs(numerator(value));
  const cpp_int bottom = denominator(value);
  const int shift = kGuardBits - (bits_of(top) - bits_of(bottom));
  const cpp_int scaled = shift >= 0 ? cpp_int(top << static_cast<unsigned>(shift)) : top;
  const cpp_int divisor = shift >= 0 ? bottom : cpp_int(bottom << static_cast<unsigned>(-shift));
  const cpp_int quotient = scaled / divisor;
  const double result = rounded(quotient, -shift, scaled % divisor != 0);
  return negative ? -result : result;
}

}  // namespace meterhub::engine::oracle
