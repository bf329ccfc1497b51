#include "values.h"

#include <algorithm>

namespace meterhub::engine::oracle {
namespace {

int rank(Kind kind) {
  switch (kind) {
    case Kind::kNull: return 0;
    case Kind::kBigint:
    case Kind::kFloat: return 1;
    case Kind::kBit: return 2;
    case Kind::kDatetime: return 3;
    case Kind::kText: return 4;
    case Kind::kRecord: return 5;
    case Kind::kArray: return 6;
  }
  return 7;
}

template <class T>
int sign(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Holds every bigint and every double exactly.
long double number(const Value& value) {
  return value.kind == Kind::kFloat ? static_cast<long double>(value.number) : static_cast<long double>(value.integer);
}

}  // namespace

int order_values(const Value& a, const Value& b) {
  if (rank(a.kind) != rank(b.kind)) return sign(rank(a.kind), rank(b.kind));
  switch (a.kind) {
    case Kind::kNull: return 0;
    case Kind::kBigint:
    case Kind::kFloat: return sign(number(a), number(b));
    case Kind::kBit:
    case Kind::kDatetime: return sign(a.integer, b.integer);
    case Kind::kText:
    case Kind::kRecord:
    case Kind::kArray: return sign(a.text, b.text);
  }
  return 0;
}

int order_lists(std::span<const Value> a, std::span<const Value> b) {
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (const int order = order_values(a[i], b[i]); order != 0) return order;
  }
  return sign(a.size(), b.size());
}

bool same_group(std::span<const Value> a, std::span<const Value> b) { return order_lists(a, b) == 0; }

bool keys_match(const Value& a, const Value& b) { return !a.is_null() && !b.is_null() && order_values(a, b) == 0; }

}  // namespace meterhub::engine::oracle
