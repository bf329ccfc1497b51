// A real server between real sockets: datagrams in, lines over TCP out.
#include <meterhub/ns/server.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>
#include <meterhub/net/udp.h>
#include <nlohmann/json.hpp>

#include "../support/temporary_directory.h"
#include "loop_fixture.h"

namespace meterhub::ns {
namespace {

using nlohmann::json;

lorawan::Session session_of(const json& from, std::uint32_t meter) {
  lorawan::Session out;
  out.dev_addr = base::DevAddr(static_cast<std::uint32_t>(std::stoul(from["devaddr"].get<std::string>(), nullptr, 16)));
  out.dev_eui = *base::Eui64::parse(from["deveui"].get<std::string>());
  out.meter = base::MeterNumber(meter);
  out.number = base::SessionNumber(1);
  out.nwk_skey = *base::hex_decode_array<16>(from["nwkskey"].get<std::string>());
  out.app_skey = *base::hex_decode_array<16>(from["appskey"].get<std::string>());
  return out;
}

// gw, mote and app as a whole; of ns only the members shown.
bool same(const json& got, const json& want) {
  for (const auto* name : {"gw", "mote", "app"}) {
    if (got[name] != want[name]) return false;
  }
  if (!want.contains("ns")) return true;
  return std::ranges::all_of(want["ns"].items(), [&](const auto& member) { return got["ns"].value(member.key(), json()) == member.value(); });
}

class ServerTest : public net::test::LoopFixture, public net::UdpHandler {
 protected:
  void SetUp() override {
    file_ = json::parse(std::ifstream(METERHUB_TEST_DATA "/vectors/ns_datagrams.json"));
    std::uint32_t meter = 0;
    for (const json& one : file_["sessions"]) ASSERT_TRUE(table_.upsert(session_of(one, ++meter)));
    table_.set_fresh_as_of(base::parse_rfc3339("2016-12-21T03:24:00Z")->at);
    listener_ = std::move(*net::Listener::tcp(*loop_, net::Address::loopback(), {}, metrics_, [this](net::ConnectionPtr c) {
      peers_.emplace_back(std::make_unique<net::test::Peer>())->take(std::move(c));
    }));
    udp_ = std::move(*net::UdpSocket::bind(*loop_, net::Address::loopback(), {}, *this));
  }
  void TearDown() override {
    server_.reset();
    peers_.clear();
  }

  void start(ServerOptions options = {}, const decrypt::CipherPlugins* plugins = nullptr) {
    options.answer_port = listener_->address().port;
    auto made = Server::create(*loop_, table_, plugins, metrics_, std::move(options));
    ASSERT_TRUE(made) << made.error().text;
    server_ = std::move(*made);
  }

  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& one : block) acks_.push_back(base::hex_encode(one.bytes));
  }
  std::string received() const {
    std::string out;
    for (const auto& peer : peers_) out += peer->received;
    return out;
  }
  std::vector<json> take_lines() {
    std::vector<json> out;
    const auto text = received();
    for (std::size_t from = 0; from < text.size();) {
      const auto end = text.find('\n', from);
      out.push_back(json::parse(text.substr(from, end - from)));
      from = end + 1;
    }
    for (const auto& peer : peers_) peer->received.clear();
    return out;
  }
  std::size_t line_count() const { return static_cast<std::size_t>(std::ranges::count(received(), '\n')); }
  void send(std::string_view text) {
    udp_->send(server_->address(), base::as_bytes(lorawan::build_push_data({7, 8}, base::Eui64(0xfffe020100000011), text)));
  }
  std::string sample_packet() const {
    for (const json& one : file_["cases"]) {
      if (one["id"] == "sample") return json::parse(one["json"].get<std::string>())["rxpk"][0].dump();
    }
    return {};
  }

  json file_;
  decrypt::SessionTable table_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<net::test::Peer>> peers_;
  std::unique_ptr<net::UdpSocket> udp_;
  std::vector<std::string> acks_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersEveryDatagramOfTheInternalPortAsTheVectorsSay) {
  start();
  std::size_t checked = 0;
  for (const json& one : file_["cases"]) {
    if (one["port"] != "internal") continue;  // the public port is the hub's
    clock_.set_wall(base::parse_rfc3339(one["recv_time"].get<std::string>())->at);
    const auto& want = one["expect"];
    acks_.clear();
    udp_->send(server_->address(), *base::hex_decode(one["datagram"].get<std::string>()));
    // A datagram that wants nothing back is followed by one that does: what comes first would show.
    udp_->send(server_->address(), *base::hex_decode("02eeee02fffe020100000011"));
    const auto acks = want["ack"].is_null() ? 1U : 2U;
    ASSERT_TRUE(run_until([&] { return acks_.size() >= acks && line_count() >= want["lines"].size(); })) << one["id"];
    run_some();
    EXPECT_EQ(acks_.size(), acks) << one["id"];
    if (acks == 2) {
      EXPECT_EQ(acks_.front(), want["ack"]) << one["id"];
    }
    const auto got = take_lines();
    ASSERT_EQ(got.size(), want["lines"].size()) << one["id"];
    for (const json& line : want["lines"]) {
      EXPECT_TRUE(std::ranges::any_of(got, [&](const json& g) { return same(g, line); })) << one["id"] << "\n" << line << "\n" << json(got);
    }
    ++checked;
  }
  EXPECT_GT(checked, 55U);
  for (const auto* reason : {"gwmp_type", "gwmp_version", "gwmp_short"}) {
    EXPECT_GT(metrics_.counter("meterhub_ns_datagrams_dropped_total", "", {{"reason", reason}}).value(), 0U) << reason;
  }
}

