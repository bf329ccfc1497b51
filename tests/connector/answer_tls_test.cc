// Answers outside loopback: TLS with certificates of the platform's authority on both sides. 0.0.0.0 is no loopback
// address and yet leads to this machine alone.
#include <gmock/gmock.h>

#include <meterhub/connector/foreign_transport.h>
#include <meterhub/net/connection.h>
#include <meterhub/ns/server.h>

#include "test_identity.h"
#include "wire_fixture.h"

namespace meterhub::connector {
namespace {

using namespace test;
using lorawan::AnswerKind;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const net::Address kAnywhere = net::Address::v4(0, 0);

std::shared_ptr<net::TlsContext> platform_tls() {
  const auto& ca = net::test::authority();
  return *net::TlsContext::server({ca.issue("platform", "DNS:localhost"), ca.identity.certificate_pem});
}
// Of an NS process; `by` signed its certificate.
std::shared_ptr<net::TlsContext> ns_tls(const net::test::Authority& by) {
  return *net::TlsContext::client({net::test::authority().identity.certificate_pem, by.issue("ns-1", "DNS:ns-1"), "localhost"});
}
std::shared_ptr<net::TlsContext> ns_tls_without_certificate() {
  return *net::TlsContext::client({net::test::authority().identity.certificate_pem, {}, "localhost"});
}

// Passes bytes on to the connector and keeps what it saw.
class Tap final : public net::ConnectionHandler {
 public:
  explicit Tap(net::EventLoop& loop, base::Metrics& metrics) : loop_(loop) {
    listener_ = std::move(*net::Listener::tcp(loop, kAnywhere, {}, metrics, [this](net::ConnectionPtr c) { take(std::move(c)); }));
  }
  ~Tap() override {
    if (server_) server_->abort();
    if (back_.connection) back_.connection->abort();
  }
  const net::Address& address() const { return listener_->address(); }
  void lead_to(const net::Address& connector) { connector_ = connector; }
  const std::string& seen() const { return seen_; }

  void on_data(base::BytesView bytes) override {
    seen_ += base::as_text(bytes);
    if (back_.connection) back_.connection->write(bytes);
  }
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { server_.reset(); }

 private:
  struct Back final : net::ConnectionHandler {
    explicit Back(Tap& t) : tap(t) {}
    void on_data(base::BytesView bytes) override {
      tap.seen_ += base::as_text(bytes);
      if (tap.server_) tap.server_->write(bytes);
    }
    void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { connection.reset(); }
    Tap& tap;
    net::ConnectionPtr connection{};
  };
  void take(net::ConnectionPtr server) {
    if (back_.connection) back_.connection->abort();
    server_ = std::move(server);
    back_.connection = *net::connect(loop_, connector_, {}, back_);
    server_->set_handler(*this);
  }

  net::EventLoop& loop_;
  net::Address connector_;
  std::string seen_;
  Back back_{*this};
  net::ConnectionPtr server_;
  std::unique_ptr<net::Listener> listener_;
};

class AnswerTls : public WireTest {
 protected:
  void start_server(std::shared_ptr<net::TlsContext> tls) {
    ns::ServerOptions options;
    options.networks = {*net::Network::parse("127.0.0.0/8"), *net::Network::parse("0.0.0.0")};
    options.answer_tls = std::move(tls);
    server_ = std::move(*ns::Server::create(*loop_, table_, nullptr, metrics_, options));
  }
  void start_transport() {
    UdpTransportOptions options;
    options.servers = {server_->address()};
    options.listen = kAnywhere;
    options.answer_to = tap_.address().text();
    options.networks = {*net::Network::parse("127.0.0.0/8")};
    options.tls = platform_tls();
    transport_ = std::move(*UdpTransport::create(*loop_, *loop_, metrics_, options));
    tap_.lead_to(transport_->answers_at());
  }
  std::vector<Opened> ask(std::chrono::milliseconds patience = 20s) {
    const auto out = std::make_shared<std::vector<Opened>>();
    transport_->open(block_of({body_of({packet(1, 5)})}), [out](std::vector<Opened> opened) { *out = std::move(opened); });
    run_until([&] { return !out->empty(); }, patience);
    return *out;
  }
  void expect_no_answer() {
    EXPECT_TRUE(ask(1s).empty());
    EXPECT_NE(tap_.seen(), "") << "the server tried";
    EXPECT_EQ(total("meterhub_connector_ns_lines_total"), 0U);
  }

