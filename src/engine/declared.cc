#include "declared.h"

#include <cmath>

namespace meterhub::engine {
namespace {

template <class T>
bool become(Value& value, std::optional<T> read, Value (*make)(T)) {
  if (!read) return false;
  value = make(*read);
  return true;
}

bool fit_bigint(Value& value) {
  if (value.kind == Kind::kText) return become(value, parse_bigint(value.text), &Value::bigint);
  if (value.kind == Kind::kBit) value = Value::bigint(value.integer);
  return value.kind == Kind::kBigint;
}

bool fit_float(Value& value) {
  if (value.kind == Kind::kText) {
    const auto read = parse_float(value.text);
    if (read) value = Value::real(*read);
    return read.has_value();
  }
  if (value.kind == Kind::kBigint || value.kind == Kind::kBit) {
    const auto real = static_cast<double>(value.integer);
    // Exact below 2^53 and for some beyond; 2^63 itself would not come back.
    if (real >= 9223372036854775808.0 || static_cast<std::int64_t>(real) != value.integer) return false;
    value = Value::real(real);
  }
  return value.kind == Kind::kFloat;
}

bool fit_datetime(Value& value) {
  if (value.kind == Kind::kText) return become(value, parse_datetime(value.text), &Value::datetime);
  return value.kind == Kind::kDatetime;
}

}  // namespace

bool fit(Value& value, sql::Type declared) {
  if (value.is_null()) return true;
  switch (declared) {
    case sql::Type::kAny: return true;
    case sql::Type::kBigint: return fit_bigint(value);
    case sql::Type::kFloat: return fit_float(value);
    case sql::Type::kText: return value.kind == Kind::kText;
    case sql::Type::kDatetime: return fit_datetime(value);
    case sql::Type::kBit: return value.kind == Kind::kBit;
    case sql::Type::kRecord: return value.kind == Kind::kRecord;
    case sql::Type::kArray: return value.kind == Kind::kArray;
  }
  return false;
}

}  // namespace meterhub::engine
