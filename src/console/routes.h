// GET /api/v1/routes: what the server was given, and what each needs. Pure.
#pragma once

#include <string>
#include <vector>

#include "scopes.h"

namespace meterhub::console {

// {"routes":[{"method","path","reach","right"}]}
std::string routes_json(const std::vector<const Scope*>& routes);

}  // namespace meterhub::console
