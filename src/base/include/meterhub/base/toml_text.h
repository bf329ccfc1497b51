// TOML texts for those who read JSON: one reader of a format is enough. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/result.h>

namespace meterhub::base {

// The same tables and values as one JSON object; dates and times become texts. kInvalidArgument with
// NAME:LINE:COLUMN for what is no TOML.
Result<std::string> json_of_toml(std::string_view text, std::string_view name);

}  // namespace meterhub::base
