#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <meterhub/base/result.h>

#include "names.h"
#include "parser.h"

namespace meterhub::sql {

using namespace ast;

namespace {

constexpr std::array<std::string_view, 5> kClauseNames = {"INTO", "FROM", "WHERE", "GROUP BY", "HAVING"};

}  // namespace

bool Parser::clause_ahead(Clause& clause) const {
  constexpr std::array<std::string_view, 5> kWords = {"INTO", "FROM", "WHERE", "GROUP", "HAVING"};
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (!at_word(kWords[i])) continue;
    clause = static_cast<Clause>(i);
    return true;
  }
  return false;
}

Parsed<Select> Parser::select() {
  Select result;
  const Span begin = peek().span;
  const std::uint32_t parens = parens_;
  MH_TRY_VOID(expect_word("SELECT", "to begin a query"));
  bool failed = !items(result);
  if (failed) skip_to_clause(parens);
  int last = -1;
  for (Clause which{}; clause_ahead(which); last = std::max(last, static_cast<int>(std::to_underlying(which)))) {
    const int rank = std::to_underlying(which);
    if (rank <= last) {
      const std::string_view name = kClauseNames[static_cast<std::size_t>(rank)];
      report_.error(peek().span, "clause_order",
                    rank == last ? fmt::format("{} stands twice", name)
                                 : fmt::format("{} must stand before {}", name, kClauseNames[static_cast<std::size_t>(last)]),
                    {}, "the order is SELECT, INTO, FROM, WHERE, GROUP BY, HAVING");
    }
    if (!clause(which, result)) {
      failed = true;
      skip_to_clause(parens);
    }
    if (over_nested_) return std::unexpected(Stop{});
  }
  if (!result.from && !failed) return unexpected_token("FROM and an input");
  if (!failed) foreign_words_after_select();
  result.span = since(begin);
  return result;
}

// What T-SQL has and this language has not is named, not just "unexpected".
void Parser::foreign_words_after_select() {
  constexpr std::array<std::string_view, 5> kForeign = {"ORDER", "LIMIT", "EXCEPT", "INTERSECT", "OPTION"};
  for (const std::string_view word : kForeign) {
    if (!at_word(word)) continue;
    foreign_clause();
    const std::uint32_t parens = parens_;
    take();
    if (word == "EXCEPT" || word == "INTERSECT") take_word("SELECT");
    skip_to_clause(parens);
    return;
  }
}

void Parser::foreign_clause() {
  if (at_word("ORDER")) {
    report_.error(peek().span, "not_in_language", "a stream has no ORDER BY: results come in the order of time", {},
                  "TopOne and CollectTop order inside a window");
  } else if (at_word("LIMIT") || at_word("TOP")) {
    report_.error(peek().span, "not_in_language", fmt::format("{} is not part of the language", peek().text), {},
                  "CollectTop(n) OVER (ORDER BY ...) takes the first n of a window");
  } else if (at_word("EXCEPT") || at_word("INTERSECT") || at_word("OPTION")) {
    report_.error(peek().span, "not_in_language", fmt::format("{} is not part of the language", peek().text));
  } else if (at_word("RIGHT") || at_word("FULL")) {
    report_.error(peek().span, "not_in_language", fmt::format("{} JOIN is not part of the language", peek().text), {},
                  "LEFT JOIN with the sources exchanged");
  } else {
    (void)unexpected_token("SELECT, WITH, CREATE TABLE or the end of the query");
  }
}

Done Parser::clause(Clause which, Select& select) {
  take();
  switch (which) {
    case Clause::kInto: select.into = MH_TRY(expect_name("the output's name")); return {};
    case Clause::kFrom: return from(select);
    case Clause::kWhere: select.where = MH_TRY(expression()); break;
    case Clause::kGroup: return group(select);
    case Clause::kHaving: select.having = MH_TRY(expression()); break;
  }
  return {};
}

Done Parser::items(Select& select) {
  if (at_word("DISTINCT")) {
    report_.error(peek().span, "not_in_language", "SELECT DISTINCT is not part of the language", {},
                  "GROUP BY with a window leaves each value once; COUNT(DISTINCT x) counts them");
    take();
  }
  if (at_word("TOP") && peek(1).kind == TokenKind::kInteger) {
    foreign_clause();
    take();
    take();
  }
  do {
    select.items.push_back(MH_TRY(item()));
  } while (take_symbol(","));
  Clause ignored{};
  if (clause_ahead(ignored) || at_end() || at_symbol(")") || at_symbol(";") || at_word("UNION")) return {};
  return unexpected_token("',' or FROM after a SELECT item");
}

Parsed<Item> Parser::item() {
  Item result;
  const Span begin = peek().span;
  if (at_symbol("*")) {
    take();
    result.expr = MH_TRY(node(ExprKind::kStar, begin, {}));
  } else if (at_name() && at_symbol("=", 1)) {
    result.alias = take_name();
    take();
    result.expr = MH_TRY(expression());
  } else {
    result.expr = MH_TRY(expression());
    MH_TRY_VOID(item_alias(result));
  }
  result.span = since(begin);
  return result;
}

