// What the compiler says about a query: where, what, what was expected instead.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meterhub::sql {

// A piece of the query's text, in bytes: [begin, end).
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  bool operator==(const Span&) const = default;
};

// The same piece as a person counts it: lines and columns from 1, columns and length
// in characters (a Chinese character is one), length at least 1 and within the line.
struct Place {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  std::uint32_t length = 1;

  bool operator==(const Place&) const = default;
};

enum class Severity : std::uint8_t { kError, kWarning, kNote };

struct Diagnostic {
  Severity severity = Severity::kError;
  std::string code;        // stable, snake_case, e.g. "missing_window": for tools
  Span span;
  Place place;
  std::string message;     // one sentence without a final period
  std::string expected;    // what would have been right here; may be empty
  std::string suggestion;  // what to write instead; may be empty
};

// The place of `span` in `text`. Bytes that are not UTF-8 count as one character each.
Place place_of(std::string_view text, Span span);

// The diagnostic for a terminal: "FILE:LINE:COLUMN: error: ...", the line, a caret
// under the place. Tabs and wide characters keep the caret in its column.
std::string caret_text(std::string_view text, const Diagnostic& diagnostic, std::string_view file);

// All of them as one JSON object: {"file": ..., "ok": ..., "diagnostics": [...]}.
std::string diagnostics_json(const std::vector<Diagnostic>& diagnostics, std::string_view file);

bool has_error(const std::vector<Diagnostic>& diagnostics);

}  // namespace meterhub::sql
