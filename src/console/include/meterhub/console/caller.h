// Who asks the HTTP API, as every handler may know it: `caller_of(request)`.
//
// The console's server checks reach and right of a route before its handler runs (scopes.cc
// has the one table of them). What is left to the handler: a caller with a tenant is shown
// nothing of another one. A single thing of another tenant is answered as one that does not
// exist (404), never as forbidden.
#pragma once

#include <cstdint>
#include <optional>

#include <meterhub/base/ids.h>
#include <meterhub/http/message.h>
#include <meterhub/registry/entities.h>

namespace meterhub::console {

using registry::Right;

struct Caller {
  // For audit rows and histories: "cli" on the control socket, "console" with the page's own
  // key, else "api:NAME" of the key.
  registry::Actor actor;
  // Whose data is seen; nothing: the whole platform's.
  std::optional<base::TenantNumber> tenant{};
  Right right = Right::kRead;
  // Number of the registry's key; 0: none of those.
  std::uint32_t key = 0;

  bool may(Right needed) const { return right >= needed; }
  bool sees(base::TenantNumber other) const { return !tenant || *tenant == other; }
};

// Any thread; of a copy of the request too. A request that passed no guard: the platform's
// administrator when it is local (also one made up by a command over opened stores), else
// somebody of tenant 0, who sees nothing.
Caller caller_of(const http::Request& request);

}  // namespace meterhub::console
