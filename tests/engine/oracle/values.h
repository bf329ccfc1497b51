// How values compare, for the oracle: plain and slow.
#pragma once

#include <span>
#include <vector>

#include <meterhub/engine/value.h>

namespace meterhub::engine::oracle {

// A total order: NULL, numbers by size whatever their type, bit, datetime, text by bytes, record,
// array. <0, 0, >0.
int order_values(const Value& a, const Value& b);
int order_lists(std::span<const Value> a, std::span<const Value> b);

// The same group (4.6): NULL is one of them; types must agree, but for the two of numbers.
bool same_group(std::span<const Value> a, std::span<const Value> b);

// Keys of a join: as same_group, and NULL matches nothing.
bool keys_match(const Value& a, const Value& b);

}  // namespace meterhub::engine::oracle
