// Ways of a packet through the whole connector on the memory log: a gateway with a plug-in, in process and
// over the wire, and a vendor's own server. Real sockets, real time.
#include <meterhub/connector/connector.h>

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include <meterhub/connector/embedded_transport.h>
#include <meterhub/connector/foreign_transport.h>
#include <meterhub/connector/udp_transport.h>
#include <meterhub/log/memory.h>
#include <meterhub/ns/server.h>
#include <meterhub/registry/store.h>

#include "foreign_server.h"

namespace meterhub::connector {
namespace {

using namespace test;

const std::string kMeterPayload("\x02\x01\x00\x0f\x42\x40\x00\x0e\xf0\xe3\x00\x00\x51\x5d\x00\x04v1.0", 20);

class WholeConnector : public WireTest {
 protected:
  WholeConnector() : log_(loop_->clock()) {
    auto pattern = (std::filesystem::temp_directory_path() / "meterhub-wire-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    for (const auto name : {log::topics::kTelemetry, log::topics::kRetry, log::topics::kDecoded, log::topics::kStatus,
                            log::topics::kJoins, log::topics::kDeadletter, log::topics::kNoise}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 1;
      EXPECT_TRUE(log_.declare(spec));
    }
    store_ = std::move(*registry::Store::open({folder_ / "registry.sqlite", {}}, loop_->clock()));
    EXPECT_TRUE(store_->add_tenant("test", "gas"));
    for (const std::uint64_t eui : {0x01ULL, 0x0102030405060708ULL, 0xAA01ULL}) {
      registry::MeterSpec meter;
      meter.eui = base::Eui64(eui);
      meter.tenant = "gas";
      EXPECT_TRUE(store_->add_meter("test", meter));
    }
    add_gateway("gw-lora", "");
    add_gateway("gw-xor", "xor");
    EXPECT_TRUE(directory_.load(*store_));
    std::filesystem::create_directories(folder_ / "plugins");
    std::filesystem::copy_file(METERHUB_PLUGIN_XOR, folder_ / "plugins" / "xor.so");
    std::ofstream(folder_ / "plugins" / "xor.conf") << '\0';
    plugins_ = std::move(*decrypt::CipherPlugins::load((folder_ / "plugins").string()));
  }
  ~WholeConnector() override {
    connector_.reset();
    std::filesystem::remove_all(folder_);
  }

