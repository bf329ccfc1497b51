#include "routes.h"

#include <fmt/format.h>

namespace meterhub::console {

// All of it is text of our own: nothing to escape.
std::string routes_json(const std::vector<const Scope*>& routes) {
  std::string out = "{\"routes\":[";
  for (const auto* const scope : routes) {
    if (out.back() == '}') out += ',';
    out += fmt::format(R"({{"method":"{}","path":"{}","reach":"{}","right":"{}"}})", http::method_name(scope->method),
                       scope->pattern, reach_name(scope->reach), registry::right_name(scope->right));
  }
  return out + "]}";
}

}  // namespace meterhub::console
