#include "query_words.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <meterhub/base/ascii.h>

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
// A name may hold '$', as in $edgeAgent; whether there is such a thing is the parser's to say.
bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }
bool is_of_name(char c) { return begins_name(c) || is_digit(c); }
bool is_of_number(char c) { return is_digit(c) || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'; }

std::unexpected<base::Error> wrong(const std::string& what, std::size_t at) {
  return base::fail(Errc::kInvalidArgument, what + " at character " + std::to_string(at + 1));
}

}  // namespace

bool Word::is_keyword(std::string_view upper_case) const {
  return kind == WordKind::kName && base::same_ignoring_case(spelling, upper_case);
}

std::size_t QueryWords::run(std::size_t from, bool (*belongs)(char)) const {
  while (from < text_.size() && belongs(text_[from])) ++from;
  return from;
}

Result<Word> QueryWords::next() {
  at_ = run(at_, is_blank);
  if (at_ == text_.size()) return Word{WordKind::kEnd, {}, {}, 0, at_};
  const char first = text_[at_];
  if (first == '\'' || first == '"') return quoted();
  const bool signed_number = first == '-' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]);
  if (is_digit(first) || signed_number) return number();
  if (begins_name(first)) return name();
  return sign();
}

// A quote inside is doubled, or escaped with a backslash.
Result<Word> QueryWords::quoted() {
  const char quote = text_[at_];
  Word out{WordKind::kText, {}, {}, 0, at_};
  for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
    const bool another = i + 1 < text_.size();
    const bool escapes = another && (text_[i] == '\\' || (text_[i] == quote && text_[i + 1] == quote));
    if (escapes) {
      out.text += text_[++i];
    } else if (text_[i] != quote) {
      out.text += text_[i];
    } else {
      out.spelling = text_.substr(at_, i + 1 - at_);
      at_ = i + 1;
      return out;
    }
  }
  return wrong("a text has no end: it begins", at_);
}

Result<Word> QueryWords::number() {
  const auto end = run(at_ + 1, is_of_number);
  Word out{WordKind::kNumber, text_.substr(at_, end - at_), {}, 0, at_};
  const auto* const last = out.spelling.data() + out.spelling.size();
  const auto [stop, error] = std::from_chars(out.spelling.data(), last, out.number);
  if (error != std::errc() || stop != last) return wrong("there is no number '" + std::string(out.spelling) + "'", at_);
  at_ = end;
  return out;
}

Word QueryWords::name() {
  const auto end = run(at_, is_of_name);
  Word out{WordKind::kName, text_.substr(at_, end - at_), {}, 0, at_};
  at_ = end;
  return out;
}

Result<Word> QueryWords::sign() {
  constexpr std::array<std::string_view, 14> kSigns{"!=", "<>", "<=", ">=", "=", "<", ">",
                                                    "(",  ")",  "[",  "]",  ",", ".", "*"};
  const auto rest = text_.substr(at_);
  const auto found = std::ranges::find_if(kSigns, [&](std::string_view sign) { return rest.starts_with(sign); });
  if (found == kSigns.end()) return wrong("a character that means nothing in a query", at_);
  Word out{WordKind::kSign, rest.substr(0, found->size()), {}, 0, at_};
  at_ += found->size();
  return out;
}

}  // namespace meterhub::identity
