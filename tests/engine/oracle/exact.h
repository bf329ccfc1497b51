// Sums without rounding, for the oracle: rationals of any size, rounded once at the end.
#pragma once

#include <boost/multiprecision/cpp_int.hpp>

namespace meterhub::engine::oracle {

using Rational = boost::multiprecision::cpp_rational;

// The double next to it, halves to even; infinity beyond the largest.
double nearest_double(const Rational& value);

}  // namespace meterhub::engine::oracle
