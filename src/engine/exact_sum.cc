#include "exact_sum.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <span>

#include <meterhub/base/assert.h>
#include <boost/multiprecision/cpp_int.hpp>

namespace meterhub::engine {
namespace {

using Natural = boost::multiprecision::cpp_int;
using Words = std::span<std::uint64_t>;

constexpr int kMantissaBits = 53;
constexpr int kLeastExponent = -1074;  // of a double's lowest bit
constexpr int kTopExponent = 1023;

int width(Uint128 number) {
  const auto high = static_cast<std::uint64_t>(number >> 64);
  return high != 0 ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(number));
}

bool is_negative(std::span<const std::uint64_t> words) { return words.back() >> 63 != 0; }

bool all_zero(std::span<const std::uint64_t> words) {
  for (const auto word : words) {
    if (word != 0) return false;
  }
  return true;
}

bool add_carry(std::uint64_t& word, std::uint64_t part, bool carry) {
  const bool first = __builtin_add_overflow(word, part, &word);
  return __builtin_add_overflow(word, std::uint64_t{carry}, &word) || first;
}

bool take_borrow(std::uint64_t& word, std::uint64_t part, bool borrow) {
  const bool first = __builtin_sub_overflow(word, part, &word);
  return __builtin_sub_overflow(word, std::uint64_t{borrow}, &word) || first;
}

// words += (negative ? -1 : 1) * magnitude * 2^bit, in two's complement; what goes beyond is lost.
inline void accumulate(Words words, Uint128 magnitude, unsigned bit, bool negative) {
  const std::size_t first = bit / 64;
  const unsigned shift = bit % 64;
  const Uint128 low = magnitude << shift;
  const std::uint64_t parts[] = {static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(low >> 64),
                                 shift == 0 ? 0 : static_cast<std::uint64_t>(magnitude >> (128 - shift))};
  bool carry = false;
  for (std::size_t i = 0; first + i < words.size() && (i < std::size(parts) || carry); ++i) {
    const std::uint64_t part = i < std::size(parts) ? parts[i] : 0;
    auto& word = words[first + i];
    carry = negative ? take_borrow(word, part, carry) : add_carry(word, part, carry);
  }
}

void negate(Words words) {
  bool carry = true;
  for (auto& word : words) {
    word = ~word;
    carry = add_carry(word, 0, carry);
  }
}

ExactTerm term_of(double number) {
  MH_ASSERT(std::isfinite(number));
  const auto bits = std::bit_cast<std::uint64_t>(number);
  const auto exponent = static_cast<int>(bits >> 52 & 0x7FF);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
  const std::uint64_t mantissa = exponent == 0 ? fraction : fraction | std::uint64_t{1} << 52;
  return {mantissa, exponent == 0 ? kLeastExponent : exponent - 1075, bits >> 63 != 0};
}

ExactTerm term_of(std::int64_t number) {
  const auto bits = static_cast<std::uint64_t>(number);
  return {number < 0 ? ~bits + 1 : bits, 0, number < 0};
}

// Both factors fit 64 bits, so that the square fits 128.
ExactTerm square_of(const ExactTerm& term) { return {term.magnitude * term.magnitude, 2 * term.exponent, false}; }

template <class Magnitude>
Natural natural_of(const Magnitude& magnitude) {
  Natural out;
  if (magnitude.size == 0) return out;
  const auto* const first = magnitude.words.data();
  boost::multiprecision::import_bits(out, first, first + magnitude.size, 64, false);
  return out;
}

// The double nearest to number * 2^exponent, of two the even one. `more`: the true number is
// larger, by less than one unit; `number` must then have more bits than a double.
double nearest(const Natural& number, int exponent, bool negative, bool more = false) {
  if (number == 0) return 0;
  const int top = exponent + static_cast<int>(msb(number));
  const auto signed_by = [&](double size) { return negative ? -size : size; };
  if (top > kTopExponent) return signed_by(std::numeric_limits<double>::infinity());
  const int lowest = std::max(top - (kMantissaBits - 1), kLeastExponent);
  const int cut = lowest - exponent;  // bits that a double does not hold
  if (cut <= 0) return signed_by(std::ldexp(static_cast<Natural>(number << -cut).convert_to<double>(), lowest));
  auto mantissa = static_cast<Natural>(number >> cut).convert_to<std::uint64_t>();
  const auto last = static_cast<unsigned>(cut) - 1;
  const bool half = bit_test(number, last);
  const bool beyond = more || lsb(number) < last;
  if (half && (beyond || (mantissa & 1) != 0)) ++mantissa;
  return signed_by(std::ldexp(static_cast<double>(mantissa), lowest));
}

// The same for 128 bits, which most sums are.
double nearest(Uint128 number, int exponent, bool negative, bool more = false) {
  if (number == 0) return 0;
  const int cut = std::max(width(number) - kMantissaBits, 0);
  auto mantissa = static_cast<std::uint64_t>(number >> cut);
  if (cut > 0) {
    const auto below = number - (Uint128{mantissa} << cut);
    const auto half = Uint128{1} << (cut - 1);
    if (below > half || (below == half && (more || (mantissa & 1) != 0))) ++mantissa;
  }
  const double size = std::ldexp(static_cast<double>(mantissa), exponent + cut);
  return negative ? -size : size;
}

// Nothing: more than 128 bits, or so small or large that a double's exponent could matter.
template <class Magnitude>
std::optional<Uint128> narrow(const Magnitude& magnitude) {
  if (magnitude.size > 2 || magnitude.exponent < -800 || magnitude.exponent > 800) return std::nullopt;
  return Uint128{magnitude.words[1]} << 64 | magnitude.words[0];
}

// How far a dividend is moved up so that the quotient has more bits than a double.
constexpr int kQuotientBits = 192;

}  // namespace

