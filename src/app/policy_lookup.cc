#include "policy_lookup.h"

#include <utility>

namespace meterhub::app {
namespace {

constexpr bool same(registry::PolicyRight stored, hub::Right seen) { return std::to_underlying(stored) == std::to_underlying(seen); }
static_assert(same(registry::PolicyRight::kRegistryRead, hub::Right::kRegistryRead) &&
              same(registry::PolicyRight::kRegistryWrite, hub::Right::kRegistryWrite) &&
              same(registry::PolicyRight::kServiceConnect, hub::Right::kServiceConnect) &&
              same(registry::PolicyRight::kDeviceConnect, hub::Right::kDeviceConnect) &&
              same(registry::PolicyRight::kListen, hub::Right::kListen) && same(registry::PolicyRight::kSend, hub::Right::kSend) &&
              same(registry::PolicyRight::kManage, hub::Right::kManage));

class Watch final : public hub::PolicyWatch {
 public:
  explicit Watch(std::unique_ptr<registry::Subscription> subscription) : subscription_(std::move(subscription)) {}

 private:
  std::unique_ptr<registry::Subscription> subscription_;
};

}  // namespace

hub::PolicyPtr PolicyLookup::find(std::string_view scope, std::string_view name) const {
  const auto policies = directory_.policies();
  const auto* found = registry::find_policy(*policies, scope, name);
  if (found == nullptr) return nullptr;
  return std::make_shared<const hub::Policy>(
      hub::Policy{found->name, found->scope, found->rights.bits(), found->primary_key, found->secondary_key});
}

std::unique_ptr<hub::PolicyWatch> PolicyLookup::watch(base::Executor& call_on, std::function<void()> changed) {
  return std::make_unique<Watch>(directory_.on_policy_change(call_on, std::move(changed)));
}

}  // namespace meterhub::app
