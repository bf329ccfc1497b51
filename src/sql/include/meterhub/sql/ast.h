// The syntax tree: the query as written, before any name has a meaning. Made by the
// parser, read by the binder; users of the module want plan.h. Grammar: stream-sql 2.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/sql/diagnostic.h>
#include <meterhub/sql/types.h>

namespace meterhub::sql::ast {

struct Name {
  std::string text;  // without brackets or quotes
  Span span;
  bool double_quoted = false;
};

enum class ExprKind : std::uint8_t {
  kLiteral, kPath, kCall, kUnary, kArithmetic, kCompare, kAnd, kOr, kNot,
  kIsNull, kIn, kLike, kBetween, kCase, kCast, kTryCast, kStar,
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct OrderTerm {
  ExprPtr expr;
  bool descending = false;
};

// Duration as written: unit and count; the binder turns it into ticks.
struct Duration {
  Name unit;
  std::int64_t count = 0;
  Span span;
};

struct Over {
  std::vector<ExprPtr> partition;
  std::vector<OrderTerm> order;
  std::optional<Duration> limit;
  ExprPtr when;
  Span span;
};

// kNot wraps IS NULL, IN, LIKE and BETWEEN for their negations. kCase: operands are
// [operand if has_operand], then WHEN, THEN pairs, then [ELSE if has_else].
struct Expr {
  ExprKind kind = ExprKind::kLiteral;
  Span span;
  std::uint32_t depth = 1;     // height of the tree below, bounded by the parser
  Operator op = Operator::kNone;
  Literal literal;
  std::vector<Name> path;      // kPath; kCall: the function's name, with "System" or "udf" before it
  std::vector<Name> fields;    // kCall: what follows the parentheses (".Id")
  std::vector<ExprPtr> operands;
  bool distinct = false;       // kCall
  bool has_operand = false;    // kCase
  bool has_else = false;       // kCase
  Type type = Type::kAny;      // kCast, kTryCast
  std::unique_ptr<Over> over;  // kCall
};

enum class WindowKind : std::uint8_t { kTumbling, kHopping, kSliding, kSession, kSnapshot };

struct Window {
  WindowKind kind = WindowKind::kTumbling;
  std::optional<std::string> id;  // Window('id', ...)
  Duration size;                  // session: the timeout
  std::optional<Duration> hop;    // session: the maximum
  std::optional<Duration> offset;
  std::vector<ExprPtr> partition;
  Span span;
};

// One of: a window, Windows(...), a key.
struct GroupItem {
  std::vector<Window> windows;
  bool is_windows_list = false;
  ExprPtr key;
  Span span;
};

struct Source {
  Name name;
  std::optional<Name> alias;
  ExprPtr timestamp_by;
  std::vector<ExprPtr> timestamp_over;
  std::vector<ExprPtr> partition_by;
  std::optional<std::int64_t> partition_into;
  Span span;
};

enum class LinkKind : std::uint8_t { kInnerJoin, kLeftJoin, kCrossApply, kOuterApply };

// A join or APPLY after the first source.
struct Link {
  LinkKind kind = LinkKind::kInnerJoin;
  Source source;        // join; APPLY uses its alias only
  ExprPtr on;           // join
  Name apply_function;  // APPLY
  ExprPtr apply_argument;
  Span span;
};

struct Item {
  ExprPtr expr;  // kStar: "*", or "path.*" with a path
  std::optional<Name> alias;
  Span span;
};

enum class PatternKind : std::uint8_t { kVariable, kSequence, kAlternation, kRepeat };

// A part of PATTERN.
struct Pattern {
  PatternKind kind = PatternKind::kVariable;
  Name variable;                       // kVariable; "." is any event
  std::vector<Pattern> parts;          // kRepeat: one
  std::int64_t least = 1;              // kRepeat
  std::optional<std::int64_t> most;    // kRepeat; none: any number
  Span span;
};

struct MatchRecognize {
  struct Measure {
    ExprPtr value;
    Name name;
  };
  struct Definition {
    Name variable;
    ExprPtr condition;
  };
  std::optional<Duration> limit;
  std::vector<ExprPtr> partition;
  std::vector<Measure> measures;
  std::optional<Pattern> pattern;
  std::vector<Definition> definitions;
  std::optional<Name> alias;
  bool failed = false;  // a syntax error: not all of it is here
  Span span;
};

struct Select {
  std::vector<Item> items;
  std::optional<Name> into;
  std::optional<Source> from;  // empty only after a syntax error
  std::vector<Link> links;
  std::optional<MatchRecognize> match_recognize;
  ExprPtr where;
  std::vector<GroupItem> group;
  ExprPtr having;
  Span span;
};

// Branches of UNION in order; parentheses are gone, since UNION keeps duplicates.
struct Query {
  std::vector<Select> branches;
  Span span;
};

struct Step {
  Name name;
  Query query;
};

struct TableColumn {
  Name name;
  Type type = Type::kAny;
};

struct Table {
  Name name;
  std::vector<TableColumn> columns;
};

struct Program {
  std::vector<Table> tables;
  std::vector<Step> steps;
  std::vector<Query> statements;
};

}  // namespace meterhub::sql::ast
