// The console's server as all who add routes see it: a route that states no reach and right
// is refused when it is registered, and every other one is checked before its handler runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <meterhub/http/server.h>

#include "scopes.h"

namespace meterhub::console {

// Loop thread.
class ScopedServer final : public http::Server {
 public:
  explicit ScopedServer(std::unique_ptr<http::Server> server) : server_(std::move(server)) {}

  // Ends the process when scopes.cc does not have it: a route nobody decided about must not run.
  void route(http::Method method, std::string_view pattern, http::Handler handler) override;
  void content(std::string_view path, std::string_view media_type, std::string_view bytes) override;
  // Of reach kPolicy only: what a connection does later is proved inside it. Ends the process for others.
  void upgrade(std::string_view pattern, http::UpgradeHandler handler) override;
  void guard(std::move_only_function<base::Result<void>(http::Request&)> check) override {
    server_->guard(std::move(check));
  }
  base::Result<net::Address> listen(const net::Address& at, net::ListenOptions options) override {
    return server_->listen(at, std::move(options));
  }
  base::Result<void> listen_unix(const std::string& path) override { return server_->listen_unix(path); }
  std::size_t connections() const override { return server_->connections(); }

  // Those of the API that were registered, in that order: not IoT Hub's own, which are documented elsewhere.
  const std::vector<const Scope*>& routes() const { return routes_; }

 private:
  const Scope& stated(http::Method method, std::string_view pattern);

  std::unique_ptr<http::Server> server_;
  std::vector<const Scope*> routes_;
};

}  // namespace meterhub::console
