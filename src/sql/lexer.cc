#include "lexer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace meterhub::sql {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; }
bool name_start(char c) { return letter(c) || c == '_' || c == '@' || c == '#'; }
bool name_part(char c) { return name_start(c) || digit(c) || c == '$'; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v'; }

class Lexer {
 public:
  Lexer(std::string_view text, Report& report) : text_(text), report_(report) {}

  std::vector<Token> run() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // editors on Windows write a byte order mark
    while (skip_blanks_and_comments(), at_ < text_.size()) next();
    add(TokenKind::kEnd, at_, {});
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  Span span(std::size_t begin) const { return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(at_)}; }

  void add(TokenKind kind, std::size_t begin, std::string text) {
    tokens_.push_back(Token{kind, std::move(text), span(begin)});
  }

  void skip_blanks_and_comments() {
    while (at_ < text_.size()) {
      if (blank(peek())) ++at_;
      else if (text_.substr(at_).starts_with("--")) at_ = std::min(text_.find('\n', at_), text_.size());
      else if (text_.substr(at_).starts_with("/*")) skip_block_comment();
      else return;
    }
  }

  void skip_block_comment() {
    const std::size_t begin = at_;
    const std::size_t end = text_.find("*/", at_ + 2);
    if (end == std::string_view::npos) {
      at_ = begin + 2;
      report_.error(span(begin), "unterminated_comment", "this comment is never closed", "*/");
    }
    at_ = end == std::string_view::npos ? text_.size() : end + 2;
  }

  void next() {
    const char c = peek();
    if (name_start(c)) word();
    else if (digit(c) || (c == '.' && digit(peek(1)) && !after_name())) number();
    else if (c == '\'') quoted('\'', TokenKind::kString, "string", "'");
    else if (c == '"') quoted('"', TokenKind::kDoubleQuoted, "name", "\"");
    else if (c == '[') quoted(']', TokenKind::kBracketed, "name", "]");
    else symbol();
  }

  // "a.5" is a field called 5 to nobody; "a .5" is a mistake either way. Both read as a dot.
  bool after_name() const {
    if (tokens_.empty() || tokens_.back().span.end != at_) return false;
    const TokenKind kind = tokens_.back().kind;
    return kind == TokenKind::kWord || kind == TokenKind::kBracketed || kind == TokenKind::kDoubleQuoted;
  }

  void word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && name_part(peek())) ++at_;
    add(TokenKind::kWord, begin, std::string(text_.substr(begin, at_ - begin)));
  }

  void digits() {
    while (digit(peek())) ++at_;
  }

  void number() {
    const std::size_t begin = at_;
    TokenKind kind = TokenKind::kInteger;
    digits();
    if (peek() == '.') {
      kind = TokenKind::kNumber;
      ++at_;
      digits();
    }
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if ((peek() == 'e' || peek() == 'E') && digit(peek(1 + sign))) {
      kind = TokenKind::kNumber;
      at_ += 1 + sign;
      digits();
    }
    if (name_start(peek())) {
      while (at_ < text_.size() && name_part(peek())) ++at_;
      report_.error(span(begin), "bad_number", "a name cannot begin with a digit", "a number such as 12, 1.5 or 1e3",
                    fmt::format("[{}]", text_.substr(begin, at_ - begin)));
    }
    add(kind, begin, std::string(text_.substr(begin, at_ - begin)));
  }

  // A doubled closing quote stands for itself.
  void quoted(char close, TokenKind kind, std::string_view what, std::string_view shown) {
    const std::size_t begin = at_++;
    std::string value;
    while (at_ < text_.size()) {
      if (peek() != close) {
        value += text_[at_++];
      } else if (peek(1) == close) {
        value += close;
        at_ += 2;
      } else {
        ++at_;
        if (kind != TokenKind::kString && value.empty()) report_.error(span(begin), "empty_name", "a name cannot be empty");
        return add(kind, begin, std::move(value));
      }
    }
    unterminated(begin, kind, what, shown);
  }

  // The line's rest counts as the token, so that the lines below are still checked.
  void unterminated(std::size_t begin, TokenKind kind, std::string_view what, std::string_view shown) {
    at_ = std::min(text_.find('\n', begin), text_.size());
    report_.error(span(begin), fmt::format("unterminated_{}", what), fmt::format("this {} is never closed", what),
                  std::string(shown));
    std::string value(text_.substr(begin + 1, at_ - begin - 1));
    if (value.empty()) value = "?";
    add(kind, begin, std::move(value));
  }

  void symbol() {
    constexpr std::array<std::string_view, 6> kPairs = {"<>", "!=", "<=", ">=", "!<", "!>"};
    constexpr std::string_view kSingles = "=<>+-*/%&|^~(),.;?{}";
    const std::size_t begin = at_;
    const std::string_view pair = text_.substr(at_, 2);
    if (std::ranges::find(kPairs, pair) != kPairs.end()) at_ += 2;
    else if (++at_; !kSingles.contains(text_[begin])) return unknown(begin);
    add(TokenKind::kSymbol, begin, std::string(text_.substr(begin, at_ - begin)));
  }

  void unknown(std::size_t begin) {
    const auto byte = static_cast<unsigned char>(text_[begin]);
    const std::string shown = byte > 0x20 && byte < 0x7f ? fmt::format("'{}'", text_[begin]) : fmt::format("byte 0x{:02x}", byte);
    const bool equal = text_[begin] == '!';
    report_.error(span(begin), "unknown_character", fmt::format("{} has no meaning here", shown), {},
                  equal ? "not equal is <> or !=; the negation is NOT" : "");
  }

  std::string_view text_;
  Report& report_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view text, Report& report) { return Lexer(text, report).run(); }

}  // namespace meterhub::sql
