// From the text of a query to its plan. Pure; any thread. Hostile text costs bounded
// time and stack: size, nesting, steps and expanded expressions are limited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/sql/diagnostic.h>
#include <meterhub/sql/limits.h>
#include <meterhub/sql/plan.h>

namespace meterhub::sql {

struct InputDeclaration {
  std::string name;
  InputKind kind = InputKind::kStream;
  std::vector<KnownColumn> columns;  // empty: open, any column may exist
  InputMetadata metadata = InputMetadata::kNone;
  bool metadata_in_star = true;  // `*` shows the metadata columns too
};

enum class AliasScope : std::uint8_t { kOpen, kStrict };              // D1
enum class StringComparison : std::uint8_t { kBinary, kIgnoreCase };  // D6

struct CompileOptions {
  std::vector<InputDeclaration> inputs;
  // Names that are not declared become inputs: reference data when they are only ever
  // joined, without DATEDIFF and without TIMESTAMP BY; else streams. plan_text shows which.
  bool infer_inputs = false;
  InputMetadata inferred_metadata = InputMetadata::kNone;  // of those; `*` does not show it
  std::vector<std::string> outputs;
  bool any_output = true;  // false: INTO must name one of `outputs`
  AliasScope alias_scope = AliasScope::kOpen;
  StringComparison string_comparison = StringComparison::kBinary;
  TimePolicy policy;
};

struct Compiled {
  Plan plan;                           // complete only when ok()
  std::vector<Diagnostic> diagnostics; // by place; errors, warnings and notes

  bool ok() const { return !has_error(diagnostics); }
};

Compiled compile(std::string_view text, const CompileOptions& options);

// What an engine may or may not execute.
enum class Feature : std::uint8_t {
  kProject, kFilter, kUnion, kApply, kReferenceJoin, kStreamJoin, kAnalytic,
  kTumbling, kHopping, kSliding, kSession, kSnapshot, kWindowsList, kSubstream,
  kMatchRecognize,
};
std::string_view feature_name(Feature feature);

struct Capabilities {
  std::vector<Feature> features;
  std::vector<FunctionId> functions;

  bool has(Feature feature) const;
  bool has(FunctionId function) const;
};

// Every feature and function of the language.
Capabilities everything();

// Something in the plan that an engine with `capabilities` cannot run.
struct Unsupported {
  std::string step;
  std::string what;  // "hopping window", "function TopOne"
};
std::vector<Unsupported> unsupported(const Plan& plan, const Capabilities& capabilities);

// The plan for people: inputs with paths and time, steps with operators and the state
// each keeps and for how long, outputs; and what `capabilities` leaves out.
std::string plan_text(const Plan& plan, const Capabilities& capabilities);

}  // namespace meterhub::sql