TEST_F(ServerTest, AnswersEverythingThatCarriesARequestIdAndNumbersItsLines) {
  ServerOptions options;
  options.error_lines = false;
  start(options);
  send(R"({"x":{"rid":"a","i0":4},"rxpk":[)" + sample_packet() + R"(,{"data":"!"}],"stat":{"rxnb":1}})");
  send(R"({"x":{"rid":"b"},"rxpk":[]})");
  send(R"({"rxpk":[{"data":"!"}]})");
  ASSERT_TRUE(run_until([&] { return line_count() >= 4; }));
  run_some();
  const auto lines = take_lines();
  ASSERT_EQ(lines.size(), 4U);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(lines[k]["ns"]["rid"], "a");
    EXPECT_EQ(lines[k]["ns"]["k"], k);
    EXPECT_EQ(lines[k]["ns"]["n"], 3);
  }
  EXPECT_EQ(lines[0]["ns"]["i"], 4);
  EXPECT_EQ(lines[0]["ns"]["session"], 1);
  EXPECT_EQ(lines[1]["ns"]["i"], 5);
  EXPECT_EQ(lines[1]["ns"]["snap"], "2016-12-21T03:24:00Z");
  EXPECT_EQ(lines[3]["ns"]["rid"], "b");
  EXPECT_EQ(lines[3]["ns"]["n"], 0);
}

TEST_F(ServerTest, AcknowledgesBeforeItOpensAnything) {
  start();
  send(R"({"x":{"rid":"a"},"rxpk":[)" + sample_packet() + "]}");
  ASSERT_TRUE(run_until([&] { return !acks_.empty(); }));
  EXPECT_EQ(acks_.front(), "02070801");
}

TEST_F(ServerTest, SendsAnswersWhereTheRequestWantsThemWithinItsNetworks) {
  start();
  auto other = std::make_unique<net::test::Peer>();
  auto there = std::move(*net::Listener::tcp(*loop_, net::Address::loopback(), {}, metrics_, [&](net::ConnectionPtr c) { other->take(std::move(c)); }));
  send(R"({"x":{"rid":"a","ret":")" + there->address().text() + R"("}})");
  ASSERT_TRUE(run_until([&] { return !other->received.empty(); }));
  send(R"({"x":{"rid":"b","ret":"192.0.2.1:99"}})");
  ASSERT_TRUE(run_until([&] { return line_count() == 1; }));
  EXPECT_EQ(take_lines()[0]["ns"]["rid"], "b");
  EXPECT_EQ(metrics_.total("meterhub_ns_return_refused_total"), 1U);
}

TEST_F(ServerTest, IsSilentForStrangersAndWhileItHasNeverHadSessions) {
  ServerOptions options;
  options.networks = {*net::Network::parse("192.0.2.0/24")};
  start(options);
  send(R"({"x":{"rid":"a"}})");
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_ns_datagrams_dropped_total") == 1; }));
  server_.reset();
  start();
  table_.set_fresh_as_of({});
  send(R"({"x":{"rid":"b"}})");
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_ns_datagrams_dropped_total") == 2; }));
  run_some();
  EXPECT_TRUE(acks_.empty());
  EXPECT_EQ(line_count(), 0U);
}

TEST_F(ServerTest, OpensABodyForAPluginThatTravelsWhole) {
  const test::TemporaryDirectory directory;
  std::filesystem::copy_file(METERHUB_PLUGIN_XOR, directory / "xor.so");
  std::ofstream(directory / "xor.conf") << '\0';  // a key of one zero byte: plain
  const auto plugins = decrypt::CipherPlugins::load(directory.path().string());
  ASSERT_TRUE(plugins) << plugins.error().text;
  start({}, plugins->get());
  const std::string body("XRgateway.\1\2\3\4\5\6\7\10\0\0\0\5\2hi\xd1", 26);
  const auto raw = base::base64_encode(base::as_bytes(body));
  send(R"({"x":{"rid":"a","plugin":"xor","t":"2020-01-01T00:00:00Z"},"raw":")" + raw + R"("})");
  send(R"({"x":{"rid":"b","plugin":"other"},"raw":")" + raw + R"("})");
  ASSERT_TRUE(run_until([&] { return line_count() == 2; }));
  const auto lines = take_lines();
  EXPECT_EQ(lines[0]["app"]["moteeui"], "0102030405060708");
  EXPECT_EQ(lines[0]["app"]["userdata"]["payload"], "aGk");
  EXPECT_EQ(lines[0]["app"]["gwrx"][0]["time"], "2020-01-01T00:00:00Z");
  EXPECT_EQ(lines[1]["ns"]["err"], "no_plugin");
  server_.reset();
}

TEST_F(ServerTest, StaysPlainTowardsLoopbackThoughItHasACertificate) {
  // Loopback stays plain although a context is given: the line arrives readable.
  ServerOptions options;
  options.answer_tls = net::test::client_context();
  start(options);
  send(R"({"x":{"rid":"a"}})");
  ASSERT_TRUE(run_until([&] { return line_count() == 1; }));
  EXPECT_EQ(take_lines()[0]["ns"]["rid"], "a");
}

}  // namespace
}  // namespace meterhub::ns
