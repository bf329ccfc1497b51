// What users and the commands ask of messages: `/api/v1/notify/…` (docs/reference/http-api.md), of a running platform
// or over the registry of a directory that nobody owns.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include <meterhub/base/executor.h>
#include <meterhub/base/settings.h>
#include <meterhub/http/server.h>
#include <meterhub/notify/carrier.h>
#include <meterhub/registry/store.h>

namespace meterhub::app {

// How parcels travel, as the settings say.
notify::CarrierOptions carrier_options(const base::Settings& settings);
http::Plaintext plaintext_of(const base::Settings& settings);

// On one executor. A test message is awaited on a thread of the carrier's: nobody waits behind it.
class NotifyApi {
 public:
  // `registry` and `clock` outlive the API. kInternal: no memory.
  static base::Result<std::unique_ptr<NotifyApi>> create(registry::Store& registry, const base::Clock& clock,
                                                         const base::Settings& settings);

  using Done = std::move_only_function<void(http::Response)>;
  // `request` needs method, path, body and local only. `done`: any thread.
  void answer(const http::Request& request, Done done);
  void drain(base::Task done) {
    alive_.reset();
    done();
  }
  // Goes with the object, or with drain().
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  using Answer = base::Result<std::string>;
  NotifyApi(registry::Store& registry, const base::Clock& clock, http::Plaintext plaintext)
      : registry_(registry), clock_(clock), plaintext_(plaintext) {}

  base::Result<void> read_channel(const nlohmann::json& body, registry::ChannelSpec& spec) const;
  base::Result<registry::RouteSpec> read_route(const std::string& body) const;
  Answer channels() const;
  Answer add_channel(const http::Request& request);
  Answer change_channel(const http::Request& request, const std::string& name);
  Answer remove_channel(const http::Request& request, const std::string& name);
  void test(const http::Request& request, const std::string& name, Done done);
  Answer routes() const;
  Answer add_route(const http::Request& request);
  Answer remove_route(const http::Request& request, const std::string& number);
  Answer of_channels(const http::Request& request, const std::string& name);
  Answer of_routes(const http::Request& request, const std::string& number);

  registry::Store& registry_;
  const base::Clock& clock_;
  const http::Plaintext plaintext_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::unique_ptr<notify::Carrier> carrier_;  // goes first: what is under way is answered
};

// Server's loop thread. The executor outlives the server; the API may go before it.
void add_notify_routes(http::Server& server, NotifyApi& api, base::Executor& executor);

}  // namespace meterhub::app
