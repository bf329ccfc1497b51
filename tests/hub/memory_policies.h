// Shared access policies that a test fills.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <meterhub/hub/policies.h>

namespace meterhub::hub::test {

constexpr std::uint8_t rights(std::initializer_list<Right> all) {
  std::uint8_t out = 0;
  for (const auto right : all) out |= static_cast<std::uint8_t>(right);
  return out;
}

// Any thread.
class MemoryPolicies final : public PolicyDirectory {
 public:
  void put(Policy policy) {
    {
      const std::lock_guard lock(mutex_);
      auto key = std::pair(policy.scope, policy.name);
      policies_[std::move(key)] = std::make_shared<const Policy>(std::move(policy));
    }
    tell();
  }
  void remove(const std::string& scope, const std::string& name) {
    {
      const std::lock_guard lock(mutex_);
      policies_.erase({scope, name});
    }
    tell();
  }

  PolicyPtr find(std::string_view scope, std::string_view name) const override {
    const std::lock_guard lock(mutex_);
    const auto it = policies_.find({std::string(scope), std::string(name)});
    return it == policies_.end() ? nullptr : it->second;
  }
  std::unique_ptr<PolicyWatch> watch(base::Executor& call_on, std::function<void()> changed) override {
    executor_ = &call_on;
    changed_ = std::move(changed);
    return std::make_unique<Handle>(*this);
  }

 private:
  struct Handle final : PolicyWatch {
    explicit Handle(MemoryPolicies& o) : owner(o) {}
    ~Handle() override { owner.executor_ = nullptr; }
    MemoryPolicies& owner;
  };
  void tell() {
    if (executor_ != nullptr) executor_->post([this] { if (executor_ != nullptr) changed_(); });
  }

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, PolicyPtr> policies_;
  base::Executor* executor_ = nullptr;
  std::function<void()> changed_;
};

}  // namespace meterhub::hub::test
