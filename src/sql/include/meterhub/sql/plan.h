// The plan: a query with every name bound, ready to run. Immutable once compiled; any
// thread. src/sql/README.md describes how to execute it.
//
// Shape: readers and references feed steps; steps stand in an order in which each uses
// only readers, references and steps before it; a step with an output is a statement.
// A step is the UNION of its branches; each branch (Select) runs in this fixed order
// (stream-sql 6): sources -> analytic functions per source -> joins and APPLY in source
// order -> WHERE -> grouping -> HAVING -> items; or one source -> MATCH_RECOGNIZE -> items.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/sql/ast.h>
#include <meterhub/sql/functions.h>
#include <meterhub/sql/types.h>

namespace meterhub::sql {

// A column of a Select's source. `path` is the full path inside the source's rows; empty
// means the whole event as a record. `index`: for a reader or reference, into its paths;
// for a step, into its columns, the first `consumed` names of `path` being that column
// and the rest fields in its value; for APPLY, 0 or 1 (ArrayIndex or PropertyName,
// ArrayValue or PropertyValue). kNoIndex: the whole event, or a field to look up by name
// in a row that is only known at run time.
struct ColumnRef {
  static constexpr std::uint32_t kNoIndex = 0xffffffff;
  std::uint32_t source = 0;
  std::vector<std::string> path;
  std::uint32_t index = kNoIndex;
  std::uint32_t consumed = 0;
};

enum class ExprKind : std::uint8_t {
  kLiteral,
  kColumn,
  kTimestamp,   // System.Timestamp(): the row's time; with source != kRow that source's time
  kWindowId,    // System.Window().Id
  kUnary, kArithmetic, kCompare,  // op says which
  kAnd, kOr,    // two or more args
  kNot, kIsNull,
  kIn,          // args[0] IN args[1..]
  kLike,        // args[0] LIKE args[1] [ESCAPE args[2]]
  kBetween,     // args[0] BETWEEN args[1] AND args[2]
  kCase,        // WHEN, THEN pairs, then ELSE (always present, NULL when not written)
  kCast, kTryCast,  // to `type`
  kCall,        // a scalar function
  kAnalytic,    // value of Select::analytics[index] for the row's event of that source
  kAggregate,   // value of Grouping::aggregates[index]; only after grouping
  kGroupKey,    // value of Grouping::keys[index]; only after grouping
};

struct Expr;
// Shared: a substituted alias (stream-sql 3.3) is the same object in each place.
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  static constexpr std::uint32_t kRow = 0xffffffff;
  ExprKind kind = ExprKind::kLiteral;
  Type type = Type::kAny;  // where the query's text decides it
  Operator op = Operator::kNone;
  Literal literal;
  ColumnRef column;
  std::uint32_t source = kRow;             // kTimestamp
  std::uint32_t index = 0;                 // kAnalytic, kAggregate, kGroupKey
  const FunctionInfo* function = nullptr;  // kCall
  std::string user_function;               // kCall of udf.x, uda.x
  std::optional<TimeUnit> unit;            // kCall of a date function
  std::vector<ExprPtr> args;
  Span span;
};

// How the values of a path are used: what the decoder must produce (stream-sql 11.4).
enum PathUse : std::uint8_t {
  kUseRaw = 1,     // passed through or looked into: the raw JSON slice
  kUseNumber = 2,  // arithmetic, comparison with numbers
  kUseText = 4,
  kUseTime = 8,
  kUseValue = 16,  // any other: NULL tests, comparison of two columns, keys
};

struct NeededPath {
  std::vector<std::string> path;  // spelling of the first use; compared without case
  std::uint8_t uses = 0;          // PathUse bits
  Type declared = Type::kAny;     // CREATE TABLE or the input's declaration
  bool metadata = false;          // EventEnqueuedUtcTime and its like, not in the payload
};

// Columns that an input adds to the payload (stream-sql 3.4).
enum class InputMetadata : std::uint8_t { kNone, kEventHub, kIotHub };

enum class InputKind : std::uint8_t { kStream, kReference };

struct KnownColumn {
  std::string name;
  Type type = Type::kAny;
};

