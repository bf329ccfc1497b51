// The device registry of Azure IoT Hub over HTTPS (spec/azure-amqp.md 12; docs/reference/registry-rest.md): its devices
// are the registry's gateways, so what is written here is seen there and the other way round. Requests in, answers out.
//
// Two steps: Gate (the server's loop) decides from memory who asks and whether he may; DeviceRegistry reads and writes
// the store, which blocks, on a thread of its own.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/http/message.h>
#include <meterhub/registry/policies.h>
#include <meterhub/registry/store.h>

namespace meterhub::identity {

// All there are. Any thread, from memory.
using GetPolicies = std::function<registry::Policies()>;

// Who asks, and what his policy permits.
struct Asker {
  registry::Actor actor;  // "policy:NAME", for the audit log
  registry::PolicyRights rights;
};

// An error in the form that IoT Hub's clients read.
http::Response refusal(const base::Error& error);

struct GateOptions {
  // Names that a token's `sr` may hold (without port); empty = any.
  std::vector<std::string> host_names{};
  // Requests a second from one address (IPv6: one /64), steady and burst; 0 = no limit.
  double rate = 100;
  double burst = 500;
};

// The server's loop thread.
class Gate {
 public:
  // The clock outlives the gate.
  Gate(GetPolicies policies, GateOptions options, const base::Clock& clock);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  // 429 over the rate, which is looked at first; 401 without a valid token of a policy, the reason in words.
  std::expected<Asker, http::Response> admit(const http::Request& request);

 private:
  class Rate;
  const GetPolicies policies_;
  const GateOptions options_;
  const base::Clock& clock_;
  std::unique_ptr<Rate> rate_;
};

// What the hub knows of a device. A time that is Timestamp{} = never.
struct DeviceState {
  bool connected = false;
  base::Timestamp changed{};  // when it was connected or disconnected last
  base::Timestamp active{};  // when it connected or sent something last
};

// The hub's side. Any thread, from memory.
class DeviceStates {
 public:
  virtual ~DeviceStates() = default;
  virtual DeviceState of(std::string_view device_id) const = 0;
  virtual std::size_t connected() const = 0;
};

struct DeviceRegistryOptions {
  // Tenant of devices that are made here, by name; empty = the only one there is.
  std::string tenant{};
  // Over it: 403 TooManyDevices. Azure's hubs have the same limit.
  std::size_t devices_max = 1'000'000;
};

// One thread at a time; the store's calls block it.
class DeviceRegistry {
 public:
  // `device_count`: from memory. All that is passed outlives this.
  DeviceRegistry(registry::Store& store, const DeviceStates& states, std::function<std::size_t()> device_count,
                 DeviceRegistryOptions options);

  struct Answer {
    http::Response response;
    bool wrote = false;  // the registry was changed: whoever follows it looks
  };
  // `request` needs method, target, headers and body.
  Answer answer(const http::Request& request, const Asker& asker);

 private:
  registry::Store& store_;
  const DeviceStates& states_;
  const std::function<std::size_t()> device_count_;
  const DeviceRegistryOptions options_;
};

}  // namespace meterhub::identity
