// The hub's view of the registry's shared access policies.
#pragma once

#include <meterhub/hub/policies.h>
#include <meterhub/registry/directory.h>

namespace meterhub::app {

// Any thread. The directory outlives this.
class PolicyLookup final : public hub::PolicyDirectory {
 public:
  explicit PolicyLookup(registry::Directory& directory) : directory_(directory) {}

  hub::PolicyPtr find(std::string_view scope, std::string_view name) const override;
  std::unique_ptr<hub::PolicyWatch> watch(base::Executor& call_on, std::function<void()> changed) override;

 private:
  registry::Directory& directory_;
};

}  // namespace meterhub::app