// One way to read one input: statements that agree on time and key share a reader.
struct Reader {
  std::string input;
  std::vector<KnownColumn> columns;  // declared; empty: open, any column may exist
  std::vector<NeededPath> paths;
  bool whole_event = false;          // `*` or the event as a record is used
  InputMetadata star_metadata = InputMetadata::kNone;  // columns that `*` adds to the payload's
  ExprPtr timestamp_by;              // null: arrival time. Its columns have source 0
  std::vector<ExprPtr> substream;    // TIMESTAMP BY ... OVER
};

struct Reference {
  std::string input;
  std::vector<KnownColumn> columns;
  std::vector<NeededPath> paths;
  bool whole_row = false;
};

enum class SourceKind : std::uint8_t { kReader, kReference, kStep, kApply };

// The part of ON that bounds time: lower <= DATEDIFF(unit, left, this) <= upper, in
// boundaries crossed (D5). In elapsed time a match lies strictly between
// (lower - 1) and (upper + 1) units.
struct TimeBound {
  std::uint32_t left = 0;  // a source before this one
  TimeUnit unit = TimeUnit::kSecond;
  std::int64_t lower = 0;
  std::int64_t upper = 0;
  Ticks lower_ticks = 0;   // lower and upper in ticks; slack is one unit
  Ticks upper_ticks = 0;
  Ticks slack_ticks = 0;
};

struct KeyPair {
  ExprPtr left;   // over earlier sources
  ExprPtr right;  // over this source
};

struct Join {
  bool left_outer = false;
  bool reference = false;
  std::vector<KeyPair> keys;       // equalities of ON, for hashing; NULL never matches
  ExprPtr residual;                // the rest of ON, time bound included; null when nothing is left
  std::optional<TimeBound> bound;  // stream joins
};

struct Apply {
  bool outer = false;
  bool properties = false;  // GetRecordProperties, else GetArrayElements
  ExprPtr argument;
};

struct Source {
  SourceKind kind = SourceKind::kReader;
  std::string alias;        // as the query calls it
  std::uint32_t index = 0;  // into readers, references or steps
  std::vector<ExprPtr> partition_by;  // columns have source 0: this one
  std::optional<std::int64_t> partition_into;
  std::optional<Join> join;    // sources after the first have either this
  std::optional<Apply> apply;  // or this
};

struct OrderKey {
  ExprPtr expr;
  bool descending = false;
};

// LAG, LAST, ISFIRST, aggregates OVER (LIMIT DURATION): one value per event of `source`.
struct AnalyticCall {
  const FunctionInfo* function = nullptr;
  std::uint32_t source = 0;
  std::vector<ExprPtr> args;  // LAG and LAST: the value alone; others: as written
  bool whole_event = false;   // LAG(*), TopOne(), COUNT(*)
  std::int64_t offset = 1;    // LAG; LAST has 0
  ExprPtr fallback;           // LAG's and LAST's default; null: NULL
  std::vector<ExprPtr> partition;
  std::vector<OrderKey> order;
  Ticks duration = 0;         // LIMIT DURATION, or ISFIRST's interval
  ExprPtr when;               // null: every event
};

struct AggregateCall {
  const FunctionInfo* function = nullptr;
  std::vector<ExprPtr> args;  // the percentile or CollectTop's n come first
  bool distinct = false;
  bool whole_event = false;   // COUNT(*), TopOne(), Collect()
  std::vector<OrderKey> order;
};

using WindowKind = ast::WindowKind;

struct Window {
  WindowKind kind = WindowKind::kTumbling;
  std::optional<std::string> id;  // Window('id', ...): System.Window().Id
  Ticks size = 0;                 // tumbling, hopping, sliding
  Ticks hop = 0;                  // hopping; tumbling: equal to size
  Ticks offset = 0;
  Ticks timeout = 0;              // session
  Ticks maximum = 0;              // session
  std::vector<ExprPtr> partition; // session OVER (PARTITION BY ...)
};

struct Grouping {
  std::vector<Window> windows;  // more than one: Windows(...), results are their union
  std::vector<ExprPtr> keys;    // over the rows before grouping
  std::vector<AggregateCall> aggregates;
};

// ---- MATCH_RECOGNIZE: a branch with one source whose items are the measures ----

using PatternKind = ast::PatternKind;

