// From text to tokens (stream-sql 2). The lexer never stops: what it cannot read becomes
// a diagnostic and is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/sql/diagnostic.h>

#include "report.h"

namespace meterhub::sql {

enum class TokenKind : std::uint8_t {
  kEnd,
  kWord,          // unquoted identifier or keyword
  kBracketed,     // [name]
  kDoubleQuoted,  // "name"
  kString,
  kInteger,
  kNumber,        // with fraction or exponent
  kSymbol,        // operators and punctuation
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // names and strings: without quotes; others: as written
  Span span;
};

// The last token is always kEnd.
std::vector<Token> tokenize(std::string_view text, Report& report);

}  // namespace meterhub::sql
