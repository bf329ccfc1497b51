// Reads plain JSON at the speed of the platform's own documents: one pass, nothing copied, nothing
// allocated. Plain = ASCII without escapes, numbers of at most 18 digits without exponent, nested at
// most 64 deep. At the first thing that is not plain every call returns false, and the caller asks a
// full parser; what it takes is always JSON. In the header, since its callers are loops.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace meterhub::base {

// One text, front to back. After a false its position means nothing.
class PlainJson {
 public:
  struct Number {
    std::string_view text;       // as it stands
    std::int64_t digits = 0;     // with its sign, without the point
    std::uint8_t decimals = 0;   // of `digits`
    bool whole() const { return decimals == 0; }
    double real() const;         // the nearest one, as any parser reads it
  };

  explicit PlainJson(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

  // First byte of the next value: { [ " t f n - or a digit; 0 at the end.
  char peek() {
    blanks();
    return at_ == end_ ? '\0' : *at_;
  }
  // Calls visit(name) for each member, which takes the member's value and returns false to give up.
  template <class Visit>
  bool object(Visit&& visit);
  // Calls visit() for each element.
  template <class Visit>
  bool array(Visit&& visit);
  bool string(std::string_view& out);
  bool number(Number& out);
  bool boolean(bool& out);
  bool null() { return word("null"); }
  // Any value; `out` is its text.
  bool skip();
  bool skip(std::string_view& out);
  // Only blanks are left.
  bool at_end() { return peek() == '\0' && at_ == end_; }

 private:
  static constexpr int kDepthMax = 64;
  static constexpr std::ptrdiff_t kDigitsMax = 18;
  static_assert(std::endian::native == std::endian::little);

  static bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }
  [[gnu::always_inline]] void blanks() {
    while (at_ != end_ && static_cast<unsigned char>(*at_) <= ' ' && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  [[gnu::always_inline]] bool take(char c) {
    if (at_ == end_ || *at_ != c) {
      blanks();
      if (at_ == end_ || *at_ != c) return false;
    }
    ++at_;
    return true;
  }
  bool word(std::string_view expected) {
    blanks();
    if (!std::string_view(at_, end_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }
  // Behind the digits at `from`, which are added to `value`; more than fit are refused by their number.
  [[gnu::always_inline]] const char* digits(const char* from, std::uint64_t& value) const {
    for (; from != end_ && is_digit(*from); ++from) value = value * 10 + static_cast<std::uint64_t>(*from - '0');
    return from;
  }
  const char* string_end(const char* from) const;

  const char* at_;
  const char* end_;
  int depth_ = 0;
};

template <class Visit>
bool PlainJson::object(Visit&& visit) {
  if (!take('{') || ++depth_ > kDepthMax) return false;
  if (!take('}')) {
    std::string_view name;
    do {
      if (!string(name) || !take(':') || !visit(name)) return false;
    } while (take(','));
    if (!take('}')) return false;
  }
  --depth_;
  return true;
}

template <class Visit>
bool PlainJson::array(Visit&& visit) {
  if (!take('[') || ++depth_ > kDepthMax) return false;
  if (!take(']')) {
    do {
      if (!visit()) return false;
    } while (take(','));
    if (!take(']')) return false;
  }
  --depth_;
  return true;
}

// The first byte that ends a plain run of characters: a quote, a backslash, a control character
// or what is not ASCII; eight bytes at a time, the lowest marked one is exact.
[[gnu::always_inline]] inline const char* PlainJson::string_end(const char* from) const {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kTops = 0x80 * kOnes;
  for (; end_ - from >= 8; from += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, from, 8);
    const std::uint64_t quote = bytes ^ ('"' * kOnes);
    const std::uint64_t backslash = bytes ^ ('\\' * kOnes);
    const std::uint64_t marked =
        (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | ((bytes - 0x20 * kOnes) & ~bytes) | bytes) & kTops;
    if (marked != 0) return from + std::countr_zero(marked) / 8;
  }
  while (from != end_ && *from != '"' && *from != '\\' && static_cast<signed char>(*from) >= 0x20) ++from;
  return from;
}

[[gnu::always_inline]] inline bool PlainJson::string(std::string_view& out) {
  if (!take('"')) return false;
  const char* const end = string_end(at_);
  if (end == end_ || *end != '"') return false;
  out = std::string_view(at_, end);
  at_ = end + 1;
  return true;
}

inline bool PlainJson::number(Number& out) {
  blanks();
  const char* const begin = at_;
  const bool negative = at_ != end_ && *at_ == '-';
  const char* const first = begin + (negative ? 1 : 0);
  std::uint64_t value = 0;
  const char* last = digits(first, value);
  if (last == first || (last - first > 1 && *first == '0')) return false;
  std::ptrdiff_t count = last - first;
  std::ptrdiff_t decimals = 0;
  if (last != end_ && *last == '.') {
    const char* const fraction = last + 1;
    last = digits(fraction, value);
    decimals = last - fraction;
    if (decimals == 0) return false;
    count += decimals;
  }
  if (count > kDigitsMax) return false;
  out = {std::string_view(begin, last), negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value), static_cast<std::uint8_t>(decimals)};
  at_ = last;
  return true;
}

inline bool PlainJson::boolean(bool& out) {
  out = peek() == 't';
  return word(out ? "true" : "false");
}

inline bool PlainJson::skip() {
  std::string_view text;
  Number number_read;
  bool on = false;
  switch (peek()) {
    case '{': return object([this](std::string_view) { return skip(); });
    case '[': return array([this] { return skip(); });
    case '"': return string(text);
    case 't':
    case 'f': return boolean(on);
    case 'n': return null();
    default: return number(number_read);
  }
}

inline bool PlainJson::skip(std::string_view& out) {
  (void)peek();
  const char* const begin = at_;
  if (!skip()) return false;
  out = std::string_view(begin, at_);
  return true;
}

}  // namespace meterhub::base
