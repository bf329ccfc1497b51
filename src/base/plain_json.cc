#include <meterhub/base/plain_json.h>

#include <charconv>
#include <cstdlib>

namespace meterhub::base {

// Two exact doubles have one quotient, rounded once: the nearest double of the decimal.
double PlainJson::Number::real() const {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  constexpr std::array<double, 19> kPowers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                           1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
  if (digits != 0 && std::abs(digits) <= kExact) return static_cast<double>(digits) / kPowers[decimals];
  double value = 0;  // a zero may have a sign
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace meterhub::base
