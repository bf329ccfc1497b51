#include <array>

#include "functions.h"
#include "like.h"

namespace meterhub::engine {
namespace {

using Args = std::span<const Value>;

Value pat_index(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto pattern = in.to_text(args[0]).text;
  const auto text = in.to_text(args[1]).text;
  const auto found = find_like(text, pattern);
  if (!found || text.empty()) return Value::bigint(0);
  return Value::bigint(static_cast<std::int64_t>(character_count(text.substr(0, *found))) + 1);
}

Value regex_match(Evaluator& in, const sql::Expr&, Args args) {
  if (any_null(args)) return Value::null();
  const auto found = in.patterns().find(in.to_text(args[0]).text, in.to_text(args[1]).text);
  return found ? Value::bigint(*found) : in.fail(found.error().text);
}

constexpr std::array kKernels{
    Kernel{sql::FunctionId::kPatIndex, pat_index},
    Kernel{sql::FunctionId::kRegexMatch, regex_match},
};

}  // namespace

std::span<const Kernel> pattern_kernels() { return kKernels; }

}  // namespace meterhub::engine
