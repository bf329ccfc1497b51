// Comparing what the engine gives with what the oracle gives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oracle.h"

namespace meterhub::engine::oracle {

// The same JSON; with `rounded`, numbers with a fraction may differ in their last digits. A bigint
// is never the same as a float.
bool same_json(std::string_view a, std::string_view b, bool rounded);

// Rows of each output and time must be the same, in any order among them, and times of an output
// must not go back. Empty: nothing is wrong; else the first difference in words.
std::string difference(const std::vector<ResultRow>& expected, const std::vector<ResultRow>& actual, bool rounded);

}  // namespace meterhub::engine::oracle
