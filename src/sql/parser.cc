#include "parser.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <meterhub/base/result.h>
#include <meterhub/sql/limits.h>

#include "names.h"

namespace meterhub::sql {

using namespace ast;

bool reserved(std::string_view word) {
  constexpr std::array<std::string_view, 37> kWords = {
      "select", "from",  "where", "group", "having",  "into",   "union",    "join", "inner", "left",
      "right",  "full",  "outer", "cross", "apply",   "on",     "as",       "and",  "or",    "not",
      "in",     "is",    "null",  "like",  "between", "case",   "when",     "then", "else",  "end",
      "with",   "order", "over",  "by",    "create",  "escape", "distinct"};
  return std::ranges::any_of(kWords, [&](std::string_view w) { return same_name(w, word); });
}

const Token& Parser::peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

bool Parser::at_word(std::string_view word, std::size_t ahead) const {
  return peek(ahead).kind == TokenKind::kWord && same_name(peek(ahead).text, word);
}

bool Parser::at_symbol(std::string_view symbol, std::size_t ahead) const {
  return peek(ahead).kind == TokenKind::kSymbol && peek(ahead).text == symbol;
}

bool Parser::at_name(std::size_t ahead) const {
  const Token& token = peek(ahead);
  if (token.kind == TokenKind::kWord) return !reserved(token.text);
  return token.kind == TokenKind::kBracketed || token.kind == TokenKind::kDoubleQuoted;
}

const Token& Parser::take() {
  const Token& token = peek();
  if (at_symbol("(")) ++parens_;
  if (at_symbol(")") && parens_ > 0) --parens_;
  if (!at_end()) ++at_;
  return token;
}

bool Parser::take_word(std::string_view word) {
  if (!at_word(word)) return false;
  take();
  return true;
}

bool Parser::take_symbol(std::string_view symbol) {
  if (!at_symbol(symbol)) return false;
  take();
  return true;
}

Span Parser::since(Span begin) const {
  const std::uint32_t end = at_ == 0 ? begin.end : tokens_[at_ - 1].span.end;
  return {begin.begin, std::max(end, begin.begin)};
}

std::string Parser::found() const {
  constexpr std::size_t kShown = 40;
  if (at_end()) return "the end of the query";
  const std::string text(report_.text().substr(peek().span.begin, std::min<std::size_t>(kShown, peek().span.end - peek().span.begin)));
  return fmt::format("'{}'", text);
}

std::unexpected<Stop> Parser::unexpected_token(std::string expected, std::string suggestion) {
  if (!over_nested_) {
    report_.error(peek().span, "syntax", fmt::format("unexpected {}", at_end() ? "end of the query" : found()),
                  std::move(expected), std::move(suggestion));
  }
  return std::unexpected(Stop{});
}

Done Parser::expect_word(std::string_view word, std::string_view after) {
  if (take_word(word)) return {};
  return unexpected_token(fmt::format("{} {}", word, after));
}

Done Parser::expect_symbol(std::string_view symbol, std::string_view after) {
  if (take_symbol(symbol)) return {};
  return unexpected_token(fmt::format("'{}' {}", symbol, after));
}

Name Parser::take_name() {
  const Token& token = take();
  return Name{token.text, token.span, token.kind == TokenKind::kDoubleQuoted};
}

Parsed<Name> Parser::expect_name(std::string_view what) {
  if (at_name()) return take_name();
  const bool keyword = peek().kind == TokenKind::kWord;
  const bool text = peek().kind == TokenKind::kString;
  return unexpected_token(std::string(what), keyword || text ? fmt::format("[{}]", peek().text) : "");
}

Parsed<std::int64_t> Parser::expect_integer(std::string_view what, bool sign_allowed) {
  const bool negative = sign_allowed && take_symbol("-");
  std::int64_t value = 0;
  const std::string& text = peek().text;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (peek().kind != TokenKind::kInteger || error != std::errc{} || end != text.data() + text.size()) {
    return unexpected_token(std::string(what));
  }
  take();
  return negative ? -value : value;
}

Done Parser::Nesting::check() const {
  if (parser_.nesting_ <= kNestingMax) return {};
  if (!parser_.over_nested_) {
    parser_.report_.error(parser_.peek().span, "nested_too_deeply",
                          fmt::format("more than {} levels of nesting", kNestingMax));
  }
  parser_.over_nested_ = true;
  return std::unexpected(Stop{});
}

// Stops before a word that begins a clause: expressions hold none of them, so this is
// right even when a parenthesis was forgotten.
void Parser::skip_to_clause(std::uint32_t parens) {
  while (!at_end()) {
    Clause ignored{};
    if (clause_ahead(ignored) || at_word("SELECT") || at_word("CREATE") || at_symbol(";") || at_word("UNION")) break;
    if (parens > 0 && parens_ <= parens && at_symbol(")")) break;
    take();
  }
  parens_ = parens;
}

void Parser::skip_to_statement() {
  while (!at_end() && !at_word("SELECT") && !at_word("WITH") && !at_word("CREATE") && !at_symbol(";")) take();
  parens_ = 0;
}

// After "(" was taken: to the matching ")" or the end.
void Parser::skip_parentheses() {
  const std::uint32_t outside = parens_ - 1;
  while (!at_end() && parens_ > outside) take();
}

Program Parser::parse() {
  Program program;
  while (!at_end() && !over_nested_) program_part(program);
  if (program.statements.empty() && !report_.failed()) {
    (void)unexpected_token("a SELECT statement");
  }
  return program;
}

void Parser::program_part(Program& program) {
  if (take_symbol(";")) return;
  parens_ = 0;
  if (at_word("CREATE")) {
    if (!create_table(program)) skip_to_statement();
  } else if (at_word("WITH")) {
    with(program);
  } else if (at_word("SELECT") || at_symbol("(")) {
    statement(program);
  } else {
    foreign_clause();
    if (!at_end()) take();
    skip_to_statement();
  }
}

Done Parser::create_table(Program& program) {
  const Span begin = take().span;
  MH_TRY_VOID(expect_word("TABLE", "after CREATE"));
  Table table;
  table.name = MH_TRY(expect_name("the table's name"));
  MH_TRY_VOID(expect_symbol("(", "before the columns"));
  do {
    TableColumn column;
    column.name = MH_TRY(expect_name("a column's name"));
    column.type = MH_TRY(type());
    table.columns.push_back(std::move(column));
  } while (take_symbol(","));
  MH_TRY_VOID(expect_symbol(")", "after the columns"));
  if (!program.statements.empty() || !program.steps.empty()) {
    report_.error(since(begin), "misplaced_create_table", "CREATE TABLE stands before WITH and SELECT");
  }
  program.tables.push_back(std::move(table));
  return {};
}

Parsed<Type> Parser::type() {
  constexpr std::array<std::pair<std::string_view, Type>, 7> kTypes = {{{"bigint", Type::kBigint},
                                                                        {"float", Type::kFloat},
                                                                        {"datetime", Type::kDatetime},
                                                                        {"bit", Type::kBit},
                                                                        {"record", Type::kRecord},
                                                                        {"array", Type::kArray},
                                                                        {"nvarchar", Type::kText}}};
  constexpr std::array<std::string_view, 10> kInts = {"int", "integer", "smallint", "tinyint", "long"};
  for (const auto& [name, type] : kTypes) {
    if (!take_word(name)) continue;
    if (type != Type::kText) return type;
    MH_TRY_VOID(expect_symbol("(", "after nvarchar: the type is nvarchar(max)"));
    MH_TRY_VOID(expect_word("MAX", "in nvarchar(max)"));
    MH_TRY_VOID(expect_symbol(")", "in nvarchar(max)"));
    return type;
  }
  std::string suggestion;
  const std::string word = folded(peek().text);
  if (word.contains("char") || word == "string" || word == "text") suggestion = "nvarchar(max)";
  else if (std::ranges::find(kInts, word) != kInts.end()) suggestion = "bigint";
  else if (word == "double" || word == "real" || word == "decimal" || word == "numeric") suggestion = "float";
  else if (word == "bool" || word == "boolean") suggestion = "bit";
  else if (word.starts_with("date") || word == "timestamp") suggestion = "datetime";
  return unexpected_token("a type: bigint, float, nvarchar(max), datetime, bit, record or array", suggestion);
}

void Parser::with(Program& program) {
  const Span begin = take().span;
  if (!program.steps.empty() || !program.statements.empty()) {
    report_.error(begin, "second_with", program.steps.empty() ? "WITH stands before the first statement" : "a query has one WITH",
                  {}, "add the steps to one list at the query's beginning: WITH a AS (...), b AS (...)");
  }
  do {
    if (at_word("SELECT")) return;  // a comma after the last step is accepted
    if (!step(program)) {
      // On to the next step if one can be seen, else to the statements.
      while (!at_end() && parens_ > 0) take();
      if (!at_symbol(",")) return skip_to_statement();
    }
  } while (take_symbol(","));
}

Done Parser::step(Program& program) {
  ast::Step step;
  step.name = MH_TRY(expect_name("a step's name"));
  MH_TRY_VOID(expect_word("AS", "after the step's name"));
  MH_TRY_VOID(expect_symbol("(", "before the step's query"));
  auto body = query();
  if (!body) return std::unexpected(Stop{});
  step.query = std::move(*body);
  program.steps.push_back(std::move(step));
  return expect_symbol(")", "after the step's query");
}

void Parser::statement(Program& program) {
  auto parsed = query();
  if (!parsed) return skip_to_statement();
  program.statements.push_back(std::move(*parsed));
}

Parsed<Query> Parser::query() {
  const Nesting nesting(*this);
  MH_TRY_VOID(nesting.check());
  Query result;
  const Span begin = peek().span;
  if (at_symbol("(")) MH_TRY_VOID(query_in_parentheses(result));
  else result.branches.push_back(MH_TRY(select()));
  while (take_word("UNION")) {
    take_word("ALL");
    if (at_symbol("(")) MH_TRY_VOID(query_in_parentheses(result));
    else result.branches.push_back(MH_TRY(select()));
  }
  result.span = since(begin);
  return result;
}

Done Parser::query_in_parentheses(Query& into) {
  MH_TRY_VOID(expect_symbol("(", "before a query"));
  Query inner = MH_TRY(query());
  std::ranges::move(inner.branches, std::back_inserter(into.branches));
  return expect_symbol(")", "after the query");
}

}  // namespace meterhub::sql
