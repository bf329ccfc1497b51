// From tokens to the syntax tree (grammar: stream-sql 2). After a mistake the parser goes
// on at the next clause or statement, so that one pass finds several.
#pragma once

#include <expected>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <meterhub/sql/ast.h>

#include "lexer.h"
#include "report.h"

namespace meterhub::sql {

// The error was reported; the caller returns up to where parsing can go on.
struct Stop {};
template <class T>
using Parsed = std::expected<T, Stop>;
using Done = std::expected<void, Stop>;

class Parser {
 public:
  Parser(std::vector<Token> tokens, Report& report) : tokens_(std::move(tokens)), report_(report) {}

  ast::Program parse();

 private:
  class Nesting;
  enum class Clause : std::uint8_t { kInto, kFrom, kWhere, kGroup, kHaving };

  // Tokens.
  const Token& peek(std::size_t ahead = 0) const;
  bool at_word(std::string_view word, std::size_t ahead = 0) const;
  bool at_symbol(std::string_view symbol, std::size_t ahead = 0) const;
  bool at_end() const { return peek().kind == TokenKind::kEnd; }
  bool at_name(std::size_t ahead = 0) const;  // an identifier that is not a reserved word
  const Token& take();
  bool take_word(std::string_view word);
  bool take_symbol(std::string_view symbol);
  Done expect_word(std::string_view word, std::string_view after);
  Done expect_symbol(std::string_view symbol, std::string_view after);
  Parsed<ast::Name> expect_name(std::string_view what);
  Parsed<std::int64_t> expect_integer(std::string_view what, bool sign_allowed);
  Span since(Span begin) const;  // from begin to the last token taken
  std::unexpected<Stop> unexpected_token(std::string expected, std::string suggestion = {});
  std::string found() const;

  // Recovery.
  void skip_to_clause(std::uint32_t parens);
  void skip_to_statement();
  void skip_parentheses();

  // parser.cc: program and statements.
  void program_part(ast::Program& program);
  Done create_table(ast::Program& program);
  Parsed<Type> type();
  void with(ast::Program& program);
  Done step(ast::Program& program);
  void statement(ast::Program& program);
  Parsed<ast::Query> query();
  Done query_in_parentheses(ast::Query& into);

  // parse_select.cc
  Parsed<ast::Select> select();
  bool clause_ahead(Clause& clause) const;
  void foreign_words_after_select();
  void foreign_clause();
  Done clause(Clause which, ast::Select& select);
  Done items(ast::Select& select);
  Parsed<ast::Item> item();
  Done item_alias(ast::Item& item);
  Done from(ast::Select& select);
  Parsed<ast::Source> source();
  Done source_options(ast::Source& source);
  bool alias_ahead() const;
  Parsed<bool> link(ast::Select& select);
  Done join(ast::Select& select, ast::LinkKind kind, Span begin);
  Done apply(ast::Select& select, ast::LinkKind kind, Span begin);
  Done group(ast::Select& select);

  // parse_match.cc
  void match_recognize(ast::Select& select);
  Done match_body(ast::MatchRecognize& match);
  Done match_clause(std::size_t which, ast::MatchRecognize& match);
  Done foreign_match_clause();
  Done measures(ast::MatchRecognize& match);
  Done after_match();
  Done definitions(ast::MatchRecognize& match);
  Parsed<ast::Pattern> pattern();
  Parsed<ast::Pattern> pattern_sequence();
  Parsed<ast::Pattern> pattern_atom();
  Parsed<bool> quantifier(ast::Pattern& repeat);

  // parse_window.cc
  bool window_ahead() const;
  Parsed<ast::GroupItem> windows_list();
  Parsed<ast::Window> list_window();
  Parsed<ast::Window> window();
  Done window_arguments(ast::Window& window);
  Done window_functions(ast::Window& window);
  Done window_numbers(ast::Window& window);
  Parsed<ast::Duration> duration(bool sign_allowed);
  Parsed<ast::Duration> duration_call(std::string_view word, bool sign_allowed);

  // parse_expression.cc
  Parsed<ast::ExprPtr> expression();
  Parsed<std::vector<ast::ExprPtr>> expressions();
  Parsed<ast::ExprPtr> logic(ast::ExprKind kind);
  Parsed<ast::ExprPtr> negation();
  Parsed<ast::ExprPtr> predicate();
  Parsed<ast::ExprPtr> predicate_tail(ast::ExprPtr left);
  Parsed<ast::ExprPtr> in_list(ast::ExprPtr left);
  Parsed<ast::ExprPtr> like(ast::ExprPtr left);
  Parsed<ast::ExprPtr> between(ast::ExprPtr left);
  Parsed<ast::ExprPtr> binary(std::size_t level);
  Parsed<ast::ExprPtr> unary();
  Parsed<ast::ExprPtr> primary();
  Parsed<ast::ExprPtr> parenthesized();
  Parsed<ast::ExprPtr> number();
  Parsed<ast::ExprPtr> case_of();
  Parsed<ast::ExprPtr> cast(ast::ExprKind kind);
  Parsed<ast::ExprPtr> path_or_call();
  Parsed<ast::ExprPtr> call(std::vector<ast::Name> name, Span begin);
  Done call_arguments(ast::Expr& call);
  Parsed<std::unique_ptr<ast::Over>> over();
  Done over_part(ast::Over& over);
  ast::Name take_name();
  Parsed<ast::ExprPtr> node(ast::ExprKind kind, Span begin, std::vector<ast::ExprPtr> operands);

  std::vector<Token> tokens_;
  Report& report_;
  std::size_t at_ = 0;
  std::uint32_t parens_ = 0;   // open parentheses at the current token
  std::uint32_t nesting_ = 0;
  bool over_nested_ = false;   // text nested too deeply: give up after one error
};

// Counts one level of recursion for the life of a parse function.
class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
  ~Nesting() { --parser_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

  Done check() const;

 private:
  Parser& parser_;
};

// Words that cannot name a column, table or alias without brackets.
bool reserved(std::string_view word);

}  // namespace meterhub::sql
