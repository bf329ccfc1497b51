// What DeviceRegistry does for each operation. One thread.
#pragma once

#include <functional>

#include <meterhub/identity/device_registry.h>

#include "device_form.h"
#include "resource.h"

namespace meterhub::identity {

// All of it outlives the work.
struct Work {
  registry::Store& store;
  const DeviceStates& states;
  const std::function<std::size_t()>& device_count;
  const DeviceRegistryOptions& options;
  const Asker& asker;

  DeviceState state_of(const registry::Gateway& gateway) const {
    return state_since_creation(gateway, states.of(gateway.id));
  }
};

// An ETag of the store, or any.
struct Match {
  bool any = false;
  std::string etag{};
};
// If-Match: `"*"`, `*`, a quoted ETag or a bare one; nothing when the header is absent.
std::optional<Match> match_of(const http::Request& request);

base::Result<registry::Gateway> create_device(const Work& work, const DeviceForm& form);
// kPrecondition: another ETag; kNotFound.
base::Result<registry::Gateway> update_device(const Work& work, const DeviceForm& form, const Match& match);
base::Result<void> delete_device(const Work& work, std::string_view id, const Match& match);

base::Result<http::Response> list_devices(const Work& work, const http::Request& request);
base::Result<http::Response> query_devices(const Work& work, const http::Request& request);
// Every item that can be done is done; 400 when one cannot. kInvalidArgument: no such list, and nothing was done.
base::Result<http::Response> bulk(const Work& work, const http::Request& request);

}  // namespace meterhub::identity
