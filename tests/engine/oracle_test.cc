// The oracle's own parts, where a mistake could hide behind the golden files.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "oracle/exact.h"
#include "oracle/windows.h"

namespace meterhub::engine::oracle {
namespace {

double random_double(std::mt19937_64& random) {
  for (;;) {
    const auto value = std::bit_cast<double>(random());
    if (std::isfinite(value)) return value;
  }
}

// IEEE arithmetic rounds the exact result once: so must this.
TEST(Exact, RoundsAsTheProcessorDoes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 3000; ++i) {
    const double a = random_double(random);
    // Near enough for sums to be more than the larger of the two.
    int exponent = 0;
    const double mantissa = std::frexp(random_double(random), &exponent);
    const double b = std::ldexp(mantissa, std::ilogb(a) - static_cast<int>(random() % 60));
    EXPECT_EQ(nearest_double(Rational(a)), a);
    EXPECT_EQ(nearest_double(Rational(a) + Rational(b)), a + b);
    if (b == 0) continue;
    EXPECT_EQ(nearest_double(Rational(a) / Rational(b)), a / b);
  }
}

TEST(Exact, KnowsTheEdgesOfADouble) {
  using Limits = std::numeric_limits<double>;
  EXPECT_EQ(nearest_double(Rational(Limits::denorm_min()) / 2), 0);  // half: to even
  EXPECT_EQ(nearest_double(Rational(Limits::denorm_min()) * 3 / 4), Limits::denorm_min());
  EXPECT_EQ(nearest_double(Rational(Limits::max()) * 2), Limits::infinity());
  EXPECT_EQ(nearest_double(Rational(-Limits::max())), -Limits::max());
}

std::vector<std::pair<Ticks, std::size_t>> ends(const sql::Window& window, const std::vector<Ticks>& times) {
  std::vector<std::pair<Ticks, std::size_t>> out;
  for (const auto& one : fill(window, times)) out.emplace_back(one.end, one.rows.size());
  return out;
}

TEST(Windows, CountBackFromNegativeOffsets) {
  sql::Window window;
  window.kind = sql::WindowKind::kTumbling;
  window.size = 5;
  window.hop = 5;
  window.offset = -8;
  EXPECT_EQ(ends(window, {0, 2, 3, 7}), (std::vector<std::pair<Ticks, std::size_t>>{{2, 2}, {7, 2}}));
}

TEST(Windows, CutSessionsAtMultiplesOfTheMaximumOnly) {
  sql::Window window;
  window.kind = sql::WindowKind::kSession;
  window.timeout = 3;
  window.maximum = 10;
  EXPECT_EQ(ends(window, {10, 12, 15, 18, 20, 21, 30, 33}),
            (std::vector<std::pair<Ticks, std::size_t>>{{20, 5}, {24, 1}, {36, 2}}));
}

}  // namespace
}  // namespace meterhub::engine::oracle
