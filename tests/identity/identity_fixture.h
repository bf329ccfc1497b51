// The device registry over a store, asked as a client asks.
#pragma once

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <map>

#include <meterhub/identity/device_registry.h>

#include "registry_fixture.h"

namespace meterhub::identity::test {

class MemoryStates final : public DeviceStates {
 public:
  std::map<std::string, DeviceState, std::less<>> states;
  DeviceState of(std::string_view id) const override {
    const auto found = states.find(id);
    return found == states.end() ? DeviceState() : found->second;
  }
  std::size_t connected() const override { return states.size(); }
};

class DeviceRegistryTest : public registry::RegistryTest {
 protected:
  MemoryStates states_;
  DeviceRegistryOptions options_;
  std::size_t devices_ = 0;
  registry::PolicyRights rights_{registry::PolicyRight::kRegistryWrite};

  DeviceRegistry::Answer answer(http::Method method, const std::string& target, const nlohmann::json& body = nullptr,
                                http::Fields headers = {}) {
    http::Request request;
    request.method = method;
    request.target = target;
    request.path = target.substr(0, target.find('?'));
    if (const auto top = target.find("top="); top != std::string::npos)
      request.query = {{"top", target.substr(top + 4)}};
    request.headers = std::move(headers);
    if (!body.is_null()) request.body = body.dump();
    DeviceRegistry registry(*store_, states_, [this] { return devices_; }, options_);
    return registry.answer(request, {"policy:test", rights_});
  }
  nlohmann::json read(const http::Response& response, unsigned status = 200) {
    EXPECT_EQ(response.status, status) << response.body;
    return nlohmann::json::parse(response.body, nullptr, false);
  }
  nlohmann::json get(const std::string& target) { return read(answer(http::Method::kGet, target).response); }
  nlohmann::json put(const std::string& id, const nlohmann::json& body = nlohmann::json::object(),
                     http::Fields headers = {}) {
    return read(answer(http::Method::kPut, "/devices/" + id, body, std::move(headers)).response);
  }
  // "404 DeviceNotFound"
  static std::string refused(const DeviceRegistry::Answer& answered) {
    const auto body = nlohmann::json::parse(answered.response.body, nullptr, false);
    const std::string message = body.is_object() ? body.value("Message", "") : answered.response.body;
    const auto code = message.substr(0, message.find(';'));
    return std::to_string(answered.response.status) + " " + (code.starts_with("ErrorCode:") ? code.substr(10) : code);
  }
};

}  // namespace meterhub::identity::test
