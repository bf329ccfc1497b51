#include "compare.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <meterhub/engine/value.h>

namespace meterhub::engine::oracle {
namespace {

constexpr double kRelative = 1e-12;

bool part_of_number(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

std::string_view number_at(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() && part_of_number(text[length])) ++length;
  return text.substr(0, length);
}

bool is_float(std::string_view digits) { return digits.find_first_of(".eE") != std::string_view::npos; }

bool same_number(std::string_view a, std::string_view b, bool rounded) {
  if (a == b) return true;
  if (!rounded || !is_float(a) || !is_float(b)) return false;
  double x = 0;
  double y = 0;
  std::from_chars(a.data(), a.data() + a.size(), x);
  std::from_chars(b.data(), b.data() + b.size(), y);
  return std::abs(x - y) <= kRelative * std::max(std::abs(x), std::abs(y));
}

std::string text_of(const ResultRow& row) {
  return fmt::format("{} at {}: {}", row.output, datetime_text(row.time), row.json);
}

using Bucket = std::map<std::pair<std::string, Ticks>, std::vector<const ResultRow*>>;

Bucket by_output_and_time(const std::vector<ResultRow>& rows) {
  Bucket bucket;
  for (const auto& row : rows) bucket[{row.output, row.time}].push_back(&row);
  return bucket;
}

// The rows of one time: takes away what is the same; the first that is left over on either side.
std::string left_over(std::vector<const ResultRow*> expected, std::vector<const ResultRow*> actual, bool rounded) {
  for (const auto* row : expected) {
    const auto same =
        std::ranges::find_if(actual, [&](const ResultRow* a) { return same_json(a->json, row->json, rounded); });
    if (same == actual.end()) {
      const std::string instead = actual.empty() ? "" : "\n  instead of it: " + text_of(*actual.front());
      return "missing: " + text_of(*row) + instead;
    }
    actual.erase(same);
  }
  return actual.empty() ? "" : "not expected: " + text_of(*actual.front());
}

}  // namespace

bool same_json(std::string_view a, std::string_view b, bool rounded) {
  bool in_text = false;
  while (!a.empty() && !b.empty()) {
    const bool number = !in_text && (a.front() == '-' || (a.front() >= '0' && a.front() <= '9'));
    if (number) {
      const auto x = number_at(a);
      const auto y = number_at(b);
      if (!same_number(x, y, rounded)) return false;
      a.remove_prefix(x.size());
      b.remove_prefix(y.size());
      continue;
    }
    if (a.front() != b.front()) return false;
    const std::size_t step = in_text && a.front() == '\\' ? 2 : 1;
    if (a.substr(0, step) != b.substr(0, step)) return false;
    if (a.front() == '"') in_text = !in_text;
    a.remove_prefix(std::min(step, a.size()));
    b.remove_prefix(std::min(step, b.size()));
  }
  return a.empty() && b.empty();
}

std::string difference(const std::vector<ResultRow>& expected, const std::vector<ResultRow>& actual, bool rounded) {
  const auto wanted = by_output_and_time(expected);
  const auto given = by_output_and_time(actual);
  for (const auto& [where, rows] : wanted) {
    const auto found = given.find(where);
    const auto wrong = left_over(rows, found == given.end() ? std::vector<const ResultRow*>() : found->second, rounded);
    if (!wrong.empty()) return wrong;
  }
  for (const auto& [where, rows] : given) {
    if (!wanted.contains(where)) return "not expected: " + text_of(*rows.front());
  }
  std::map<std::string, Ticks> newest;
  for (const auto& row : actual) {
    const auto [before, fresh] = newest.try_emplace(row.output, row.time);
    if (row.time < before->second) return "out of order: " + text_of(row);
    before->second = row.time;
  }
  return {};
}

}  // namespace meterhub::engine::oracle
