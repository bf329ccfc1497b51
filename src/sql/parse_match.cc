// MATCH_RECOGNIZE. The published pages have its clauses in two orders: any is accepted, each once.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <meterhub/base/result.h>

#include "names.h"
#include "parser.h"

namespace meterhub::sql {

using namespace ast;

namespace {

constexpr std::array<std::string_view, 6> kClauses = {"LIMIT", "PARTITION", "MEASURES", "AFTER", "PATTERN", "DEFINE"};
constexpr std::string_view kExpected =
    "LIMIT DURATION, PARTITION BY, MEASURES, AFTER MATCH, PATTERN, DEFINE or ')' in MATCH_RECOGNIZE";

}  // namespace

// After a mistake its parentheses are left, and what stands behind them is still checked.
void Parser::match_recognize(Select& select) {
  const Span begin = take().span;
  const std::uint32_t outside = parens_;
  MatchRecognize result;
  if (!match_body(result)) {
    while (!at_end() && parens_ > outside) take();
    result.failed = true;
  }
  result.span = since(begin);
  const bool named = take_word("AS");
  if (alias_ahead()) result.alias = take_name();
  else if (named) (void)unexpected_token("a name after AS");
  select.match_recognize = std::move(result);
}

Done Parser::match_body(MatchRecognize& match) {
  MH_TRY_VOID(expect_symbol("(", "after MATCH_RECOGNIZE"));
  std::array<bool, kClauses.size()> seen{};
  while (!at_symbol(")")) {
    const auto clause = std::ranges::find_if(kClauses, [&](std::string_view word) { return at_word(word); });
    if (clause == kClauses.end()) {
      MH_TRY_VOID(foreign_match_clause());
      continue;
    }
    const auto which = static_cast<std::size_t>(clause - kClauses.begin());
    if (std::exchange(seen[which], true))
      report_.error(peek().span, "clause_order", fmt::format("{} stands twice", *clause));
    MH_TRY_VOID(match_clause(which, match));
  }
  take();
  return {};
}

// What standard SQL has here and this language has not.
Done Parser::foreign_match_clause() {
  if (at_word("ONE") && at_word("ROW", 1)) {  // the default
    take();
    take();
    MH_TRY_VOID(expect_word("PER", "after ONE ROW"));
    return expect_word("MATCH", "after ONE ROW PER");
  }
  const Span begin = peek().span;
  if (at_word("ORDER")) {
    report_.error(begin, "not_in_language", "MATCH_RECOGNIZE has no ORDER BY: events come in the order of time", {},
                  "TIMESTAMP BY behind the input sets the time");
  } else if (at_word("ALL")) {
    report_.error(begin, "not_in_language", "a match gives one row, not all its events", {},
                  "First, Last and Classifier in MEASURES tell what was matched");
  } else if (at_word("SUBSET") || at_word("WITHIN")) {
    report_.error(begin, "not_in_language", fmt::format("{} is not part of the language", peek().text), {},
                  at_word("WITHIN") ? "LIMIT DURATION(unit, n)" : "");
  } else {
    return unexpected_token(std::string(kExpected));
  }
  const auto clause = [&] {
    return std::ranges::any_of(kClauses, [&](std::string_view word) { return at_word(word); });
  };
  for (const std::uint32_t inside = parens_; !at_end() && (parens_ > inside || (!clause() && !at_symbol(")")));) take();
  return {};
}

Done Parser::match_clause(std::size_t which, MatchRecognize& match) {
  take();
  switch (which) {
    case 0: match.limit = MH_TRY(duration_call("DURATION", false)); return {};
    case 1:
      MH_TRY_VOID(expect_word("BY", "after PARTITION"));
      match.partition = MH_TRY(expressions());
      return {};
    case 2: return measures(match);
    case 3: return after_match();
    case 4: {
      MH_TRY_VOID(expect_symbol("(", "before the pattern"));
      match.pattern = MH_TRY(pattern());
      return expect_symbol(")", "after the pattern");
    }
    default: return definitions(match);
  }
}

Done Parser::measures(MatchRecognize& match) {
  do {
    MatchRecognize::Measure measure;
    measure.value = MH_TRY(expression());
    MH_TRY_VOID(expect_word("AS", "and a name, as in Last(A.value) AS value"));
    const Token& token = peek();
    if (token.kind != TokenKind::kWord && token.kind != TokenKind::kString)
      measure.name = MH_TRY(expect_name("the measure's name"));
    else measure.name = take_name();
    match.measures.push_back(std::move(measure));
  } while (take_symbol(","));
  return {};
}

Done Parser::after_match() {
  MH_TRY_VOID(expect_word("MATCH", "after AFTER"));
  const Span begin = peek().span;
  MH_TRY_VOID(expect_word("SKIP", "after AFTER MATCH"));
  if (at_word("TO") && at_word("NEXT", 1) && at_word("ROW", 2)) {
    for (int i = 0; i < 3; ++i) take();
    return {};
  }
  const auto clause = [&] {
    return std::ranges::any_of(kClauses, [&](std::string_view word) { return at_word(word); });
  };
  while (!at_end() && !clause() && !at_symbol(")")) take();
  report_.error(since(begin), "not_in_language", "the search goes on with the event after a match's first",
                "SKIP TO NEXT ROW", "AFTER MATCH SKIP TO NEXT ROW");
  return {};
}

Done Parser::definitions(MatchRecognize& match) {
  do {
    MatchRecognize::Definition definition;
    definition.variable = MH_TRY(expect_name("a variable of the pattern"));
    MH_TRY_VOID(expect_word("AS", "and a condition, as in A AS A.value > 5"));
    definition.condition = MH_TRY(expression());
    match.definitions.push_back(std::move(definition));
  } while (take_symbol(","));
  return {};
}

// Alternatives of sequences.
Parsed<Pattern> Parser::pattern() {
  const Nesting nesting(*this);
  MH_TRY_VOID(nesting.check());
  const Span begin = peek().span;
  Pattern result;
  result.kind = PatternKind::kAlternation;
  do {
    result.parts.push_back(MH_TRY(pattern_sequence()));
  } while (take_symbol("|"));
  result.span = since(begin);
  if (result.parts.size() > 1) return result;
  Pattern only = std::move(result.parts.front());
  return only;
}

Parsed<Pattern> Parser::pattern_sequence() {
  const Span begin = peek().span;
  Pattern result;
  result.kind = PatternKind::kSequence;
  while (!at_symbol("|") && !at_symbol(")") && !at_end()) result.parts.push_back(MH_TRY(pattern_atom()));
  if (result.parts.empty()) return unexpected_token("a variable of the pattern", "A? for one that may be missing");
  result.span = since(begin);
  if (result.parts.size() > 1) return result;
  Pattern only = std::move(result.parts.front());
  return only;
}

Parsed<Pattern> Parser::pattern_atom() {
  const Span begin = peek().span;
  Pattern atom;
  if (take_symbol("(")) {
    atom = MH_TRY(pattern());
    MH_TRY_VOID(expect_symbol(")", "after the alternatives"));
  } else {
    if (at_symbol(",")) return unexpected_token("a variable of the pattern", "variables are separated by spaces");
    atom.kind = PatternKind::kVariable;
    if (take_symbol(".")) atom.variable = Name{".", begin, false};
    else atom.variable = MH_TRY(expect_name("a variable of the pattern"));
  }
  Pattern result;
  result.kind = PatternKind::kRepeat;
  if (!MH_TRY(quantifier(result))) {
    atom.span = since(begin);
    return atom;
  }
  result.parts.push_back(std::move(atom));
  result.span = since(begin);
  return result;
}

// *, +, ?, {n}, {n,}, {n,m}: as often as possible first.
Parsed<bool> Parser::quantifier(Pattern& repeat) {
  if (take_symbol("*")) repeat.least = 0;
  else if (take_symbol("+")) repeat.least = 1;
  else if (take_symbol("?")) {
    repeat.least = 0;
    repeat.most = 1;
  } else if (take_symbol("{")) {
    repeat.least = MH_TRY(expect_integer("a number of times", false));
    if (!take_symbol(",")) repeat.most = repeat.least;
    else if (!at_symbol("}")) repeat.most = MH_TRY(expect_integer("a number of times, or '}'", false));
    MH_TRY_VOID(expect_symbol("}", "after the number of times"));
  } else {
    return false;
  }
  const bool second = at_symbol("*") || at_symbol("+") || at_symbol("?") || at_symbol("{");
  if (second)
    return unexpected_token("one of * + ? {n,m} after a variable", "parentheses around what is repeated twice");
  return true;
}

}  // namespace meterhub::sql
