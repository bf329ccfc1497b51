// Whether a piece of JSON that is passed on unread is whole: what goes out again must be
// JSON, however little of it the query looked into.
#pragma once

#include <cstddef>
#include <string_view>

namespace meterhub::engine {

// Deeper values are refused before anything recurses.
inline constexpr std::size_t kDepthMax = 64;

// One JSON value with nothing around it but blanks. Empty: fine; else what is wrong: grammar,
// nesting deeper than kDepthMax, or a whole number beyond 64 bits (stream-sql 4.2). UTF-8 is
// the parser's business.
std::string_view json_fault(std::string_view text);

// The grammar of a JSON number, nothing around it.
bool is_json_number(std::string_view text);

// Nesting of brackets outside of strings goes beyond kDepthMax.
bool too_deep(std::string_view json);

}  // namespace meterhub::engine
