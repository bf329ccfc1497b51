#include "scopes.h"

#include <algorithm>
#include <array>

namespace meterhub::console {
namespace {

using http::Method;

// A route that is not in here cannot be registered (ScopedServer). docs/reference/openapi.json
// says the same of each, which a test compares.
constexpr std::array kScopes{
    // The page. Its front door answers people itself.
    Scope{Method::kGet, "/", Reach::kOpen},
    Scope{Method::kGet, "/page.css", Reach::kOpen},
    Scope{Method::kGet, "/page.js", Reach::kTenant},
    Scope{Method::kGet, "/words.js", Reach::kTenant},
    Scope{Method::kGet, "/dom.js", Reach::kTenant},
    Scope{Method::kGet, "/chart.js", Reach::kTenant},
    Scope{Method::kGet, "/api.js", Reach::kTenant},
    Scope{Method::kGet, "/lists.js", Reach::kTenant},
    Scope{Method::kGet, "/episodes.js", Reach::kTenant},
    Scope{Method::kGet, "/deeds.js", Reach::kTenant},
    Scope{Method::kGet, "/areas.js", Reach::kTenant},
    Scope{Method::kGet, "/usage.js", Reach::kTenant},
    // What the meters say.
    Scope{Method::kGet, "/api/v1/status", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/buildings", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/meters", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/meters/{eui}", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/meters/{eui}/usage", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/usage", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/peaks", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/gateways", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/alerts", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/flow", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/events", Reach::kTenant},
    // About the API itself.
    Scope{Method::kGet, "/api/v1/openapi.json", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/routes", Reach::kPlatform},
    // For alarms and people on call.
    Scope{Method::kGet, "/health", Reach::kOpen},
    Scope{Method::kGet, "/metrics", Reach::kPlatform},
    Scope{Method::kGet, "/api/v1/audit", Reach::kPlatform},
    Scope{Method::kGet, "/api/v1/trace", Reach::kPlatform},
    Scope{Method::kGet, "/api/v1/deadletters", Reach::kPlatform},
    Scope{Method::kPost, "/api/v1/deadletters/retry", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/replay", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/lake/compact", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kGet, "/api/v1/backup", Reach::kSocket, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/backup", Reach::kSocket, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/backup/cancel", Reach::kSocket, Right::kAdmin},
    // Jobs: their queries see every tenant's events.
    Scope{Method::kGet, "/api/v1/jobs", Reach::kPlatform},
    Scope{Method::kPost, "/api/v1/jobs", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/jobs/check", Reach::kPlatform},
    Scope{Method::kGet, "/api/v1/jobs/{name}", Reach::kPlatform},
    Scope{Method::kPut, "/api/v1/jobs/{name}", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kDelete, "/api/v1/jobs/{name}", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/jobs/{name}/start", Reach::kPlatform, Right::kAdmin},
    Scope{Method::kPost, "/api/v1/jobs/{name}/stop", Reach::kPlatform, Right::kAdmin},
    // What the office knows.
    Scope{Method::kGet, "/api/v1/episodes", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/episodes/cleared", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/episodes/counts", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/episodes/{id}", Reach::kTenant},
    Scope{Method::kPost, "/api/v1/episodes/{action}", Reach::kTenant, Right::kOperate},
    Scope{Method::kGet, "/api/v1/building-status", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/district-status", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/completeness", Reach::kTenant},
    Scope{Method::kGet, "/api/v1/completeness/days", Reach::kTenant},
    // Messages.
    Scope{Method::kGet, "/api/v1/notify/channels", Reach::kPlatform},
    Scope{Method::kPost, "/api/v1/notify/channels", Reach::kPlatform, Right::kManage},
    Scope{Method::kGet, "/api/v1/notify/channels/{name}", Reach::kPlatform},
    Scope{Method::kPut, "/api/v1/notify/channels/{name}", Reach::kPlatform, Right::kManage},
    Scope{Method::kDelete, "/api/v1/notify/channels/{name}", Reach::kPlatform, Right::kManage},
    Scope{Method::kPost, "/api/v1/notify/channels/{name}/test", Reach::kPlatform, Right::kManage},
    Scope{Method::kGet, "/api/v1/notify/routes", Reach::kPlatform},
    Scope{Method::kPost, "/api/v1/notify/routes", Reach::kPlatform, Right::kManage},
    Scope{Method::kDelete, "/api/v1/notify/routes/{number}", Reach::kPlatform, Right::kManage},
    // AMQP in WebSockets: who comes proves itself inside.
    Scope{Method::kGet, "/$iothub/websocket", Reach::kPolicy},
    Scope{Method::kGet, "/$servicebus/websocket", Reach::kPolicy},
    // The device registry of IoT Hub (docs/reference/registry-rest.md).
    Scope{Method::kGet, "/devices", Reach::kPolicy},
    Scope{Method::kPost, "/devices", Reach::kPolicy},
    Scope{Method::kGet, "/devices/{rest*}", Reach::kPolicy},
    Scope{Method::kPost, "/devices/{rest*}", Reach::kPolicy},
    Scope{Method::kPut, "/devices/{rest*}", Reach::kPolicy},
    Scope{Method::kDelete, "/devices/{rest*}", Reach::kPolicy},
    Scope{Method::kGet, "/statistics/{rest*}", Reach::kPolicy},
    Scope{Method::kGet, "/twins/{rest*}", Reach::kPolicy},
    Scope{Method::kPut, "/twins/{rest*}", Reach::kPolicy},
    Scope{Method::kPatch, "/twins/{rest*}", Reach::kPolicy},
    Scope{Method::kPost, "/twins/{rest*}", Reach::kPolicy},
    Scope{Method::kGet, "/jobs", Reach::kPolicy},
    Scope{Method::kGet, "/jobs/{rest*}", Reach::kPolicy},
    Scope{Method::kPost, "/jobs/{rest*}", Reach::kPolicy},
    Scope{Method::kPut, "/jobs/{rest*}", Reach::kPolicy},
    Scope{Method::kDelete, "/jobs/{rest*}", Reach::kPolicy},
    Scope{Method::kGet, "/configurations", Reach::kPolicy},
    Scope{Method::kGet, "/configurations/{rest*}", Reach::kPolicy},
    Scope{Method::kPut, "/configurations/{rest*}", Reach::kPolicy},
    Scope{Method::kDelete, "/configurations/{rest*}", Reach::kPolicy},
};

// "/devices/{rest*}" -> "devices"
std::string_view first_segment(std::string_view path) {
  path.remove_prefix(std::min<std::size_t>(path.size(), 1));
  return path.substr(0, path.find('/'));
}

base::Result<void> refuse(std::string text) { return base::fail(base::Errc::kForbidden, std::move(text)); }

}  // namespace

std::string_view reach_name(Reach reach) {
  switch (reach) {
    case Reach::kOpen: return "open";
    case Reach::kTenant: return "tenant";
    case Reach::kPlatform: return "platform";
    case Reach::kSocket: return "socket";
    case Reach::kPolicy: return "policy";
  }
  return "";
}

std::span<const Scope> scopes() { return kScopes; }

const Scope* find_scope(Method method, std::string_view pattern) {
  const auto found = std::ranges::find_if(
      kScopes, [&](const Scope& scope) { return scope.method == method && scope.pattern == pattern; });
  return found == kScopes.end() ? nullptr : &*found;
}

bool is_policy_path(std::string_view path) {
  return std::ranges::any_of(kScopes, [first = first_segment(path)](const Scope& scope) {
    return scope.reach == Reach::kPolicy && first_segment(scope.pattern) == first;
  });
}

base::Result<void> check_scope(const Scope& scope, const Caller& caller, bool local) {
  if (scope.reach == Reach::kOpen || scope.reach == Reach::kPolicy) return {};
  if (scope.reach == Reach::kSocket && !local) return refuse("this is asked through the control socket only");
  if (scope.reach == Reach::kPlatform && caller.tenant) {
    return refuse("this is the whole platform's: a tenant's key does not reach it");
  }
  if (caller.may(scope.right)) return {};
  return refuse("this needs the right '" + std::string(registry::right_name(scope.right)) + "', the key has '" +
                std::string(registry::right_name(caller.right)) + "'");
}

}  // namespace meterhub::console
