// docs/reference/sql.md from the table of functions: the page cannot say what the binder
// does not know.
#include <array>
#include <utility>

#include <fmt/format.h>
#include <meterhub/sql/functions.h>
#include <meterhub/sql/limits.h>

namespace meterhub::sql {
namespace {

constexpr std::string_view kHead =
    "# Stream SQL: functions\n\n"
    "Written by `meterhub sql functions`; do not edit. The language is that of Azure Stream Analytics.\n"
    "`meterhub sql check --query F` says what is wrong with a query, `meterhub sql explain --query F` how it runs.\n\n";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '|' ? "\\|" : std::string(1, c);
  return result;
}

std::string_view tier_name(Tier tier) {
  constexpr std::array<std::string_view, 3> kNames = {"must", "should", "later"};
  return kNames[std::to_underlying(tier)];
}

void section(std::string& page, std::string_view title, FunctionKind kind) {
  page += fmt::format("## {}\n\n| Form | Gives | Tier | Meaning |\n|---|---|---|---|\n", title);
  for (const FunctionInfo& function : functions()) {
    if (function.kind != kind) continue;
    page += fmt::format("| `{}` | {} | {} | {} |\n", escaped(function.signature), type_name(function.result), tier_name(function.tier), escaped(function.doc));
  }
  page += '\n';
}

}  // namespace

std::string reference_markdown() {
  std::string page(kHead);
  section(page, "Aggregates", FunctionKind::kAggregate);
  page += "Need GROUP BY with a window; with `OVER ([PARTITION BY k] LIMIT DURATION(unit, n) [WHEN c])` they give a value per event instead.\n\n";
  section(page, "Analytic functions", FunctionKind::kAnalytic);
  page +=
      "## MATCH_RECOGNIZE\n\n"
      "```sql\n"
      "FROM input MATCH_RECOGNIZE (\n"
      "  LIMIT DURATION(unit, n) [PARTITION BY k]\n"
      "  MEASURES First(A.x) | Last(A.x) | Min(A.x) | Max(A.x) | Classifier() AS name, ...\n"
      "  [AFTER MATCH SKIP TO NEXT ROW]\n"
      "  PATTERN (A+ (B | C)* D? E{2,5} .)\n"
      "  DEFINE A AS condition, ...\n"
      ") AS alias\n"
      "```\n\n"
      "One row for each event that a match begins with; the events of a match follow each other within the key and take less than the "
      "duration. `A.x` in A's own condition is the event at hand, elsewhere `Last(A.x)`; a condition reads its own variable and those "
      "defined before. Of alternatives the first that leads to a match counts, repetitions take as much as they can: a match that "
      "could go on is known with the event that ends it, or when the duration is over, and that is its System.Timestamp(). "
      "Classifier() is the list of the events' variables. `.` and a variable without a definition are any event.\n\n";
  section(page, "Functions of one row", FunctionKind::kScalar);
  section(page, "APPLY", FunctionKind::kApply);
  page += fmt::format("## Limits\n\nA query has at most {} bytes, {} levels of nesting, {} steps; windows, join bounds and durations at most 7 days.\n",
                      kQueryBytesMax, kNestingMax, kStepsMax);
  return page;
}

}  // namespace meterhub::sql
