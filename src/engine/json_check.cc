#include "json_check.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace meterhub::engine {
namespace {

constexpr std::string_view kNotJson = "not readable as JSON";

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count])) ++count;
  return count;
}

// Recursive descent; each function stands behind its value when it returns true.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  std::string_view run() {
    if (value(0)) blanks();
    if (!fault_.empty()) return fault_;
    return at_ == text_.size() ? std::string_view() : kNotJson;
  }

 private:
  bool refuse(std::string_view why) {
    if (fault_.empty()) fault_ = why;
    return false;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }
  bool take(char c) {
    blanks();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return refuse(kNotJson);
    at_ += expected.size();
    return true;
  }

  bool value(std::size_t depth) {
    blanks();
    switch (peek()) {
      case '{': return object(depth + 1);
      case '[': return array(depth + 1);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  bool object(std::size_t depth) {
    if (depth > kDepthMax) return refuse("nested too deeply");
    ++at_;
    if (take('}')) return true;
    do {
      blanks();
      if (peek() != '"') return refuse(kNotJson);
      if (!string()) return false;
      if (!take(':')) return refuse(kNotJson);
      if (!value(depth)) return false;
    } while (take(','));
    return take('}') || refuse(kNotJson);
  }

  bool array(std::size_t depth) {
    if (depth > kDepthMax) return refuse("nested too deeply");
    ++at_;
    if (take(']')) return true;
    do {
      if (!value(depth)) return false;
    } while (take(','));
    return take(']') || refuse(kNotJson);
  }

  bool escape() {
    constexpr std::string_view kPlain = "\"\\/bfnrt";
    if (kPlain.find(peek()) != std::string_view::npos) return ++at_ != 0;
    if (peek() != 'u' || text_.size() - at_ < 5) return refuse(kNotJson);
    const auto digits = text_.substr(at_ + 1, 4);
    at_ += 5;
    return std::ranges::all_of(digits, is_hex) || refuse(kNotJson);
  }

  bool string() {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return refuse(kNotJson);
      if (c == '\\' && !escape()) return false;
    }
    return refuse(kNotJson);
  }

  bool number() {
    const auto end = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    const auto token = text_.substr(at_, end - at_);
    if (!is_json_number(token)) return refuse(kNotJson);
    at_ = end;
    if (token.size() < 18 || token.find_first_of(".eE") != std::string_view::npos) return true;
    std::int64_t whole = 0;
    const auto read = std::from_chars(token.data(), token.data() + token.size(), whole);
    return read.ec == std::errc() || refuse("a whole number beyond 64 bits");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string_view fault_;
};

}  // namespace

bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto whole = digits_at(text, at);
  if (whole == 0 || (whole > 1 && text[at] == '0')) return false;
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const auto fraction = digits_at(text, ++at);
    if (fraction == 0) return false;
    at += fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const auto exponent = digits_at(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

std::string_view json_fault(std::string_view text) { return Checker(text).run(); }

namespace {

bool opens(char c) { return (c | 0x20) == '{'; }  // '[' too

// In blocks of fixed size, which the compiler counts 16 bytes at a time.
std::size_t count_openings(std::string_view json) {
  constexpr std::size_t kBlock = 64;
  std::size_t count = 0;
  for (; json.size() >= kBlock; json.remove_prefix(kBlock)) {
    std::uint8_t in_block = 0;
    for (std::size_t i = 0; i < kBlock; ++i) in_block = static_cast<std::uint8_t>(in_block + (opens(json[i]) ? 1 : 0));
    count += in_block;
  }
  return count + static_cast<std::size_t>(std::ranges::count_if(json, opens));
}

}  // namespace

bool too_deep(std::string_view json) {
  // Few brackets cannot nest deeply: nearly every event ends here.
  if (count_openings(json) <= kDepthMax) return false;
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace meterhub::engine
