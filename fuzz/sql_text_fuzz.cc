// The text of a query, from anybody: lexer, parser, binder, plan and diagnostics.
#include <meterhub/sql/compile.h>

#include "input.h"

namespace meterhub::sql {
namespace {

using fuzz::require;

CompileOptions options_for(std::uint8_t how) {
  CompileOptions options;
  options.infer_inputs = (how & 1) == 0;
  if (how & 2) options.alias_scope = AliasScope::kStrict;
  if (how & 4) options.string_comparison = StringComparison::kIgnoreCase;
  options.inputs = {{"Known", InputKind::kStream, {{"Meter", Type::kText}, {"Used", Type::kFloat}}, InputMetadata::kEventHub},
                    {"Input", InputKind::kStream, {}, InputMetadata::kIotHub},
                    {"Meters", InputKind::kReference, {}, InputMetadata::kNone}};
  options.outputs = {"Alerts", "output"};
  options.any_output = (how & 8) == 0;
  return options;
}

void check_diagnostics(std::string_view text, const Compiled& compiled) {
  require(compiled.diagnostics.size() <= kDiagnosticsMax + 1);
  for (const Diagnostic& diagnostic : compiled.diagnostics) {
    require(diagnostic.span.begin <= diagnostic.span.end && diagnostic.span.end <= text.size());
    require(diagnostic.place.line >= 1 && diagnostic.place.column >= 1 && diagnostic.place.length >= 1);
    require(!diagnostic.code.empty() && !diagnostic.message.empty() && !caret_text(text, diagnostic, "q").empty());
  }
  require(!diagnostics_json(compiled.diagnostics, "q").empty());
}

// What means nothing changes nothing.
void add_blanks(std::string_view text, const Compiled& compiled, const CompileOptions& options) {
  const std::string plan = plan_text(compiled.plan, everything());
  require(!plan.empty());
  const auto longer = std::string(text) + "\n-- the end\n/* ( */\n";
  if (longer.size() > kQueryBytesMax) return;
  const auto again = compile(longer, options);
  require(again.ok() && plan_text(again.plan, everything()) == plan);
}

}  // namespace
}  // namespace meterhub::sql

MH_FUZZER(sql_text, input) {
  using namespace meterhub::sql;
  const auto options = options_for(input.byte());
  const auto compiled = compile(input.text(), options);
  check_diagnostics(input.text(), compiled);
  meterhub::fuzz::require(compiled.ok() || !compiled.diagnostics.empty());
  if (compiled.ok()) add_blanks(input.text(), compiled, options);
}
