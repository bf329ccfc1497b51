#include <meterhub/net/connection.h>

#include "loop_fixture.h"

namespace meterhub::net {
namespace {

using namespace std::chrono_literals;

// Each test runs over plain TCP and over TLS.
class ConnectionTest : public test::LoopFixture {
 protected:
  std::unique_ptr<Listener> listener_;
  test::Peer server_;
  test::Peer client_;
  std::string said_first_;  // before the connection is there

  void open(bool tls, ConnectionLimits server_limits = {}, ConnectionLimits client_limits = {}) {
    ListenOptions options;
    options.limits = server_limits;
    if (tls) options.tls = test::server_context();
    listener_ = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_,
                                         [this](ConnectionPtr c) { server_.take(std::move(c)); }));
    ConnectOptions connect_options;
    connect_options.limits = client_limits;
    connect_options.server_name = "localhost";
    if (tls) connect_options.tls = test::client_context();
    client_.connection = std::move(*connect(*loop_, listener_->address(), connect_options, client_));
    client_.connection->write(base::as_bytes(said_first_));
    ASSERT_TRUE(run_until([this] { return client_.opened && server_.connection != nullptr; }));
  }
};

class EitherConnection : public ConnectionTest, public ::testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, EitherConnection, ::testing::Bool(),
                         [](const auto& tried) { return tried.param ? "Tls" : "Plain"; });

std::string large(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 131 % 251);
  return out;
}

TEST_P(EitherConnection, CarriesBytesBothWays) {
  open(GetParam());
  server_.echo = true;
  client_.connection->write(base::as_bytes("hello"));
  EXPECT_TRUE(run_until([&] { return client_.received == "hello"; }));
  EXPECT_EQ(server_.connection->bytes_in(), 5u);
  EXPECT_EQ(server_.connection->bytes_out(), 5u);
}

TEST_P(EitherConnection, CarriesManyMegabytesUnchangedWithBackPressure) {
  ConnectionLimits limits;
  limits.output_max = 64 * 1024 * 1024;
  open(GetParam(), limits, limits);
  const auto data = large(8 * 1024 * 1024);
  client_.connection->write(base::as_bytes(data));
  ASSERT_TRUE(run_until([&] { return server_.received.size() == data.size(); }));
  EXPECT_EQ(server_.received, data);
  EXPECT_TRUE(client_.writable);
  EXPECT_EQ(client_.connection->output_waiting(), 0u);
}

TEST_P(EitherConnection, CarriesMuchThatWasWrittenBeforeItWasThere) {
  said_first_ = large(1024 * 1024);
  open(GetParam());
  EXPECT_TRUE(run_until([&] { return server_.received == said_first_; }));
}

TEST_P(EitherConnection, OneIterationsWritesArriveAsOneBlock) {
  open(GetParam());
  for (int i = 0; i < 100; ++i) client_.connection->write(base::as_bytes("0123456789"));
  ASSERT_TRUE(run_until([&] { return server_.received.size() == 1000; }));
  EXPECT_EQ(server_.calls, 1u);
}

TEST_P(EitherConnection, APausedReaderLosesNothing) {
  open(GetParam());
  server_.connection->pause_reading();
  client_.connection->write(base::as_bytes(large(100'000)));
  run_some();
  EXPECT_EQ(server_.received.size(), 0u);
  server_.connection->resume_reading();
  EXPECT_TRUE(run_until([&] { return server_.received.size() == 100'000; }));
}

TEST_P(EitherConnection, AReaderThatTakesLittleAtATimeGetsAll) {
  ConnectionLimits limits;
  limits.read_per_iteration = 1000;
  open(GetParam(), limits);
  client_.connection->write(base::as_bytes(large(100'000)));
  EXPECT_TRUE(run_until([&] { return server_.received.size() == 100'000; }));
  EXPECT_GE(server_.calls, 100u);
}

TEST_P(EitherConnection, CloseDeliversWhatWasWrittenFirst) {
  open(GetParam());
  const auto data = large(300'000);
  server_.connection->write(base::as_bytes(data));
  server_.connection->close();
  ASSERT_TRUE(run_until([&] { return client_.closed.has_value(); }));
  EXPECT_EQ(client_.received, data);
  EXPECT_EQ(client_.closed, CloseReason::kPeer);
  client_.connection.reset();
  EXPECT_TRUE(run_until([&] { return server_.closed.has_value(); }));
  EXPECT_EQ(server_.closed, CloseReason::kLocal);
}

TEST_P(EitherConnection, CloseEndsEvenWhenThePeerNeverReads) {
  open(GetParam());
  client_.connection->pause_reading();
  server_.connection->write(base::as_bytes(large(4 * 1024 * 1024)));
  server_.connection->close();
  run_some();
  EXPECT_FALSE(server_.closed);
  clock_.advance(6s);
  EXPECT_TRUE(run_until([&] { return server_.closed == CloseReason::kLocal; }));
}

TEST_P(EitherConnection, APeerThatTakesNoOutputIsEndedAtTheLimit) {
  ConnectionLimits limits;
  limits.output_max = 1024 * 1024;
  open(GetParam(), limits);
  client_.connection->pause_reading();
  for (int i = 0; i < 100 && !server_.closed; ++i) {
    server_.connection->write(base::as_bytes(large(512 * 1024)));
    loop_->run_once(0ms);
  }
  EXPECT_EQ(server_.closed, CloseReason::kSlow);
}

TEST_P(EitherConnection, StopsReadingAPeerThatDoesNotTakeItsAnswers) {
  open(GetParam());
  server_.echo = true;
  client_.connection->pause_reading();
  ConnectionLimits limits;
  for (int i = 0; i < 60; ++i) {
    client_.connection->write(base::as_bytes(large(60'000)));
    loop_->run_once(1ms);
  }
  EXPECT_FALSE(server_.closed);
  client_.connection->resume_reading();
  EXPECT_TRUE(run_until([&] { return client_.received.size() == 60u * 60'000; }));
}

TEST_P(EitherConnection, AbortOfOneEndIsAnEndForTheOther) {
  open(GetParam());
  client_.connection->abort();
  EXPECT_TRUE(run_until([&] { return server_.closed.has_value(); }));
  EXPECT_FALSE(client_.closed);
}

TEST_F(ConnectionTest, ConnectToAClosedPortReportsIt) {
  auto gone = std::move(*Listener::tcp(*loop_, Address::loopback(), {}, metrics_, [](ConnectionPtr) {}));
  const auto address = gone->address();
  gone.reset();
  auto connection = connect(*loop_, address, {}, client_);
  if (!connection) return;  // the system may refuse at once
  client_.connection = std::move(*connection);
  EXPECT_TRUE(run_until([&] { return client_.closed == CloseReason::kReset; }));
}

TEST_F(ConnectionTest, ConnectGivesUpAtItsDeadline) {
  // Listens but never shakes hands.
  listener_ = std::move(*Listener::tcp(*loop_, Address::loopback(), {}, metrics_,
                                       [this](ConnectionPtr c) { server_.take(std::move(c)); }));
  ConnectOptions options;
  options.tls = test::client_context();
  options.server_name = "localhost";
  client_.connection = std::move(*connect(*loop_, listener_->address(), options, client_));
  run_some();
  clock_.advance(11s);
  EXPECT_TRUE(run_until([&] { return client_.closed == CloseReason::kTimeout; }));
}

}  // namespace
}  // namespace meterhub::net
