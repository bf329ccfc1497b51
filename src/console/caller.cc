#include <meterhub/console/caller.h>

namespace meterhub::console {

Caller caller_of(const http::Request& request) {
  if (const auto* const known = std::any_cast<Caller>(&request.asker)) return *known;
  if (request.local) return {.actor = "cli", .right = Right::kAdmin};
  return {.actor = "nobody", .tenant = base::TenantNumber(0)};
}

}  // namespace meterhub::console
