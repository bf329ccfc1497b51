// The text of a device query as words. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <meterhub/base/result.h>

namespace meterhub::identity {

enum class WordKind : std::uint8_t { kName, kText, kNumber, kSign, kEnd };

struct Word {
  WordKind kind = WordKind::kEnd;
  std::string_view spelling;  // as it stands in the query
  std::string text{};         // kText: without quotes
  double number = 0;          // kNumber
  std::size_t at = 0;         // of its first byte

  bool is_sign(std::string_view sign) const { return kind == WordKind::kSign && spelling == sign; }
  // Keywords stand in any case.
  bool is_keyword(std::string_view upper_case) const;
};

// The text outlives it.
class QueryWords {
 public:
  explicit QueryWords(std::string_view text) : text_(text) {}
  // kInvalidArgument: a text without its end, a number that is none, a character of no meaning. At the end: kEnd, again
  // and again.
  base::Result<Word> next();

 private:
  base::Result<Word> quoted();
  base::Result<Word> number();
  Word name();
  base::Result<Word> sign();
  std::size_t run(std::size_t from, bool (*belongs)(char)) const;

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace meterhub::identity