Done Parser::item_alias(Item& item) {
  if (item.expr->kind == ExprKind::kStar) return {};
  Clause ignored{};
  const bool as = take_word("AS");
  const TokenKind kind = peek().kind;
  // After AS a keyword is a name, unless it begins the next clause.
  const bool word = kind == TokenKind::kWord && as && !clause_ahead(ignored) && !at_word("SELECT") && !at_word("UNION");
  if (word || kind == TokenKind::kString || at_name()) {
    item.alias = take_name();
    if (item.alias->text.empty()) report_.error(item.alias->span, "empty_name", "a name cannot be empty");
  } else if (as) {
    return unexpected_token("a name after AS");
  }
  return {};
}

Done Parser::from(Select& select) {
  select.from = MH_TRY(source());
  while (MH_TRY(link(select))) {
  }
  if (at_word("MATCH_RECOGNIZE")) match_recognize(select);
  if (at_symbol(",")) {
    return unexpected_token("JOIN, WHERE, GROUP BY, HAVING or the end of the statement",
                            "sources are joined with JOIN ... ON, not with a comma");
  }
  return {};
}

bool Parser::alias_ahead() const {
  if (!at_name()) return false;
  constexpr std::array<std::string_view, 5> kNotAliases = {"MATCH_RECOGNIZE", "LIMIT", "EXCEPT", "INTERSECT", "OPTION"};
  for (const std::string_view word : kNotAliases) {
    if (at_word(word)) return false;
  }
  return !((at_word("TIMESTAMP") || at_word("PARTITION")) && at_word("BY", 1));
}

Parsed<Source> Parser::source() {
  Source result;
  const Span begin = peek().span;
  if (at_symbol("(")) {
    report_.error(begin, "not_in_language", "a query cannot stand in FROM", "the name of an input or step",
                  "make it a step: WITH name AS (...)");
    take();
    skip_parentheses();
    return std::unexpected(Stop{});
  }
  result.name = MH_TRY(expect_name("the name of an input or step"));
  if (take_word("AS")) result.alias = MH_TRY(expect_name("the source's alias"));
  else if (alias_ahead()) result.alias = take_name();
  MH_TRY_VOID(source_options(result));
  result.span = since(begin);
  return result;
}

Done Parser::source_options(Source& source) {
  while ((at_word("TIMESTAMP") || at_word("PARTITION")) && at_word("BY", 1)) {
    const bool timestamp = at_word("TIMESTAMP");
    take();
    take();
    if (timestamp) {
      source.timestamp_by = MH_TRY(expression());
      if (take_word("OVER")) source.timestamp_over = MH_TRY(expressions());
    } else {
      source.partition_by = MH_TRY(expressions());
      if (take_word("INTO")) source.partition_into = MH_TRY(expect_integer("a number of partitions", false));
    }
  }
  return {};
}

Parsed<bool> Parser::link(Select& select) {
  const Span begin = peek().span;
  if (at_word("RIGHT") || at_word("FULL")) {
    foreign_clause();
    return std::unexpected(Stop{});
  }
  if (at_word("CROSS") || at_word("OUTER")) {
    const LinkKind kind = at_word("CROSS") ? LinkKind::kCrossApply : LinkKind::kOuterApply;
    take();
    MH_TRY_VOID(expect_word("APPLY", kind == LinkKind::kCrossApply ? "after CROSS" : "after OUTER"));
    MH_TRY_VOID(apply(select, kind, begin));
    return true;
  }
  LinkKind kind = LinkKind::kInnerJoin;
  if (take_word("LEFT")) {
    kind = LinkKind::kLeftJoin;
    take_word("OUTER");
    MH_TRY_VOID(expect_word("JOIN", "after LEFT"));
  } else if (take_word("INNER")) {
    MH_TRY_VOID(expect_word("JOIN", "after INNER"));
  } else if (!take_word("JOIN")) {
    return false;
  }
  MH_TRY_VOID(join(select, kind, begin));
  return true;
}

Done Parser::join(Select& select, LinkKind kind, Span begin) {
  Link result;
  result.kind = kind;
  result.source = MH_TRY(source());
  MH_TRY_VOID(expect_word("ON", "after the joined source"));
  result.on = MH_TRY(expression());
  result.span = since(begin);
  select.links.push_back(std::move(result));
  return {};
}

Done Parser::apply(Select& select, LinkKind kind, Span begin) {
  Link result;
  result.kind = kind;
  result.apply_function = MH_TRY(expect_name("GetArrayElements or GetRecordProperties"));
  MH_TRY_VOID(expect_symbol("(", "before the value to apply"));
  result.apply_argument = MH_TRY(expression());
  MH_TRY_VOID(expect_symbol(")", "after the value to apply"));
  take_word("AS");
  result.source.name = result.apply_function;
  result.source.alias = MH_TRY(expect_name("an alias for the elements"));
  result.span = since(begin);
  select.links.push_back(std::move(result));
  return {};
}

Done Parser::group(Select& select) {
  MH_TRY_VOID(expect_word("BY", "after GROUP"));
  do {
    GroupItem item;
    const Span begin = peek().span;
    if (at_word("Windows") && at_symbol("(", 1)) item = MH_TRY(windows_list());
    else if (window_ahead()) item.windows.push_back(MH_TRY(window()));
    else item.key = MH_TRY(expression());
    item.span = since(begin);
    select.group.push_back(std::move(item));
  } while (take_symbol(","));
  return {};
}

}  // namespace meterhub::sql
