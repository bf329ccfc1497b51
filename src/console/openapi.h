// docs/reference/openapi.json, compiled in.
#pragma once

#include <string_view>

namespace meterhub::console {

std::string_view openapi_json();

}  // namespace meterhub::console
