// Sums against whole numbers of any size (Boost's): every double is a multiple of 2^-1074.
#include "exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <variant>
#include <vector>

namespace meterhub::engine {
namespace {

using Big = boost::multiprecision::cpp_int;
using Number = std::variant<double, std::int64_t>;

constexpr double kHuge = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

// In units of 2^-1074, by ways of its own: frexp, not bits.
Big exact(double number) {
  int exponent = 0;
  const double fraction = std::frexp(number, &exponent);
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(fraction, 53));
  const int shift = exponent - 53 + 1074;
  return shift >= 0 ? Big(mantissa) << shift : Big(mantissa) / (Big(1) << -shift);
}
Big exact(std::int64_t number) { return Big(number) << 1074; }
Big exact(const Number& number) {
  return std::visit([](auto n) { return exact(n); }, number);
}

// Whether `result` is the double nearest to top / bottom (top in units of 2^-1074), of two the even one.
testing::AssertionResult nearest(double result, const Big& top, const Big& bottom) {
  if (std::isinf(result)) {
    const Big limit = exact(kHuge) + (Big(1) << (970 + 1074));  // half a step beyond the largest
    if ((result > 0 ? top : Big(-top)) >= limit * bottom) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "infinite too early";
  }
  const Big distance = abs(Big(top - exact(result) * bottom));
  for (const double other : {std::nextafter(result, -kHuge), std::nextafter(result, kHuge)}) {
    const Big farther = abs(Big(top - exact(other) * bottom));
    const bool even = (std::bit_cast<std::uint64_t>(result) & 1) == 0;
    if (distance > farther || (distance == farther && other != result && !even)) {
      return testing::AssertionFailure() << result << " where " << other << " is nearer";
    }
  }
  return testing::AssertionSuccess();
}

double finite_bits(std::mt19937_64& random) {
  for (;;) {
    const auto number = std::bit_cast<double>(random());
    if (std::isfinite(number)) return number;
  }
}

double meter_step(std::mt19937_64& random) { return static_cast<double>(random() % 100'000) * 0.0003; }

Number draw(std::mt19937_64& random, unsigned kind) {
  switch (kind % 8) {
    case 0: return finite_bits(random);
    case 1: return meter_step(random);
    case 2: return std::ldexp(static_cast<double>(random() % 1000) - 500, -1074);            // denormals
    case 3: return std::copysign(kHuge, static_cast<double>(random() % 2) - 0.5);            // the largest
    case 4: return static_cast<std::int64_t>(random());                                      // whole, up to 63 bits
    case 5: return static_cast<std::int64_t>(random() % 1'000'000);                          // usual counters
    case 6: return static_cast<double>(random() % 1'000'000'000) / 1000;                     // usual readings
    default:
      return std::ldexp(1 + std::ldexp(static_cast<double>(random() % 4), -52), static_cast<int>(random() % 120) - 60);
  }
}

// Numbers of one kind, or of all together.
std::vector<Number> draw_many(std::mt19937_64& random, std::size_t count) {
  const auto kind = static_cast<unsigned>(random() % 10);
  std::vector<Number> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back(draw(random, kind < 8 ? kind : static_cast<unsigned>(random())));
  return out;
}

template <class Sum>
void add(Sum& sum, const Number& number) {
  std::visit([&](auto n) { sum.add(n); }, number);
}
template <class Sum>
void subtract(Sum& sum, const Number& number) {
  std::visit([&](auto n) { sum.subtract(n); }, number);
}

template <class Sum>
std::string saved(const Sum& sum) {
  std::string bytes;
  sum.save(bytes);
  return bytes;
}

Big total(const std::vector<Number>& numbers) {
  Big out = 0;
  for (const auto& number : numbers) out += exact(number);
  return out;
}

class ExactSumRandom : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, ExactSumRandom, testing::Range<std::uint64_t>(1, 41));

TEST_P(ExactSumRandom, IsTheExactSumRoundedOnceInAnyOrder) {
  std::mt19937_64 random(GetParam());
  for (int trial = 0; trial < 30; ++trial) {
    auto numbers = draw_many(random, 1 + random() % 60);
    ExactSum sum;
    for (const auto& number : numbers) add(sum, number);
    ASSERT_TRUE(nearest(sum.value(), total(numbers), 1));
    ASSERT_TRUE(nearest(sum.mean(numbers.size()), total(numbers), Big(numbers.size())));
    std::ranges::shuffle(numbers, random);
    ExactSum other;
    for (const auto& number : numbers) add(other, number);
    ASSERT_EQ(saved(other), saved(sum));
  }
}

TEST_P(ExactSumRandom, IsTheSameFromPartsOfAnySize) {
  std::mt19937_64 random(GetParam() * 7);
  for (int trial = 0; trial < 30; ++trial) {
    const auto numbers = draw_many(random, 1 + random() % 60);
    ExactSum whole;
    ExactSum merged;
    auto part = std::make_unique<ExactSum>();
    for (const auto& number : numbers) {
      add(whole, number);
      add(*part, number);
      if (random() % 5 != 0) continue;
      merged.add(*part);
      part = std::make_unique<ExactSum>();
    }
    merged.add(*part);
    ASSERT_EQ(saved(merged), saved(whole));
  }
}

TEST_P(ExactSumRandom, IsAsBeforeWhenValuesAreTakenAway) {
  std::mt19937_64 random(GetParam() * 13);
  for (int trial = 0; trial < 30; ++trial) {
    const auto stay = draw_many(random, random() % 20);
    auto go = draw_many(random, random() % 20);
    ExactSum sum;
    for (const auto& number : stay) add(sum, number);
    const auto before = saved(sum);
    for (const auto& number : go) add(sum, number);
    std::ranges::shuffle(go, random);
    for (const auto& number : go) subtract(sum, number);
    ASSERT_EQ(saved(sum), before);
    for (const auto& number : stay) subtract(sum, number);
    ASSERT_TRUE(sum.is_zero());
    ASSERT_EQ(sum.value(), 0);
    ASSERT_EQ(sum.heap_bytes(), 0u);
  }
}

TEST_P(ExactSumRandom, IsTheSameAfterSaveAndLoad) {
  std::mt19937_64 random(GetParam() * 17);
  for (int trial = 0; trial < 30; ++trial) {
    const auto numbers = draw_many(random, random() % 20);
    ExactSum sum;
    for (const auto& number : numbers) add(sum, number);
    const auto bytes = saved(sum);
    ExactSum loaded;
    add(loaded, 1.0);  // what stood there goes
    Unpacker from(bytes);
    ASSERT_TRUE(loaded.load(from));
    ASSERT_TRUE(from.done());
    ASSERT_EQ(saved(loaded), bytes);
    ASSERT_EQ(loaded.value(), sum.value());
    for (const auto& number : numbers) subtract(loaded, number);
    ASSERT_TRUE(loaded.is_zero());
  }
}

TEST_P(ExactSumRandom, GivesVariancesRoundedOnce) {
  std::mt19937_64 random(GetParam() * 19);
  for (int trial = 0; trial < 20; ++trial) {
    const auto numbers = draw_many(random, 1 + random() % 40);
    ExactMoments moments;
    Big squares = 0;
    for (const auto& number : numbers) {
      add(moments, number);
      squares += exact(number) * exact(number);
    }
    const Big count(numbers.size());
    const Big top = count * squares - total(numbers) * total(numbers);  // in units of 2^-2148
    ASSERT_TRUE(nearest(moments.variance(numbers.size(), numbers.size()), top, count * count << 1074));
    ASSERT_TRUE(nearest(moments.variance(numbers.size(), numbers.size() + 3), top, count * (count + 3) << 1074));
    auto others = draw_many(random, random() % 10);
    const auto before = saved(moments);
    for (const auto& number : others) add(moments, number);
    for (const auto& number : others) subtract(moments, number);
    ASSERT_EQ(saved(moments), before);
    ExactMoments loaded;
    Unpacker from(before);
    ASSERT_TRUE(loaded.load(from));
    loaded.add(moments);
    moments.add(moments);
    ASSERT_EQ(saved(loaded), saved(moments));
  }
}

TEST(ExactSum, KeepsUsualMeterStepsAtHand) {
  ExactSum sum;
  std::mt19937_64 random(3);
  for (int i = 0; i < 100'000; ++i) sum.add(meter_step(random));
  for (int i = 0; i < 1000; ++i) sum.add(1'000'000'000.125);  // to 2^40 and a little
  sum.add(0.0001);
  sum.add(0.000000007);
  EXPECT_EQ(sum.heap_bytes(), 0u);
  ExactSum whole;
  for (int i = 0; i < 1000; ++i) whole.add(INT64_MAX);
  EXPECT_EQ(whole.heap_bytes(), 0u);
  ExactMoments moments;
  for (int i = 0; i < 100'000; ++i) moments.add(979.171 + static_cast<double>(random() % 1000) / 1000);
  EXPECT_EQ(moments.heap_bytes(), 0u);
}

TEST(ExactSum, GoesToTheHeapForTheRestAndBackWhenItIsZero) {
  for (const double number : {kTiny, kHuge, 1e-12, 1e40}) {
    ExactSum sum;
    sum.add(0.5);
    sum.add(number);
    EXPECT_GT(sum.heap_bytes(), 0u) << number;
    sum.subtract(0.5);
    EXPECT_EQ(sum.value(), number);
    sum.subtract(number);
    EXPECT_EQ(sum.heap_bytes(), 0u);
  }
}

TEST(ExactSum, HasNoLimitOfWhatIsAtHand) {
  const double whole = std::ldexp(1.0, 126);
  const double fraction = std::ldexp(1.0, 46);
  for (const double sign : {1.0, -1.0}) {
    ExactSum sum;
    for (int i = 0; i < 4; ++i) sum.add(sign * whole);
    EXPECT_EQ(sum.value(), sign * whole * 4);
    ExactSum finer;
    finer.add(sign * std::ldexp(1.0, -80));
    for (int i = 0; i < 4; ++i) finer.add(sign * fraction);
    finer.subtract(sign * std::ldexp(1.0, -80));
    EXPECT_EQ(finer.value(), sign * fraction * 4);
  }
}

TEST(ExactSum, LosesNothingBesideSomethingHuge) {
  ExactSum sum;
  sum.add(kHuge);
  sum.add(kHuge);
  EXPECT_EQ(sum.value(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sum.mean(2), kHuge);
  sum.add(kTiny);
  sum.add(-kHuge);
  sum.add(-kHuge);
  EXPECT_EQ(sum.value(), kTiny);
  EXPECT_EQ(sum.mean(2), 0);  // half of the smallest: to even
  EXPECT_EQ(sum.mean(1), kTiny);
}

// Just under one and a half of the smallest double: rounded to 53 bits first it would be the tie.
TEST(ExactSum, RoundsTheSmallestMeansOnceToo) {
  ExactSum sum;
  sum.add(std::ldexp(1.5, 60 - 1074));
  sum.subtract(kTiny);
  EXPECT_EQ(sum.mean(std::uint64_t{1} << 60), kTiny);
}

TEST(ExactSum, IsWholeWhenItIsABigint) {
  ExactSum sum;
  EXPECT_EQ(sum.whole(), 0);
  sum.add(INT64_MIN);
  EXPECT_EQ(sum.whole(), INT64_MIN);
  sum.add(std::int64_t{-1});
  EXPECT_EQ(sum.whole(), std::nullopt);
  sum.add(INT64_MAX);
  sum.add(INT64_MAX);
  EXPECT_EQ(sum.whole(), INT64_MAX - 2);
  sum.add(0.5);
  EXPECT_EQ(sum.whole(), std::nullopt);
  sum.add(2.5);
  EXPECT_EQ(sum.whole(), std::nullopt);  // 2^63
  sum.subtract(1.0);
  EXPECT_EQ(sum.whole(), INT64_MAX);
}

TEST(ExactSum, MayBeMovedAsBytes) {
  alignas(ExactSum) std::array<std::byte, sizeof(ExactSum)> here;
  alignas(ExactSum) std::array<std::byte, sizeof(ExactSum)> there;
  auto* sum = new (here.data()) ExactSum;
  sum->add(kTiny);
  std::memcpy(there.data(), here.data(), here.size());
  std::ranges::fill(here, std::byte{0xAA});
  sum = std::launder(reinterpret_cast<ExactSum*>(there.data()));
  sum->add(kTiny);
  EXPECT_EQ(sum->value(), 2 * kTiny);
  sum->~ExactSum();
}

// Counters that differ only in their last digits: means of squares would give noise.
TEST(ExactMoments, SurvivesCancellation) {
  ExactMoments moments;
  for (const double number : {1e15 + 0.125, 1e15 + 0.375, 1e15 + 0.625}) moments.add(number);
  EXPECT_EQ(moments.variance(3, 2), 0.0625);
  ExactMoments equal;
  for (int i = 0; i < 3; ++i) equal.add(0.1);
  EXPECT_EQ(equal.variance(3, 2), 0);
}

TEST(ExactSum, RefusesBytesThatAreNotItsOwn) {
  std::string good;
  pack_number(good, 1);
  pack_signed(good, 0);
  pack_bytes(good, "\x05");
  ExactSum sum;
  Unpacker from(good);
  ASSERT_TRUE(sum.load(from));
  EXPECT_EQ(sum.value(), 5);

  struct Case {
    std::uint64_t sign;
    std::int64_t exponent;
    std::string bytes;
  };
  for (const auto& c :
       {Case{3, 0, "\x05"}, Case{1, -1075, "\x05"}, Case{1, 1102, "\x05"}, Case{1, INT64_MAX, "\x05"},
        Case{1, INT64_MIN, "\x05"}, Case{1, 0, ""}, Case{1, 0, "\x04"}, Case{2, 0, std::string("\x05\0", 2)},
        Case{1, 1000, std::string(100, '\x01')}, Case{1, -1074, std::string(100'000, '\x01')}}) {
    std::string bad;
    pack_number(bad, c.sign);
    pack_signed(bad, c.exponent);
    pack_bytes(bad, c.bytes);
    Unpacker odd(bad);
    EXPECT_FALSE(sum.load(odd)) << c.sign << ' ' << c.exponent;
    EXPECT_TRUE(sum.is_zero());
  }
}

TEST(ExactSum, StandsAnyBytes) {
  std::mt19937_64 random(23);
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string bytes(random() % 30, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() % 4 : random());
    ExactMoments moments;
    Unpacker from(bytes);
    const bool good = moments.load(from);
    moments.add(kHuge);
    moments.add(kTiny);
    ASSERT_GE(moments.variance(2, 1), 0) << good;
  }
}

}  // namespace
}  // namespace meterhub::engine
