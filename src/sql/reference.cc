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
  section(page, "Functions of one row", FunctionKind::kScalar);
  section(page, "APPLY", FunctionKind::kApply);
  page += fmt::format("## Limits\n\nA query has at most {} bytes, {} levels of nesting, {} steps; windows, join bounds and durations at most 7 days.\n",
                      kQueryBytesMax, kNestingMax, kStepsMax);
  return page;
}

}  // namespace meterhub::sql
