// Words that syntax tree, plan and function table share: types, units, durations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace meterhub::sql {

// Instants and durations are counted in 100 ns (stream-sql 4): datetime's resolution.
using Ticks = std::int64_t;

inline constexpr Ticks kTicksPerMillisecond = 10'000;
inline constexpr Ticks kTicksPerSecond = 10'000'000;
inline constexpr Ticks kTicksPerDay = 86'400 * kTicksPerSecond;

// stream-sql 4. kAny: known only from the value, event by event.
enum class Type : std::uint8_t { kAny, kBigint, kFloat, kText, kDatetime, kBit, kRecord, kArray };
std::string_view type_name(Type type);  // "bigint", "nvarchar(max)", ...

enum class TimeUnit : std::uint8_t {
  kMicrosecond, kMillisecond, kSecond, kMinute, kHour, kDay,  // of fixed length
  kWeek, kMonth, kQuarter, kYear, kDayOfYear, kWeekday,       // date functions only
};
std::string_view unit_name(TimeUnit unit);
// The unit a word means, without case, short and plural forms too (stream-sql 2).
std::optional<TimeUnit> unit_of(std::string_view word);
// Ticks in one unit; nothing for those of the second row.
std::optional<Ticks> unit_ticks(TimeUnit unit);
// "5 minutes", "1 day 2 hours": for people.
std::string duration_text(Ticks ticks);

// A constant: NULL, bigint, float or text.
using Literal = std::variant<std::monostate, std::int64_t, double, std::string>;

enum class Operator : std::uint8_t {
  kNone,
  kAdd, kSubtract, kMultiply, kDivide, kModulo, kBitAnd, kBitOr, kBitXor,  // two operands
  kNegate, kPlus, kBitNot,                                               // one
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual,
};
std::string_view operator_text(Operator op);

}  // namespace meterhub::sql