// ---- ExactAccumulator ----

template <class Shape>
void ExactAccumulator<Shape>::clear() {
  if (on_heap()) delete &wide();
  where_ = kWhole;
  words_ = {};
}

// False, and nothing changed: the term is no multiple of the unit, or term or sum are too large.
template <class Shape>
bool ExactAccumulator<Shape>::add_at_hand(const ExactTerm& term) {
  constexpr int kBits = static_cast<int>(Shape::kWords) * 64 - 1;
  int bit = term.exponent - unit();
  Uint128 magnitude = term.magnitude;
  if (bit < 0) {
    if (bit <= -128 || magnitude >> -bit << -bit != magnitude) return false;
    magnitude >>= -bit;
    bit = 0;
  }
  if (bit > kBits || width(magnitude) + bit > kBits) return false;
  auto sum = words_;
  accumulate(sum, magnitude, static_cast<unsigned>(bit), term.negative);
  const bool overflow = is_negative(words_) == term.negative && is_negative(sum) != term.negative;
  if (overflow) return false;
  words_ = sum;
  return true;
}

// From units of 1 to units of 2^kUnit; false when the sum is too large for them.
template <class Shape>
bool ExactAccumulator<Shape>::refine() {
  if (where_ != kWhole) return false;
  auto words = words_;
  const bool negative = is_negative(words);
  if (negative) negate(words);
  decltype(words_) finer{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto bit = static_cast<int>(i) * 64 - Shape::kUnit;
    if (words[i] == 0) continue;
    if (width(words[i]) + bit > static_cast<int>(Shape::kWords) * 64 - 1) return false;
    accumulate(finer, words[i], static_cast<unsigned>(bit), negative);
  }
  words_ = finer;
  where_ = kFraction;
  return true;
}

template <class Shape>
void ExactAccumulator<Shape>::widen() {
  const auto sum = magnitude();
  auto fresh = std::make_unique<Wide>();
  fresh->fill(0);
  for (std::size_t i = 0; i < sum.size; ++i) {
    const int bit = sum.exponent + static_cast<int>(i) * 64 - Shape::kLowest;
    accumulate(*fresh, sum.words[i], static_cast<unsigned>(bit), sum.negative);
  }
  words_ = {};
  where_ = reinterpret_cast<std::uintptr_t>(fresh.release());
}

template <class Shape>
void ExactAccumulator<Shape>::add_wide(const ExactTerm& term) {
  accumulate(wide(), term.magnitude, static_cast<unsigned>(term.exponent - Shape::kLowest), term.negative);
  if (all_zero(wide())) clear();
}

template <class Shape>
void ExactAccumulator<Shape>::add(const ExactTerm& term) {
  if (term.magnitude == 0) return;
  if (!on_heap()) {
    if (add_at_hand(term)) return;
    if (refine() && add_at_hand(term)) return;
    widen();
  }
  add_wide(term);
}

