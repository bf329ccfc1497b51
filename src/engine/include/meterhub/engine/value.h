// Values of the stream language: types belong to values, not to columns
// (stream-sql 4.1). A Value is a view: its text lies in the event or in an Arena.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/sql/types.h>

namespace meterhub::engine {

using sql::Ticks;

enum class Kind : std::uint8_t { kNull, kBigint, kFloat, kText, kDatetime, kBit, kRecord, kArray };

// kBigint, kDatetime (ticks since 0001-01-01) and kBit keep `integer`; kFloat `number`.
// `text`: kText's characters (unescaped), kRecord's and kArray's JSON, and for a kFloat that
// came from an event its digits as they stood, so that passing it on changes nothing.
struct Value {
  Kind kind = Kind::kNull;
  union {
    std::int64_t integer = 0;
    double number;
  };
  std::string_view text;

  bool is_null() const { return kind == Kind::kNull; }

  static Value null() { return {}; }
  static Value bigint(std::int64_t v) { return of(Kind::kBigint, v); }
  static Value datetime(Ticks v) { return of(Kind::kDatetime, v); }
  static Value bit(bool v) { return of(Kind::kBit, v ? 1 : 0); }
  static Value real(double v, std::string_view digits = {});
  static Value characters(std::string_view v) { return view(Kind::kText, v); }
  static Value record(std::string_view json) { return view(Kind::kRecord, json); }
  static Value array(std::string_view json) { return view(Kind::kArray, json); }

 private:
  static Value of(Kind kind, std::int64_t v);
  static Value view(Kind kind, std::string_view text);
};

// "bigint", "nvarchar(max)", ... as GetType prints it.
std::string_view kind_name(Kind kind);

// Texts that evaluation makes. They live until clear(). One thread.
class Arena {
 public:
  std::string_view keep(std::string_view text);
  void clear();

 private:
  static constexpr std::size_t kBlock = 64 * 1024;
  std::string block_;                       // bump allocation, never reallocated while in use
  std::vector<std::string> full_;           // blocks and large texts before it
};

// ---- text forms (stream-sql 4) ----

// Shortest form that reads back the same, with a point or an exponent: "5.0".
std::string float_text(double number);
// "2016-12-21T03:24:34.0000000Z".
std::string datetime_text(Ticks ticks);
// Optional sign and decimal digits, blanks around allowed (4.4).
std::optional<std::int64_t> parse_bigint(std::string_view text);
// Decimal or exponent form; not NaN, not Infinity.
std::optional<double> parse_float(std::string_view text);
// ISO 8601 date, or date and time with T or a blank, up to 7 fraction digits, zone or UTC.
std::optional<Ticks> parse_datetime(std::string_view text);

Ticks to_ticks(base::Timestamp time);
base::Timestamp to_timestamp(Ticks ticks);

// The value as JSON, appended. NULL is null, datetime a string.
void append_json(std::string& out, const Value& value);
void append_json_string(std::string& out, std::string_view text);

}  // namespace meterhub::engine
