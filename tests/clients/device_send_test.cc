// azure-iot-device, as published, sends to the hub over TLS.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <thread>

#include <meterhub/amqp/message.h>
#include <meterhub/hub/hub.h>
#include <meterhub/log/memory.h>

#include "memory_gateways.h"
#include "memory_policies.h"
#include "test_identity.h"

namespace meterhub::hub {
namespace {

constexpr std::string_view kKey = "bWFkZS11cC1rZXktZm9yLXRoZS1leGFtcGxlLW9ubHk=";

struct Outcome {
  int status;
  std::string output;
};

class DeviceSend : public ::testing::Test {
 protected:
  base::SystemClock clock_;
  std::unique_ptr<net::EventLoop> loop_ = std::move(*net::EventLoop::create());
  base::Metrics metrics_;
  log::MemoryLog log_{clock_};
  test::MemoryGateways gateways_;
  test::MemoryPolicies policies_;
  std::unique_ptr<Hub> hub_;
  std::thread thread_;
  std::string ca_file_ = ::testing::TempDir() + "clients_ca_" + std::to_string(getpid()) + ".pem";
  std::vector<log::Batch> batches_;

  void SetUp() override {
    log::TopicSpec spec;
    spec.name = "telemetry";
    ASSERT_TRUE(log_.declare(spec));
    gateways_.put({"gw 1", true, std::string(kKey), "", {}, {}});
    const auto& ca = net::test::authority();
    std::ofstream(ca_file_) << ca.identity.certificate_pem;
    HubOptions options;
    options.amqp = {{net::Address::loopback(),
                     *net::TlsContext::server({ca.issue("localhost", "DNS:localhost,IP:127.0.0.1"), {}})}};
    hub_ = std::move(*Hub::create({*loop_, log_, gateways_, policies_, *loop_, metrics_}, options, [](base::Error) {}));
    thread_ = std::thread([this] { loop_->run(); });
  }
  void TearDown() override {
    loop_->stop();
    thread_.join();
    unlink(ca_file_.c_str());
  }
  std::string connection_string(std::string_view key = kKey) const {
    return "HostName=localhost:" + std::to_string(hub_->amqp_addresses().front().port) +
           ";DeviceId=gw 1;SharedAccessKey=" + std::string(key);
  }
  // `settings` as in a shell: "COUNT=10 PARALLEL=2".
  Outcome run(const std::string& settings, std::string_view key = kKey) const {
    const auto command = "cd '" METERHUB_CLIENTS "' && env CA_FILE='" + ca_file_ + "' DEVICE_CONNECTION_STRING='" +
                         connection_string(key) + "' " + settings + " node device-send.mjs 2>&1";
    FILE* pipe = popen(command.c_str(), "r");
    Outcome out{};
    std::array<char, 4096> buffer;
    while (fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) out.output += buffer.data();
    out.status = WEXITSTATUS(pclose(pipe));
    return out;
  }
  std::vector<log::RecordView> stored() {
    std::vector<log::RecordView> out;
    const auto topic = *log_.topic("telemetry");
    const auto cursor =
        std::move(*log_.open({topic, telemetry_partition("gw 1", log_.partitions(topic))}, log::Earliest{}));
    while (true) {
      auto batch = std::move(*cursor->next(1 << 20));
      if (batch.records.empty()) return out;
      out.insert(out.end(), batch.records.begin(), batch.records.end());
      batches_.push_back(std::move(batch));
    }
  }
};

TEST_F(DeviceSend, SendsWithPropertiesThatAreKept) {
  const auto result = run("COUNT=10 BODY=hello PROPS=a=1,b=x");
  EXPECT_EQ(result.status, 0) << result.output;
  const auto records = stored();
  ASSERT_EQ(records.size(), 10u);
  EXPECT_EQ(records[0].body, "hello");
  EXPECT_EQ(records[0].properties.gateway, "gw 1");
  const auto message = amqp::Message::parse(base::as_bytes(records[0].sections));
  ASSERT_TRUE(message);
  EXPECT_EQ(message->application_properties.find("b")->string(), "x");
  EXPECT_EQ(message->properties()->content_type, amqp::Symbol("application/json"));
}

TEST_F(DeviceSend, AWrongKeyIsAnUnauthorizedError) {
  const auto result = run("COUNT=1 EXPECT_ERROR=UnauthorizedError", "YmFkIGtleSBiYWQga2V5IGJhZCBrZXk=");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_TRUE(stored().empty());
}

TEST_F(DeviceSend, ADisabledDeviceIsAnUnauthorizedError) {
  gateways_.put({"gw 1", false, std::string(kKey), "", {}, {}});
  const auto result = run("COUNT=1 EXPECT_ERROR=UnauthorizedError");
  EXPECT_EQ(result.status, 0) << result.output;
}

TEST_F(DeviceSend, LargeMessagesCrossSeveralFrames) {
  const auto result = run("COUNT=5 SIZE=200000");
  EXPECT_EQ(result.status, 0) << result.output;
  const auto records = stored();
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[4].body.size(), 200'000u);
}

TEST_F(DeviceSend, AMessageOverTheMaximumIsTooLarge) {
  const auto result = run("COUNT=1 SIZE=2000000 EXPECT_ERROR=MessageTooLargeError");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_rejected_total"), 1u);
}

TEST_F(DeviceSend, ManyInParallelAreEachAccepted) {
  const auto result = run("COUNT=1000 PARALLEL=100");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_EQ(stored().size(), 1000u);
  EXPECT_EQ(metrics_.total("meterhub_hub_messages_settled_total"), 1000u);
}

TEST_F(DeviceSend, RenewsItsTokenWhileSending) {
  const auto result = run("COUNT=20 PAUSE_MS=300 TOKEN_SECONDS=4");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_GE(metrics_.total("meterhub_hub_claims_total"), 3u);
}

}  // namespace
}  // namespace meterhub::hub