// Both at hand and in one unit. False, and nothing changed: they are not, or the sum is too large.
template <class Shape>
bool ExactAccumulator<Shape>::add_words(const ExactAccumulator& other) {
  if (on_heap() || other.on_heap()) return false;
  if (where_ != other.where_) {
    if (!all_zero(words_)) return false;
    words_ = other.words_;
    where_ = other.where_;
    return true;
  }
  auto sum = words_;
  bool carry = false;
  for (std::size_t i = 0; i < sum.size(); ++i) carry = add_carry(sum[i], other.words_[i], carry);
  if (is_negative(words_) == is_negative(other.words_) && is_negative(sum) != is_negative(words_)) return false;
  words_ = sum;
  return true;
}

// Word by word: what of it fits at hand stays there.
template <class Shape>
void ExactAccumulator<Shape>::add(const ExactAccumulator& other) {
  if (add_words(other)) return;
  const auto sum = other.magnitude();
  for (std::size_t i = 0; i < sum.size; ++i) {
    add(ExactTerm{sum.words[i], sum.exponent + static_cast<int>(i) * 64, sum.negative});
  }
}

template <class Shape>
bool ExactAccumulator<Shape>::is_zero() const {
  return on_heap() ? all_zero(wide()) : all_zero(words_);
}

template <class Shape>
auto ExactAccumulator<Shape>::magnitude() const -> Magnitude {
  const auto words = on_heap() ? std::span<const std::uint64_t>(wide()) : std::span<const std::uint64_t>(words_);
  Magnitude out;
  out.exponent = unit();
  out.negative = is_negative(words);
  std::ranges::copy(words, out.words.begin());
  const auto used = std::span(out.words).first(words.size());
  if (out.negative) negate(used);
  out.size = used.size();
  while (out.size > 0 && out.words[out.size - 1] == 0) --out.size;
  return out;
}

// 0 for zero; else 1 or, for a negative sum, 2, the exponent of the lowest bit that is set, and
// the magnitude's bytes from there on, lowest first.
template <class Shape>
void ExactAccumulator<Shape>::save(std::string& out) const {
  const auto sum = magnitude();
  if (sum.size == 0) return pack_number(out, 0);
  std::size_t first = 0;
  while (sum.words[first] == 0) ++first;
  const auto low = static_cast<unsigned>(std::countr_zero(sum.words[first]));
  std::string bytes;
  for (std::size_t i = first; i < sum.size; ++i) {
    const auto above = low == 0 || i + 1 == sum.size ? 0 : sum.words[i + 1] << (64 - low);
    const auto word = sum.words[i] >> low | above;
    for (int shift = 0; shift < 64; shift += 8) bytes.push_back(static_cast<char>(word >> shift));
  }
  bytes.erase(bytes.find_last_not_of('\0') + 1);
  pack_number(out, sum.negative ? 2 : 1);
  pack_signed(out, sum.exponent + static_cast<int>(first * 64 + low));
  pack_bytes(out, bytes);
}

template <class Shape>
bool ExactAccumulator<Shape>::load(Unpacker& from) {
  clear();
  const auto sign = from.number();
  if (!from.ok() || sign == 0) return from.ok();
  const auto exponent = from.signed_number();
  const auto bytes = from.bytes();
  // One word less than there is: terms can still be added.
  constexpr std::int64_t kEnd = Shape::kLowest + static_cast<std::int64_t>(Shape::kWideWords - 1) * 64;
  if (!from.ok() || sign > 2 || bytes.empty() || bytes.size() > Shape::kWideWords * 8) return false;
  const bool trimmed = (bytes.front() & 1) != 0 && bytes.back() != 0;
  if (!trimmed || exponent < Shape::kLowest || exponent >= kEnd ||
      exponent + static_cast<std::int64_t>(bytes.size()) * 8 > kEnd)
    return false;
  for (std::size_t i = 0; i < bytes.size(); i += 8) {
    std::uint64_t word = 0;
    for (std::size_t k = std::min<std::size_t>(bytes.size(), i + 8); k-- > i;) word = word << 8 | static_cast<unsigned char>(bytes[k]);
    add(ExactTerm{word, static_cast<int>(exponent) + static_cast<int>(i) * 8, sign == 2});
  }
  return true;
}

template class ExactAccumulator<SumShape>;
template class ExactAccumulator<SquareShape>;

