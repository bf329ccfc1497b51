// IoT Hub's device registry on the console's server: `/devices` and what belongs to it
// (docs/reference/registry-rest.md).
#pragma once

#include <functional>
#include <memory>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/http/server.h>
#include <meterhub/hub/presence.h>
#include <meterhub/identity/device_registry.h>
#include <meterhub/registry/directory.h>

namespace meterhub::app {

// What the registry shows of devices is what the hub sees.
class HubStates final : public identity::DeviceStates {
 public:
  explicit HubStates(const hub::PresenceBoard& board) : board_(board) {}
  identity::DeviceState of(std::string_view device_id) const override {
    const auto seen = board_.of(device_id);
    return {seen.connected, seen.changed, seen.active};
  }
  std::size_t connected() const override { return board_.connected(); }

 private:
  const hub::PresenceBoard& board_;
};

struct DeviceApiOptions {
  identity::GateOptions gate{};
  identity::DeviceRegistryOptions registry{};
  // Requests that are not answered yet; over it: 503.
  std::size_t waiting_max = 64;
};

// All of it outlives API and server.
struct DeviceApiWorld {
  registry::Store& store;
  const registry::Directory& directory;
  const hub::PresenceBoard& presence;
  const base::Clock& clock;
  base::Metrics& metrics;
  // Brings the directory up to date with the store, then runs `then`, on any thread: who made a device may connect as
  // it.
  std::function<void(base::Task then)> follow;
};

// On one executor, which should be a thread of its own: the store blocks.
class DeviceApi {
 public:
  DeviceApi(const DeviceApiWorld& world, const DeviceApiOptions& options);

  using Done = std::move_only_function<void(http::Response)>;
  // `done`: any thread.
  void answer(const http::Request& request, const identity::Asker& asker, Done done);
  void drain(base::Task done) {
    alive_.reset();
    done();
  }
  // Goes with the object, or with drain().
  std::weak_ptr<void> alive() const { return alive_; }

 private:
  const std::function<void(base::Task then)> follow_;
  const HubStates states_;
  identity::DeviceRegistry registry_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

// Server's loop thread, which checks who asks. The executor outlives the server; the API may go before it.
void add_device_routes(http::Server& server, DeviceApi& api, const DeviceApiWorld& world,
                       const DeviceApiOptions& options, base::Executor& executor);

}  // namespace meterhub::app