struct PatternNode {
  PatternKind kind = PatternKind::kVariable;
  std::uint32_t variable = 0;        // kVariable: into MatchRecognize::variables
  std::vector<PatternNode> parts;    // kAlternation: the first that leads to a match counts
  std::int64_t least = 1;            // kRepeat: as often as possible first
  std::optional<std::int64_t> most;  // none: any number
};

// How many places for variables the pattern has once its repetitions are written out, and
// whether it is satisfied without any event.
std::uint64_t pattern_positions(const PatternNode& node);
bool pattern_may_be_empty(const PatternNode& node);

struct MatchVariable {
  std::string name;  // "." is any event
  ExprPtr define;    // null: any event. Columns of source 0 are the event's, which counts in aggregates
};

enum class MatchFunction : std::uint8_t { kFirst, kLast, kMin, kMax, kClassifier };

// A value over the events that a match has so far.
struct MatchAggregate {
  MatchFunction function = MatchFunction::kLast;
  std::optional<std::uint32_t> variable;  // of its events only; none: of all
  ExprPtr value;                          // a column of source 0; kClassifier: null
};

// What the branch gives: one row a match, of the first event that begins one on; the search goes
// on with the next event. ExprKind::kAggregate in definitions and items is an index into `aggregates`.
struct MatchRecognize {
  Ticks duration = 0;  // from the first event to the last it is less
  std::vector<ExprPtr> partition;
  std::vector<MatchVariable> variables;
  PatternNode pattern;
  std::vector<MatchAggregate> aggregates;
  std::uint32_t defined = 0;  // those before it are all that definitions read
};

enum class ItemKind : std::uint8_t {
  kValue,   // `expr` under `name`
  kStar,    // all columns of an open source; names given explicitly elsewhere win
  kSpread,  // the fields of the record `expr`
  kHidden,  // read by a later step through `*`; carried along, not part of the event
};

struct Item {
  ItemKind kind = ItemKind::kValue;
  std::string name;
  ExprPtr expr;
  std::uint32_t source = 0;  // kStar
};

struct Select {
  std::vector<Source> sources;
  std::vector<AnalyticCall> analytics;
  std::optional<MatchRecognize> match;
  ExprPtr where;  // null: every row
  std::optional<Grouping> grouping;
  ExprPtr having;
  std::vector<Item> items;
  // Analytic functions, a window, a stream join or a pattern: rows marked late pass it by (5.2).
  bool stateful = false;
};

struct StepColumn {
  std::string name;
  Type type = Type::kAny;
  bool hidden = false;  // fields of an open `*` that a later step reads: `path` in it
  std::vector<std::string> path;
};

struct Step {
  std::string name;                 // of WITH; statements: "statement 1", ...
  std::optional<std::string> output;  // statements: INTO
  std::vector<Select> branches;     // UNION
  std::vector<StepColumn> columns;  // columns[i] is branch.items' i-th kValue or kHidden, in order
  bool open = false;                // an open `*` or a spread adds columns only known at run time
  bool star_used = false;           // somebody reads its rows as a whole
  bool reference = false;           // over reference data only
};

// A name that WHERE, GROUP BY or HAVING took from the SELECT list (stream-sql 3.3, D1).
struct AliasBinding {
  std::string name;
  std::string clause;  // "WHERE", ...
  std::string step;
  Span span;
};

enum class DisorderAction : std::uint8_t { kAdjust, kDrop };

// stream-sql 5.2; only for readers with TIMESTAMP BY.
struct TimePolicy {
  Ticks late_arrival = 5 * kTicksPerSecond;
  Ticks out_of_order = 0;
  DisorderAction action = DisorderAction::kAdjust;
};

inline constexpr Ticks kEarlyLimit = 300 * kTicksPerSecond;

struct Plan {
  std::vector<Reader> readers;
  std::vector<Reference> references;
  std::vector<Step> steps;
  std::vector<std::string> outputs;  // each once, in order of first use
  std::vector<AliasBinding> alias_bindings;
  TimePolicy policy;
  bool ignore_case = false;  // string_comparison = ignore_case (D6)
};

// The expression as SQL with sources by name: for explain and error texts.
std::string expression_text(const Expr& expr, const Select& select);

// Same value for every row: structural, names without case.
bool same_expression(const Expr& a, const Expr& b);

}  // namespace meterhub::sql
