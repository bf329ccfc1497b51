// A directory that a test fills.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include <meterhub/hub/gateway_directory.h>

namespace meterhub::hub::test {

// Any thread.
class MemoryGateways final : public GatewayDirectory {
 public:
  void put(Gateway gateway) {
    const auto id = gateway.id;
    {
      const std::lock_guard lock(mutex_);
      gateways_[id] = std::make_shared<const Gateway>(std::move(gateway));
    }
    tell(id);
  }
  void remove(const std::string& id) {
    {
      const std::lock_guard lock(mutex_);
      gateways_.erase(id);
    }
    tell(id);
  }

  GatewayPtr find(std::string_view id) const override {
    const std::lock_guard lock(mutex_);
    const auto it = gateways_.find(std::string(id));
    return it == gateways_.end() ? nullptr : it->second;
  }
  GatewayPtr find(base::Eui64 eui) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, gateway] : gateways_)
      if (gateway->eui == eui) return gateway;
    return nullptr;
  }
  std::unique_ptr<GatewayWatch> watch(base::Executor& call_on, std::function<void(std::string)> changed) override {
    executor_ = &call_on;
    changed_ = std::move(changed);
    return std::make_unique<Handle>(*this);
  }

 private:
  struct Handle final : GatewayWatch {
    explicit Handle(MemoryGateways& o) : owner(o) {}
    ~Handle() override { owner.executor_ = nullptr; }
    MemoryGateways& owner;
  };
  void tell(const std::string& id) {
    if (executor_ != nullptr) executor_->post([this, id] { if (executor_ != nullptr) changed_(id); });
  }

  mutable std::mutex mutex_;
  std::map<std::string, GatewayPtr> gateways_;
  base::Executor* executor_ = nullptr;
  std::function<void(std::string)> changed_;
};

}  // namespace meterhub::hub::test
