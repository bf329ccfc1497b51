// A hub over TLS with gateway gw-1, stepped by the test.
#pragma once

#include <gtest/gtest.h>

#include <meterhub/hub/hub.h>
#include <meterhub/sas/token.h>

#include "device_client.h"
#include "held_log.h"
#include "loop_fixture.h"
#include "memory_gateways.h"
#include "memory_policies.h"

namespace meterhub::hub::test {

inline constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";
inline constexpr std::string_view kOtherKey = "YW5vdGhlci1tYWRlLXVwLWtleS1mb3ItdGhlLXRlc3Q=";

class HubFixture : public net::test::LoopFixture {
 protected:
  HeldLog log_{clock_};
  MemoryGateways gateways_;
  MemoryPolicies policies_;
  HubOptions options_;
  base::Executor* reads_ = nullptr;  // where the hub reads the log; the loop when there is none
  std::optional<base::Error> fatal_;
  std::unique_ptr<Hub> hub_;

  virtual HubWorld world() { return {*loop_, log_, gateways_, policies_, reads_ ? *reads_ : *loop_, metrics_}; }
  void declare() {
    log::TopicSpec spec;
    spec.name = "telemetry";
    spec.partitions = 4;
    ASSERT_TRUE(log_.declare(spec));
  }
  void start() {
    declare();
    gateways_.put({"gw-1", true, std::string(kKey), std::string(kOtherKey), base::Eui64(0x0102030405060708), {}});
    options_.amqp = {{net::Address::loopback(), net::test::server_context()}};
    auto hub = Hub::create(world(), options_, [this](base::Error e) { fatal_ = e; });
    ASSERT_TRUE(hub) << hub.error().text;
    hub_ = std::move(*hub);
  }
  std::string token(std::string_view device = "gw-1", std::string_view key = kKey,
                    std::chrono::seconds life = std::chrono::hours(1)) {
    return *sas::make_token(resource(device), key,
                            std::chrono::floor<std::chrono::seconds>(clock_.now()) + life);
  }
  static std::string resource(std::string_view device) { return "localhost%2Fdevices%2F" + std::string(device); }
  static std::string telemetry_of(std::string_view device) {
    return "/devices/" + std::string(device) + "/messages/events";
  }
  // Connects and shows a token; true when it was taken.
  bool claim(DeviceClient& client, const std::string& with) {
    client.dial(hub_->amqp_addresses().front(), net::test::client_context());
    run_until([&] { return hub_->connections() > 0; });
    const auto before = client.statuses.size();
    client.put_token(with, resource("gw-1"));
    const auto answered = [&] { return client.statuses.size() > before || client.closed; };
    for (int i = 0; i < 200 && !answered(); ++i) loop_->run_once(std::chrono::milliseconds(5));
    // Whoever is refused waits for the answer.
    run_until([&] {
      if (!answered()) clock_.advance(std::chrono::milliseconds(100));
      return answered();
    });
    return client.statuses.size() > before && client.statuses.back() == 200;
  }
  // A link with credit.
  amqp::LinkId ready(DeviceClient& client) {
    EXPECT_TRUE(claim(client, token())) << client.description;
    const auto link = client.attach(telemetry_of("gw-1"));
    EXPECT_TRUE(run_until([&] { return client.attached && client.credit(link) > 0; }));
    return link;
  }
  // Its link is detached, and after the time for goodbyes TCP is dropped.
  bool is_ended(DeviceClient& client, amqp::LinkId link) {
    if (!run_until([&] { return client.detached.contains(link); })) return false;
    pass(std::chrono::seconds(3));
    return run_until([&] { return client.closed.has_value(); });
  }
  std::vector<log::RecordView> stored() {
    batches_.clear();
    std::vector<log::RecordView> out;
    for (std::uint32_t p = 0; p < 4; ++p) {
      const auto cursor = std::move(*log_.open({*log_.topic("telemetry"), base::PartitionId(p)}, log::Earliest{}));
      while (true) {
        auto batch = std::move(*cursor->next(1 << 20));
        if (batch.records.empty()) break;
        out.insert(out.end(), batch.records.begin(), batch.records.end());
        batches_.push_back(std::move(batch));
      }
    }
    return out;
  }
  void pass(std::chrono::seconds time) {
    clock_.advance(time);
    run_some();
  }
  std::vector<log::Batch> batches_;
};

}  // namespace meterhub::hub::test
