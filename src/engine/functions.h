// The engine's scalar functions by theme; functions.cc joins them into one table.
#pragma once

#include <span>

#include "evaluate.h"

namespace meterhub::engine {

struct Kernel {
  sql::FunctionId id;
  Function run;
};

std::span<const Kernel> math_kernels();
std::span<const Kernel> text_kernels();
std::span<const Kernel> pattern_kernels();
std::span<const Kernel> date_kernels();
std::span<const Kernel> record_kernels();  // records, arrays, metadata, types, NULL logic

// True when any argument is NULL: most functions then give NULL.
inline bool any_null(std::span<const Value> args) {
  for (const auto& arg : args) {
    if (arg.is_null()) return true;
  }
  return false;
}

}  // namespace meterhub::engine
