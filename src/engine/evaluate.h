// Scalar expressions over one row, by the rules of stream-sql 4, 6 and 8: three-valued
// logic, implicit conversions, data errors. docs/decisions/0002 says why rows and not
// vectors here.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/value.h>
#include <meterhub/sql/plan.h>

#include "json_reader.h"
#include "regex_match.h"

namespace meterhub::engine {

// What GetMetadataPropertyValue and the metadata columns know of an event.
struct EventMetadata {
  std::string_view input;
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  Ticks arrival = 0;
  std::string_view device;  // hub device, "" when unknown
};

// The event that a row was made for, or the last that had part in it.
struct Origin {
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
  std::uint32_t tenant = 0;  // 0: none, or events of several
};

// A row of one source of a SELECT.
struct SourceRow {
  std::span<const Value> values;  // by path (reader) or column (step)
  std::string_view whole;         // the event as JSON, where the plan asked for it
  Ticks time = 0;
  const EventMetadata* metadata = nullptr;
  Origin origin{};
  bool nobody = false;            // the missing side of a LEFT JOIN: all is NULL
};

// What stands in for columns after grouping.
struct GroupValues {
  std::span<const Value> keys;        // Grouping::keys
  std::span<const Value> aggregates;  // Grouping::aggregates
  std::optional<std::string_view> window_id;
};

// Evaluates expressions; texts it makes live in the arena. One thread.
class Evaluator {
 public:
  Evaluator(Arena& arena, bool ignore_case) : arena_(arena), ignore_case_(ignore_case) {}

  // Sets the row that follow-up calls look at; `time` is System.Timestamp(). `analytics`:
  // values of Select::analytics; `group`: after grouping, in place of sources.
  void bind(std::span<const SourceRow> sources, Ticks time, std::span<const Value> analytics = {},
            const GroupValues* group = nullptr) {
    sources_ = sources;
    time_ = time;
    analytics_ = analytics;
    group_ = group;
    error_.clear();
  }

  // NULL after a data error; error() then says what was wrong. WHERE keeps only true.
  Value value(const sql::Expr& expr);
  bool is_true(const sql::Expr& expr);

  // Empty: nothing went wrong since bind().
  const std::string& error() const { return error_; }
  // Divisions by zero: NULL and counted, not an error of the row (D9).
  std::uint64_t zero_divisions() const { return zero_divisions_; }

  // ---- for the function table (functions.cc) ----
  Value fail(std::string text);
  // A float that JSON can carry; infinity and NaN are data errors.
  Value finite(double result);
  Arena& arena() { return arena_; }
  JsonReader& reader() { return reader_; }
  RegexPatterns& patterns() { return patterns_; }
  const SourceRow& source(std::uint32_t index) const { return sources_[index]; }

  // Conversions of 4.3; NULL stays NULL; a failed one is a data error and NULL.
  Value to_number(const Value& value);
  Value to_bigint(const Value& value);
  Value to_datetime(const Value& value);
  Value to_text(const Value& value);
  Value cast(const Value& value, sql::Type to, bool try_only);
  // <0, 0, >0; nothing when either is NULL or after a data error.
  std::optional<int> compare(const Value& a, const Value& b);
  Value like(const sql::Expr& expr);

 private:
  Value column(const sql::ColumnRef& column);
  Value arithmetic(sql::Operator op, const Value& a, const Value& b);
  Value integers(sql::Operator op, std::int64_t a, std::int64_t b);
  Value reals(sql::Operator op, double a, double b);
  Value bits(sql::Operator op, const Value& a, const Value& b);
  Value unary(const sql::Expr& expr);
  Value compared(const sql::Expr& expr);
  Value logic(const sql::Expr& expr, bool deciding);
  Value in_list(const sql::Expr& expr);
  Value between(const sql::Expr& expr);
  Value choose(const sql::Expr& expr);
  Value call(const sql::Expr& expr);

  Arena& arena_;
  bool ignore_case_;
  JsonReader reader_;  // for values inside values; the events' own reader is another
  RegexPatterns patterns_;
  std::span<const SourceRow> sources_;
  Ticks time_ = 0;
  std::span<const Value> analytics_;
  const GroupValues* group_ = nullptr;
  std::string error_;
  std::uint64_t zero_divisions_ = 0;
};

// <0, 0, >0 for two of bigint, float and bit: exactly, where a double beside a large integer
// would be rounded.
int compare_numbers(const Value& a, const Value& b);

// One entry per scalar function that the engine runs (stream-sql 8.1, 8.2).
using Function = Value (*)(Evaluator&, const sql::Expr& call, std::span<const Value> args);
Function find_kernel(sql::FunctionId id);
std::vector<sql::FunctionId> kernel_functions();

}  // namespace meterhub::engine
