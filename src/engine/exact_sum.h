// Sums that do not depend on the order of what is added, and from which a value can be
// taken away again as if it had never been there (stream-sql 10.2 point 3): the exact sum is kept,
// and rounded once when it is read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "packed.h"

namespace meterhub::engine {

__extension__ using Uint128 = unsigned __int128;

// magnitude * 2^exponent, with a sign: what is added.
struct ExactTerm {
  Uint128 magnitude = 0;
  int exponent = 0;
  bool negative = false;
};

// Sums of doubles and bigints. Whole numbers below 2^127 and multiples of 2^-80 below 2^47 fit
// into the 16 bytes at hand: every double from 2^-28 (3.7e-9) on is such a multiple.
struct SumShape {
  static constexpr std::size_t kWords = 2;
  static constexpr int kUnit = -80;
  static constexpr int kLowest = -1074;  // of a double's bits
  static constexpr std::size_t kWideWords = 35;  // up to 2^1165: 2^63 terms of any size and a word more
};

// Sums of squares of doubles and bigints: multiples of 2^-128 below 2^63 are at hand, the
// squares of all doubles from 2^-12 to 2^31 less what their number takes.
struct SquareShape {
  static constexpr std::size_t kWords = 3;
  static constexpr int kUnit = -128;
  static constexpr int kLowest = -2148;
  static constexpr std::size_t kWideWords = 68;
};

// The exact sum in two's complement: a few words in units of 1 or of 2^kUnit while every term and
// the sum fit, else words on the heap that hold any. Owned by one thread. The object may be moved
// as bytes (it holds no pointer to itself); end of life is the destructor.
template <class Shape>
class ExactAccumulator {
 public:
  ExactAccumulator() = default;
  ExactAccumulator(const ExactAccumulator&) = delete;
  ExactAccumulator& operator=(const ExactAccumulator&) = delete;
  ~ExactAccumulator() { clear(); }

  void add(const ExactTerm& term);
  void add(const ExactAccumulator& other);
  void subtract(ExactTerm term) {
    term.negative = !term.negative;
    add(term);
  }
  void clear();

  bool is_zero() const;
  // The sum as |sum| = words * 2^exponent, low words first.
  struct Magnitude {
    std::array<std::uint64_t, Shape::kWideWords> words{};
    std::size_t size = 0;  // words in use
    int exponent = 0;
    bool negative = false;
  };
  Magnitude magnitude() const;

  // The same bytes for the same sum, however it came about.
  void save(std::string& out) const;
  // False, and zero, when the bytes are not ones of save().
  bool load(Unpacker& from);
  std::size_t heap_bytes() const { return on_heap() ? sizeof(Wide) : 0; }

 private:
  using Wide = std::array<std::uint64_t, Shape::kWideWords>;
  // Values of where_ that are no pointer: the unit of words_.
  static constexpr std::uintptr_t kWhole = 0;
  static constexpr std::uintptr_t kFraction = 1;

  bool on_heap() const { return where_ > kFraction; }
  Wide& wide() const { return *reinterpret_cast<Wide*>(where_); }  // NOLINT(performance-no-int-to-ptr)
  int unit() const { return on_heap() ? Shape::kLowest : where_ == kWhole ? 0 : Shape::kUnit; }
  bool add_at_hand(const ExactTerm& term);
  bool add_words(const ExactAccumulator& other);
  bool refine();
  void widen();
  void add_wide(const ExactTerm& term);

  std::array<std::uint64_t, Shape::kWords> words_{};
  std::uintptr_t where_ = kWhole;
};

extern template class ExactAccumulator<SumShape>;
extern template class ExactAccumulator<SquareShape>;

// 24 bytes.
class ExactSum {
 public:
  // `number` must be finite.
  void add(double number);
  void add(std::int64_t number);
  void subtract(double number);
  void subtract(std::int64_t number);
  void add(const ExactSum& other) { sum_.add(other.sum_); }

  bool is_zero() const { return sum_.is_zero(); }
  // The nearest double, of two the even one; infinite when the sum is too large for one.
  double value() const;
  // Nothing: not whole, or beyond 64 bits.
  std::optional<std::int64_t> whole() const;
  // The double nearest to sum / count; count > 0.
  double mean(std::uint64_t count) const;

  void save(std::string& out) const { sum_.save(out); }
  bool load(Unpacker& from) { return sum_.load(from); }
  std::size_t heap_bytes() const { return sum_.heap_bytes(); }

 private:
  friend class ExactMoments;
  ExactAccumulator<SumShape> sum_;
};

// Exact sums of x and of x * x, for variances. 56 bytes.
class ExactMoments {
 public:
  void add(double number);
  void add(std::int64_t number);
  void subtract(double number);
  void subtract(std::int64_t number);
  void add(const ExactMoments& other);

  // The double nearest to (sum of squared distances from the mean) / divisor, for `count` numbers;
  // infinite when too large. count > 0, divisor > 0.
  double variance(std::uint64_t count, std::uint64_t divisor) const;

  void save(std::string& out) const;
  bool load(Unpacker& from);
  std::size_t heap_bytes() const { return sum_.heap_bytes() + squares_.heap_bytes(); }

 private:
  ExactSum sum_;
  ExactAccumulator<SquareShape> squares_;
};

static_assert(sizeof(ExactSum) == 24 && alignof(ExactSum) == 8);
static_assert(sizeof(ExactMoments) == 56 && alignof(ExactMoments) == 8);

}  // namespace meterhub::engine