// ---- ExactSum ----

void ExactSum::add(double number) { sum_.add(term_of(number)); }
void ExactSum::add(std::int64_t number) { sum_.add(term_of(number)); }
void ExactSum::subtract(double number) { sum_.subtract(term_of(number)); }
void ExactSum::subtract(std::int64_t number) { sum_.subtract(term_of(number)); }

double ExactSum::value() const {
  const auto sum = sum_.magnitude();
  if (const auto number = narrow(sum)) return nearest(*number, sum.exponent, sum.negative);
  return nearest(natural_of(sum), sum.exponent, sum.negative);
}

std::optional<std::int64_t> ExactSum::whole() const {
  const auto sum = sum_.magnitude();
  if (sum.size <= 1 && sum.exponent == 0 && sum.words[0] >> 63 == 0) {
    const auto size = static_cast<std::int64_t>(sum.words[0]);
    return sum.negative ? -size : size;
  }
  auto number = natural_of(sum);
  if (number == 0) return 0;
  const int low = sum.exponent + static_cast<int>(lsb(number));
  const int top = sum.exponent + static_cast<int>(msb(number));
  if (low < 0 || top > 63) return std::nullopt;
  number = sum.exponent < 0 ? Natural(number >> -sum.exponent) : Natural(number << sum.exponent);
  const auto size = number.convert_to<std::uint64_t>();
  const auto limit = std::uint64_t{1} << 63;
  if (size > limit || (size == limit && !sum.negative)) return std::nullopt;
  return static_cast<std::int64_t>(sum.negative ? ~size + 1 : size);
}

double ExactSum::mean(std::uint64_t count) const {
  MH_ASSERT(count > 0);
  const auto sum = sum_.magnitude();
  if (const auto number = narrow(sum)) {
    if (*number == 0) return 0;
    const int up = 128 - width(*number);  // so that the quotient has 64 bits at least
    const auto dividend = *number << up;
    return nearest(dividend / count, sum.exponent - up, sum.negative, dividend % count != 0);
  }
  Natural quotient;
  Natural rest;
  divide_qr(Natural(natural_of(sum) << kQuotientBits), Natural(count), quotient, rest);
  return nearest(quotient, sum.exponent - kQuotientBits, sum.negative, rest != 0);
}

// ---- ExactMoments ----

void ExactMoments::add(double number) {
  const auto term = term_of(number);
  sum_.sum_.add(term);
  squares_.add(square_of(term));
}

void ExactMoments::add(std::int64_t number) {
  const auto term = term_of(number);
  sum_.sum_.add(term);
  squares_.add(square_of(term));
}

void ExactMoments::subtract(double number) {
  const auto term = term_of(number);
  sum_.sum_.subtract(term);
  squares_.subtract(square_of(term));
}

void ExactMoments::subtract(std::int64_t number) {
  const auto term = term_of(number);
  sum_.sum_.subtract(term);
  squares_.subtract(square_of(term));
}

void ExactMoments::add(const ExactMoments& other) {
  sum_.add(other.sum_);
  squares_.add(other.squares_);
}

// (count * sum of squares - square of sum) / (count * divisor), all in whole numbers.
double ExactMoments::variance(std::uint64_t count, std::uint64_t divisor) const {
  MH_ASSERT(count > 0 && divisor > 0);
  const auto sum = sum_.sum_.magnitude();
  const auto squares = squares_.magnitude();
  const Natural total = natural_of(sum);
  Natural left = natural_of(squares) * count;
  Natural right = total * total;
  const int exponent = std::min(squares.exponent, 2 * sum.exponent);
  left <<= squares.exponent - exponent;
  right <<= 2 * sum.exponent - exponent;
  if (left <= right) return 0;  // equal numbers; less only after a load of other bytes
  left -= right;
  Natural quotient;
  Natural rest;
  divide_qr(Natural(left << kQuotientBits), Natural(Natural(count) * divisor), quotient, rest);
  return nearest(quotient, exponent - kQuotientBits, false, rest != 0);
}

void ExactMoments::save(std::string& out) const {
  sum_.save(out);
  squares_.save(out);
}

bool ExactMoments::load(Unpacker& from) {
  if (sum_.load(from) && squares_.load(from)) return true;
  sum_.sum_.clear();
  squares_.clear();
  return false;
}

}  // namespace meterhub::engine
