// One seed, one run: a town and its platform through half an hour of troubles, judged.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace meterhub::simulation {

struct Outcome {
  std::uint64_t hash = 0;             // of everything that happened
  std::vector<std::string> problems;  // empty = all as promised
  std::set<std::string, std::less<>> died_at;  // commit points
  std::uint64_t readings = 0;
};

// `verbose` prints what happens when.
Outcome run_seed(std::uint64_t seed, bool verbose = false);

// Seeds that found something, from the file `regressions`: a number and the reason on each line.
std::vector<std::uint64_t> regression_seeds();

}  // namespace meterhub::simulation
