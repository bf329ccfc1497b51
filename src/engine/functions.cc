#include "functions.h"

#include <array>

namespace meterhub::engine {
namespace {

constexpr std::size_t kIds = static_cast<std::size_t>(sql::FunctionId::kUser) + 1;

std::array<Function, kIds> build() {
  std::array<Function, kIds> table{};
  for (const auto kernels : {math_kernels(), text_kernels(), pattern_kernels(), date_kernels(), record_kernels()}) {
    for (const auto& kernel : kernels) table[static_cast<std::size_t>(kernel.id)] = kernel.run;
  }
  return table;
}

const std::array<Function, kIds>& table() {
  static const auto built = build();
  return built;
}

}  // namespace

Function find_kernel(sql::FunctionId id) { return table()[static_cast<std::size_t>(id)]; }

std::vector<sql::FunctionId> kernel_functions() {
  std::vector<sql::FunctionId> out;
  for (std::size_t i = 0; i < kIds; ++i) {
    if (table()[i] != nullptr) out.push_back(static_cast<sql::FunctionId>(i));
  }
  return out;
}

}  // namespace meterhub::engine
