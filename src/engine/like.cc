#include "like.h"

#include <algorithm>
#include <string>
#include <vector>

namespace meterhub::engine {
namespace {

// One element of a compiled pattern.
struct Element {
  enum class Kind : std::uint8_t { kAnyText, kAnyOne, kLiteral, kClass };
  Kind kind = Kind::kLiteral;
  std::string_view text;  // literal character, or the inside of a class
  bool negated = false;
};

std::vector<Element> compile(std::string_view pattern, std::string_view escape) {
  std::vector<Element> out;
  for (std::size_t i = 0; i < pattern.size();) {
    const auto one = pattern.substr(i, character_bytes(pattern, i));
    i += one.size();
    if (!escape.empty() && one == escape && i < pattern.size()) {
      const auto next = pattern.substr(i, character_bytes(pattern, i));
      i += next.size();
      out.push_back({Element::Kind::kLiteral, next});
    } else if (one == "%") {
      if (out.empty() || out.back().kind != Element::Kind::kAnyText) out.push_back({Element::Kind::kAnyText, {}});
    } else if (one == "_") {
      out.push_back({Element::Kind::kAnyOne, {}});
    } else if (const auto close = pattern.find(']', i); one == "[" && close != std::string_view::npos && close > i) {
      auto inside = pattern.substr(i, close - i);
      const bool negated = inside.size() > 1 && inside.front() == '^';
      if (negated) inside.remove_prefix(1);
      out.push_back({Element::Kind::kClass, inside, negated});
      i = close + 1;
    } else {
      out.push_back({Element::Kind::kLiteral, one});
    }
  }
  return out;
}

bool in_class(std::string_view character, std::string_view members) {
  for (std::size_t i = 0; i < members.size();) {
    const auto low = members.substr(i, character_bytes(members, i));
    i += low.size();
    if (i + 1 < members.size() && members[i] == '-') {
      const auto high = members.substr(i + 1, character_bytes(members, i + 1));
      i += 1 + high.size();
      if (low <= character && character <= high) return true;  // UTF-8 keeps the order of characters
    } else if (low == character) {
      return true;
    }
  }
  return false;
}

bool takes(const Element& element, std::string_view character) {
  switch (element.kind) {
    case Element::Kind::kAnyOne: return true;
    case Element::Kind::kLiteral: return element.text == character;
    case Element::Kind::kClass: return in_class(character, element.text) != element.negated;
    case Element::Kind::kAnyText: return false;
  }
  return false;
}

}  // namespace

std::size_t character_bytes(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  return std::min(size, text.size() - at);
}

std::size_t character_count(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::size_t character_position(std::string_view text, std::size_t n) {
  std::size_t at = 0;
  while (n > 0 && at < text.size()) {
    at += character_bytes(text, at);
    --n;
  }
  return at;
}

namespace {

// Greedy with one way back: to the newest %, which may take one character more. Gives where the
// match of what follows a leading % begins: while no other % was met, that is moved on; afterwards
// its leftmost place leaves the most room for the rest.
std::optional<std::size_t> match(std::string_view text, const std::vector<Element>& elements) {
  std::size_t at = 0;
  std::size_t next = 0;
  std::size_t star = elements.size();
  std::size_t star_at = 0;
  std::size_t begin = 0;
  while (at < text.size()) {
    const auto size = character_bytes(text, at);
    if (next < elements.size() && elements[next].kind == Element::Kind::kAnyText) {
      star = next++;
      star_at = at;
    } else if (next < elements.size() && takes(elements[next], text.substr(at, size))) {
      at += size;
      ++next;
    } else if (star < elements.size()) {
      star_at += character_bytes(text, star_at);
      at = star_at;
      next = star + 1;
      if (star == 0) begin = star_at;
    } else {
      return std::nullopt;
    }
  }
  while (next < elements.size() && elements[next].kind == Element::Kind::kAnyText) ++next;
  return next == elements.size() ? std::optional(begin) : std::nullopt;
}

}  // namespace

bool matches_like(std::string_view text, std::string_view pattern, std::string_view escape) {
  return match(text, compile(pattern, escape)).has_value();
}

std::optional<std::size_t> find_like(std::string_view text, std::string_view pattern) {
  const auto elements = compile(pattern, {});
  const bool any = elements.size() == 1 && elements.front().kind == Element::Kind::kAnyText;
  return any ? std::optional<std::size_t>(0) : match(text, elements);
}

char32_t code_point(std::string_view character) {
  constexpr char32_t kNone = 0xFFFD;
  const auto lead = static_cast<unsigned char>(character.front());
  if (lead < 0x80) return lead;
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || character.size() != size) return kNone;
  char32_t number = lead & (0x7F >> size);
  for (const char byte : character.substr(1)) {
    if ((byte & 0xC0) != 0x80) return kNone;
    number = number << 6 | static_cast<char32_t>(byte & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = number >= 0xD800 && number <= 0xDFFF;
  return number < kLeast[size] || number > 0x10FFFF || surrogate ? kNone : number;
}

std::string utf8(char32_t number) {
  const auto tail = [number](int shift) { return static_cast<char>(0x80 | (number >> shift & 0x3F)); };
  if (number < 0x80) return {static_cast<char>(number)};
  if (number < 0x800) return {static_cast<char>(0xC0 | number >> 6), tail(0)};
  if (number < 0x10000) return {static_cast<char>(0xE0 | number >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | number >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace meterhub::engine
