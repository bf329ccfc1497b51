// The hub's view of the registry's gateways.
#pragma once

#include <meterhub/hub/gateway_directory.h>
#include <meterhub/registry/directory.h>

namespace meterhub::app {

// Any thread. The directory outlives this.
class GatewayLookup final : public hub::GatewayDirectory {
 public:
  explicit GatewayLookup(registry::Directory& directory) : directory_(directory) {}

  hub::GatewayPtr find(std::string_view id) const override;
  hub::GatewayPtr find(base::Eui64 eui) const override;
  std::unique_ptr<hub::GatewayWatch> watch(base::Executor& call_on,
                                           std::function<void(std::string id)> changed) override;

 private:
  registry::Directory& directory_;
};

}  // namespace meterhub::app
