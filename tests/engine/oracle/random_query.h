// Random queries with random inputs, by seed (compilers differ: golden_text() keeps a case).
// The grammar covers what the engine keeps state for, over few keys, many equal times, NULLs and
// mixed types; it keeps away from what the specification leaves open (README.md).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "golden_file.h"

namespace meterhub::engine::oracle {

struct RandomCase {
  std::uint64_t seed = 0;
  std::string options;  // as in a golden file's line `options`
  std::string query;
  std::vector<std::pair<std::string, std::vector<std::string>>> inputs;      // name, events
  std::vector<std::pair<std::string, std::vector<std::string>>> references;  // "NAME [from TIME]", lines
  // Floats may differ by rounding: the query has means, variances or interpolations in it.
  bool rounded = false;
};

RandomCase random_case(std::uint64_t seed);

// As a golden file without results: to look at, and to keep.
std::string golden_text(const RandomCase& random);

// Leaves out events, as long as `fails` still holds.
RandomCase shrunk(RandomCase random, const std::function<bool(const RandomCase&)>& fails);

}  // namespace meterhub::engine::oracle