  void add_gateway(std::string id, std::string plugin) {
    registry::GatewaySpec gateway;
    gateway.eui = base::Eui64(kGateway.value + id.size());
    gateway.id = std::move(id);
    gateway.tenant = "gas";
    gateway.ns_plugin = std::move(plugin);
    EXPECT_TRUE(store_->add_gateway("test", gateway));
  }
  void start(Transport& transport) {
    auto made = Connector::create(log_, directory_, transport, *loop_, metrics_, {}, [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    connector_ = std::move(*made);
  }
  void deliver(std::string_view gateway, std::string body) {
    log::Transaction transaction;
    log::NewRecord record;
    record.properties.gateway = gateway;
    record.body = std::move(body);
    transaction.appends.push_back({{*log_.topic(log::topics::kTelemetry), base::PartitionId(0)}, std::move(record)});
    log_.transact(std::move(transaction), *loop_, [](auto stored) { EXPECT_TRUE(stored); });
  }
  std::vector<log::Properties> in(std::string_view topic) {
    std::vector<log::Properties> out;
    auto cursor = *log_.open({*log_.topic(topic), base::PartitionId(0)}, log::Earliest{});
    for (auto batch = *cursor->next(1 << 20); !batch.records.empty(); batch = *cursor->next(1 << 20)) {
      for (const auto& record : batch.records) out.push_back(record.properties);
    }
    return out;
  }
  static std::string xor_body() {
    std::string out("XRgateway.\1\2\3\4\5\6\7\10\0\0\0\5\24", 23);
    char sum = 0;
    for (const char c : kMeterPayload) sum = static_cast<char>(sum + c);
    return out + kMeterPayload + sum;
  }
  // One reading by each gateway, and a body that the plug-in does not know.
  void deliver_of_each_kind() {
    deliver("gw-lora", body_of({packet(1, 5)}));
    deliver("gw-xor", xor_body());
    deliver("gw-xor", "nonsense");
  }
  void expect_each_kind() {
    ASSERT_TRUE(run_until([&] { return in(log::topics::kDecoded).size() == 2 && !in(log::topics::kDeadletter).empty(); }));
    const auto decoded = in(log::topics::kDecoded);
    const auto by_plugin = std::ranges::find(decoded, 5u, &log::Properties::fcnt);
    ASSERT_NE(by_plugin, decoded.end());
    EXPECT_EQ(std::ranges::count(decoded, true, &log::Properties::unproven), 1);
    const auto letters = in(log::topics::kDeadletter);
    EXPECT_TRUE(std::ranges::any_of(letters, [](const auto& one) { return one.reason == "bad_length" && one.gateway == "gw-xor"; }));
  }

  std::filesystem::path folder_;
  log::MemoryLog log_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::unique_ptr<decrypt::CipherPlugins> plugins_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(WholeConnector, OpensAPluginsGatewayBesideLorawanInProcess) {
  EmbeddedTransport transport(table_, *loop_, plugins_.get());
  start(transport);
  deliver_of_each_kind();
  expect_each_kind();
  connector_.reset();
}

TEST_F(WholeConnector, OpensAPluginsGatewayBesideLorawanOverTheWire) {
  const auto server = std::move(*ns::Server::create(*loop_, table_, plugins_.get(), metrics_, {}));
  UdpTransportOptions options;
  options.servers = {server->address()};
  const auto transport = std::move(*UdpTransport::create(*loop_, *loop_, metrics_, options));
  start(*transport);
  deliver_of_each_kind();
  expect_each_kind();
  connector_.reset();
}

TEST_F(WholeConnector, WritesEveryReadingOnceThroughALossyNetworkToTwoServersOfWhichOneDies) {
  auto first = std::move(*ns::Server::create(*loop_, table_, nullptr, metrics_, {}));
  const auto second = std::move(*ns::Server::create(*loop_, table_, nullptr, metrics_, {}));
  Relay a(*loop_, first->address(), 0.3, 7), b(*loop_, second->address(), 0.3, 8);
  UdpTransportOptions options;
  options.servers = {a.address(), b.address()};
  const auto transport = std::move(*UdpTransport::create(*loop_, *loop_, metrics_, options));
  start(*transport);
  for (std::uint32_t i = 0; i < 300; ++i) deliver("gw-lora", body_of({packet(1, i)}));
  ASSERT_TRUE(run_until([&] { return in(log::topics::kDecoded).size() >= 50 || total("meterhub_connector_ns_lines_total") > 50; }));
  first.reset();
  for (std::uint32_t i = 300; i < 500; ++i) deliver("gw-lora", body_of({packet(1, i)}));
  ASSERT_TRUE(run_until([&] { return in(log::topics::kDecoded).size() >= 500; }, 60s));
  const auto decoded = in(log::topics::kDecoded);
  ASSERT_EQ(decoded.size(), 500U);
  for (std::uint32_t i = 0; i < 500; ++i) EXPECT_EQ(decoded[i].fcnt, i);
  for (const auto& letter : in(log::topics::kDeadletter)) EXPECT_NE(letter.reason, "ns_failed");
  connector_.reset();
}

TEST_F(WholeConnector, WritesTheReadingsOfAVendorsOwnServer) {
  ForeignServer server(*loop_, net::Address::loopback());
  ForeignTransportOptions options;
  options.servers = {server.address()};
  options.answer_wait = 200ms;
  const auto transport = std::move(*ForeignTransport::create(*loop_, *loop_, metrics_, options));
  server.answer_to(transport->answers_at());
  start(*transport);
  for (std::uint8_t i = 0; i < 20; ++i) deliver("gw-lora", vendor_body(1, i, kMeterPayload));
  deliver("gw-lora", vendor_body(77, 1, kMeterPayload));
  deliver("gw-lora", "what nobody answers");
  ASSERT_TRUE(run_until([&] { return in(log::topics::kDecoded).size() == 20 && in(log::topics::kDeadletter).size() == 2; }));
  for (const auto& one : in(log::topics::kDecoded)) {
    EXPECT_TRUE(one.unproven);
    EXPECT_FALSE(one.undecoded);
    EXPECT_NE(one.mic, lorawan::Mic{});
  }
  std::vector<std::string> reasons;
  for (const auto& letter : in(log::topics::kDeadletter)) reasons.push_back(letter.reason);
  EXPECT_THAT(reasons, testing::UnorderedElementsAre("unknown_meter", "ns_unanswered"));
  connector_.reset();
}

}  // namespace
}  // namespace meterhub::connector