  Tap tap_{*loop_, metrics_};
  std::unique_ptr<ns::Server> server_;
  std::unique_ptr<UdpTransport> transport_;
};

TEST_F(AnswerTls, CarriesReadingsThatNobodyBetweenCanRead) {
  start_server(ns_tls(net::test::authority()));
  start_transport();
  const auto opened = ask();
  ASSERT_EQ(opened.size(), 1U);
  EXPECT_EQ(opened[0].answers.at(0).kind, AnswerKind::kApp);
  EXPECT_THAT(tap_.seen(), StartsWith("\x16\x03")) << "a TLS handshake";
  EXPECT_THAT(tap_.seen(), Not(HasSubstr("moteeui")));
}

TEST_F(AnswerTls, TakesNothingFromAServerWithoutACertificate) {
  start_server(ns_tls_without_certificate());
  start_transport();
  expect_no_answer();
}

TEST_F(AnswerTls, TakesNothingFromAServerOfAnotherAuthority) {
  start_server(ns_tls(net::test::Authority()));
  start_transport();
  expect_no_answer();
}

TEST_F(AnswerTls, TakesNothingInTheClear) {
  start_server(nullptr);
  start_transport();
  expect_no_answer();
}

TEST_F(AnswerTls, NeedsAnAddressForServersWhereItListensEverywhere) {
  UdpTransportOptions options;
  options.servers = {net::Address::loopback(1)};
  options.listen = kAnywhere;
  options.tls = platform_tls();
  const auto made = UdpTransport::create(*loop_, *loop_, metrics_, options);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().text, HasSubstr("ns.answer_to"));
}

struct Silent final : net::ConnectionHandler {
  void on_data(base::BytesView /*bytes*/) override {}
  void on_closed(net::CloseReason /*reason*/, std::string_view /*text*/) override { closed = true; }
  bool closed = false;
};

// A vendor's own server brings its answers to the same kind of port.
class ForeignAnswerTls : public WireTest {
 protected:
  void SetUp() override {
    socket_ = std::move(*net::UdpSocket::bind(*loop_, net::Address::loopback(), {}, unheard_));
    ForeignTransportOptions options;
    options.servers = {socket_->address()};
    options.listen = kAnywhere;
    options.networks = {*net::Network::parse("127.0.0.0/8")};
    options.tls = platform_tls();
    transport_ = std::move(*ForeignTransport::create(*loop_, *loop_, metrics_, options));
    transport_->open(block_of({"a body"}), [this](std::vector<Opened> opened) { opened_ = std::move(opened); });
  }
  net::ConnectionPtr connect(std::shared_ptr<net::TlsContext> tls) {
    net::ConnectOptions options;
    options.tls = std::move(tls);
    auto out = *net::connect(*loop_, transport_->answers_at(), std::move(options), vendor_);
    out->write(base::as_bytes(R"({"app":{"moteeui":"00000000000000aa","userdata":{"seqno":7,"port":1,"payload":"AA"},)"
                              R"("gwrx":{"eui":"fffe020100000011","time":"2023-11-14T22:13:20Z"}}})"));
    return out;
  }

  struct Unheard final : net::UdpHandler {
    void on_datagrams(std::span<const net::Datagram> /*block*/) override {}
  } unheard_;
  Silent vendor_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unique_ptr<ForeignTransport> transport_;
  std::vector<Opened> opened_;
};

TEST_F(ForeignAnswerTls, TakesAnswersOfAServerWithACertificateOfThePlatform) {
  const auto connection = connect(ns_tls(net::test::authority()));
  ASSERT_TRUE(run_until([&] { return !opened_.empty(); }));
  EXPECT_EQ(opened_[0].answers.at(0).fcnt, 7U);
  connection->abort();
}

TEST_F(ForeignAnswerTls, TakesNothingInTheClear) {
  const auto connection = connect(nullptr);
  EXPECT_TRUE(run_until([&] { return vendor_.closed; }));
  EXPECT_TRUE(opened_.empty());
  EXPECT_EQ(total("meterhub_connector_foreign_answered_total"), 0U);
  connection->abort();
}

}  // namespace
}  // namespace meterhub::connector
