// What every route of the console's server needs of the one who asks: one table. Pure.
#pragma once

#include <span>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/console/caller.h>
#include <meterhub/http/message.h>

namespace meterhub::console {

enum class Reach : std::uint8_t {
  kOpen,      // nobody's secret: no key is asked for
  kTenant,    // any key; the handler shows a tenant's key its own only
  kPlatform,  // keys of the whole platform
  kSocket,    // the control socket alone, whatever the key
  kPolicy,    // no key of ours: IoT Hub's clients show a token of a policy, which the handler checks
};
std::string_view reach_name(Reach reach);

struct Scope {
  http::Method method;
  std::string_view pattern;  // as it is registered
  Reach reach;
  Right right = Right::kRead;
};
std::span<const Scope> scopes();
// Null: the table states nothing about this route.
const Scope* find_scope(http::Method method, std::string_view pattern);

// True when `path` begins like that of a route of reach kPolicy: the guard leaves it to the handler.
bool is_policy_path(std::string_view path);

// kForbidden says what is missing.
base::Result<void> check_scope(const Scope& scope, const Caller& caller, bool local);

}  // namespace meterhub::console
