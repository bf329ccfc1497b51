#include "scoped_server.h"

#include <utility>

#include <meterhub/base/assert.h>
#include <meterhub/base/logging.h>

namespace meterhub::console {

const Scope& ScopedServer::stated(http::Method method, std::string_view pattern) {
  const auto* const scope = find_scope(method, pattern);
  if (scope == nullptr) {
    base::logging::error("route_without_scope", {{"method", http::method_name(method)}, {"pattern", pattern}});
  }
  MH_ASSERT(scope != nullptr && "a route states its reach and right in scopes.cc");
  if (scope->reach != Reach::kPolicy) routes_.push_back(scope);
  return *scope;
}

void ScopedServer::route(http::Method method, std::string_view pattern, http::Handler handler) {
  server_->route(method, pattern,
                 [&scope = stated(method, pattern), handler = std::move(handler)](const http::Request& request,
                                                                                  http::Reply reply) mutable {
                   const auto allowed = check_scope(scope, caller_of(request), request.local);
                   if (!allowed) return std::move(reply).send(http::Response::error(allowed.error()));
                   handler(request, std::move(reply));
                 });
}

// Files compiled in hold nobody's data: the guard's key is enough.
void ScopedServer::content(std::string_view path, std::string_view media_type, std::string_view bytes) {
  stated(http::Method::kGet, path);
  server_->content(path, media_type, bytes);
}

void ScopedServer::upgrade(std::string_view pattern, http::UpgradeHandler handler) {
  const auto& scope = stated(http::Method::kGet, pattern);
  MH_ASSERT(scope.reach == Reach::kPolicy && "nobody checks what an upgraded connection does later");
  server_->upgrade(pattern, std::move(handler));
}

}  // namespace meterhub::console
