#include <meterhub/net/tls.h>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/certificates.h>

#include "loop_fixture.h"

namespace meterhub::net {
namespace {

class TlsTest : public test::LoopFixture {
 protected:
  test::Peer server_;
  test::Peer client_;
  std::unique_ptr<Listener> listener_;

  void listen(std::shared_ptr<TlsContext> context) {
    ListenOptions options;
    options.tls = std::move(context);
    listener_ = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_,
                                         [this](ConnectionPtr c) { server_.take(std::move(c)); }));
  }
  // True when the handshake ended well.
  bool dial(test::Peer& client, TlsClientOptions tls, std::string name = "localhost",
            std::shared_ptr<TlsSession> session = {}) {
    ConnectOptions options;
    options.tls = std::move(*TlsContext::client(tls));
    options.server_name = std::move(name);
    options.session = std::move(session);
    client.connection = std::move(*connect(*loop_, listener_->address(), options, client));
    return run_until([&] { return client.opened || client.closed; }) && client.opened;
  }
};

TEST_F(TlsTest, AClientThatTrustsTheAuthorityConnectsByNameAndByAddress) {
  listen(test::server_context());
  EXPECT_TRUE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}));
  test::Peer second;
  EXPECT_TRUE(dial(second, {test::authority().identity.certificate_pem, {}, {}}, "127.0.0.1"));
}

TEST_F(TlsTest, AnotherNameOrAnotherAuthorityIsRefused) {
  listen(test::server_context());
  EXPECT_FALSE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}, "other.example"));
  EXPECT_EQ(client_.closed, CloseReason::kTls);
  const test::Authority stranger;
  test::Peer second;
  EXPECT_FALSE(dial(second, {stranger.identity.certificate_pem, {}, {}}));
}

TEST_F(TlsTest, AClientThatKeepsItsTicketResumesAndWithoutItsKeyShakesHandsAnew) {
  const auto context = test::server_context();
  listen(context);
  const auto session = std::make_shared<TlsSession>();
  const std::string authority = test::authority().identity.certificate_pem;
  const auto resumed = [&] {
    test::Peer client;
    EXPECT_TRUE(dial(client, {authority, {}, {}}, "localhost", session));
    EXPECT_TRUE(run_until([&] { return server_.connection != nullptr; }));
    run_some();  // the ticket comes behind the handshake
    EXPECT_EQ(server_.connection->is_resumed(), client.connection->is_resumed());
    server_.connection->abort();
    server_.connection.reset();
    return client.connection->is_resumed();
  };
  EXPECT_FALSE(resumed());
  EXPECT_TRUE(resumed());
  EXPECT_TRUE(resumed());
  ASSERT_TRUE(context->reload({test::authority().issue("localhost", "DNS:localhost"), {}}));
  EXPECT_FALSE(resumed());
  EXPECT_TRUE(resumed());
}

// What was written before, what comes on the way, and what waits inside TLS: all arrive once, in order.
TEST_F(TlsTest, GoesOnOnAnotherLoop) {
  listen(test::server_context());
  ASSERT_TRUE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}));
  ASSERT_TRUE(run_until([&] { return server_.connection != nullptr; }));
  client_.connection->write(base::as_bytes("before "));
  ASSERT_TRUE(run_until([&] { return server_.received == "before "; }));

  const auto other = std::move(*EventLoop::create(clock_));
  test::Peer there;
  there.echo = true;
  server_.connection->write(base::as_bytes("written "));
  const std::string large(300'000, 'x');
  client_.connection->write(base::as_bytes(large));
  auto moving = std::exchange(server_.connection, nullptr);
  moving->move_to(*other, [&](ConnectionPtr arrived) { there.take(std::move(arrived)); });
  moving.reset();
  const auto run_both = [&](const std::function<bool()>& done) {
    return run_until([&] {
      other->run_once(std::chrono::milliseconds(1));
      return done();
    });
  };
  ASSERT_TRUE(run_both([&] { return client_.received.size() == large.size() + 8; }));
  EXPECT_EQ(client_.received, "written " + large);
  EXPECT_EQ(there.received, large);
  EXPECT_EQ(there.connection->bytes_in(), large.size() + 7);
  EXPECT_EQ(server_.received, "before ");
  EXPECT_EQ(listener_->connections(), 1u);
  there.connection->close();
  ASSERT_TRUE(run_both([&] { return client_.closed.has_value() && listener_->connections() == 0; }));
}

TEST_F(TlsTest, OneThatBreaksOnTheWayDoesNotArrive) {
  listen(test::server_context());
  ASSERT_TRUE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}));
  ASSERT_TRUE(run_until([&] { return server_.connection != nullptr; }));
  const auto other = std::move(*EventLoop::create(clock_));
  bool arrived = false;
  auto moving = std::exchange(server_.connection, nullptr);
  moving->move_to(*other, [&](const ConnectionPtr&) { arrived = true; });
  moving->abort();
  run_some();
  other->run_once(std::chrono::milliseconds(1));
  EXPECT_FALSE(arrived);
  EXPECT_EQ(listener_->connections(), 0u);
}

TEST_F(TlsTest, AskedForAClientCertificateTheServerKnowsItsName) {
  const auto& ca = test::authority();
  listen(std::move(*TlsContext::server({ca.issue("localhost", "DNS:localhost"), ca.identity.certificate_pem})));
  EXPECT_TRUE(dial(client_, {ca.identity.certificate_pem, ca.issue("ns-1", "DNS:ns-1"), {}}));
  ASSERT_TRUE(run_until([&] { return server_.connection != nullptr; }));
  EXPECT_EQ(server_.connection->peer_name(), "ns-1");
}

TEST_F(TlsTest, WithoutAClientCertificateNothingIsAccepted) {
  const auto& ca = test::authority();
  listen(std::move(*TlsContext::server({ca.issue("localhost", "DNS:localhost"), ca.identity.certificate_pem})));
  dial(client_, {ca.identity.certificate_pem, {}, {}});
  // TLS 1.3 tells the client only after its own handshake.
  EXPECT_TRUE(run_until([&] { return client_.closed.has_value(); }));
  EXPECT_EQ(server_.connection, nullptr);
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 1u);
}

class AnyCertificate : public TlsTest {
 protected:
  const test::Authority& ca_ = test::authority();

  void listen_for_any(const std::string& client_ca) {
    listen(std::move(*TlsContext::server({ca_.issue("localhost", "DNS:localhost"), client_ca, ClientCertificate::kAny})));
  }
  // What the server is shown by a client that has `identity`.
  std::optional<PeerCertificate> shown(const Identity& identity, std::shared_ptr<TlsSession> session = {}) {
    test::Peer client;
    EXPECT_TRUE(dial(client, {ca_.identity.certificate_pem, identity, {}}, "localhost", std::move(session)));
    EXPECT_TRUE(run_until([&] { return server_.connection != nullptr; }));
    run_some();  // the ticket comes behind the handshake
    resumed_ = server_.connection->is_resumed();
    auto out = server_.connection->peer_certificate();
    server_.connection->abort();
    server_.connection.reset();
    return out;
  }
  bool resumed_ = false;
};

TEST_F(AnyCertificate, NobodyNeedsOne) {
  listen_for_any({});
  EXPECT_FALSE(shown({}));
}

TEST_F(AnyCertificate, OneThatNobodyVouchesForIsDescribed) {
  listen_for_any({});
  const test::Authority stranger;
  const auto facts = shown(stranger.issue("gw-1", "DNS:gw-1"));
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->common_name, "gw-1");
  EXPECT_FALSE(facts->signed_by_authority);
  EXPECT_LT(facts->from, facts->until);
}

TEST_F(AnyCertificate, FingerprintsAreThoseOfTheCertificate) {
  listen_for_any({});
  const auto identity = ca_.issue("gw-1", "DNS:gw-1");
  EXPECT_EQ(base::hex_encode(shown(identity)->sha256), crypto::read_certificate(identity.certificate_pem)->sha256);
}

TEST_F(AnyCertificate, AnAuthorityVouchesForItsOwnOnly) {
  listen_for_any(ca_.identity.certificate_pem);
  const test::Authority stranger;
  EXPECT_TRUE(shown(ca_.issue("gw-1", "DNS:gw-1"))->signed_by_authority);
  EXPECT_FALSE(shown(stranger.issue("gw-1", "DNS:gw-1"))->signed_by_authority);
}

TEST_F(AnyCertificate, AnEndlessChainEndsTheHandshake) {
  listen_for_any({});
  auto identity = ca_.issue("gw-1", "DNS:gw-1");
  for (int i = 0; i < 200; ++i) identity.certificate_pem += ca_.identity.certificate_pem;
  test::Peer client;
  dial(client, {ca_.identity.certificate_pem, identity, {}});
  // TLS 1.3 tells the client only after its own handshake.
  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(server_.connection, nullptr);
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 1u);
}

TEST_F(AnyCertificate, AResumedHandshakeStillKnowsIt) {
  listen_for_any(ca_.identity.certificate_pem);
  const auto session = std::make_shared<TlsSession>();
  const auto identity = ca_.issue("gw-1", "DNS:gw-1");
  const auto first = shown(identity, session);
  EXPECT_FALSE(resumed_);
  const auto second = shown(identity, session);
  EXPECT_TRUE(resumed_);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sha256, first->sha256);
  EXPECT_TRUE(second->signed_by_authority);
}

TEST_F(TlsTest, ReloadChangesTheCertificateOfNewConnectionsOnly) {
  const test::Authority second_ca;
  const auto context = test::server_context();
  listen(context);
  ASSERT_TRUE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}));
  ASSERT_TRUE(context->reload({second_ca.issue("localhost", "DNS:localhost"), {}}));
  ASSERT_TRUE(run_until([&] { return server_.connection != nullptr; }));
  client_.connection->write(base::as_bytes("still here"));
  EXPECT_TRUE(run_until([&] { return server_.received == "still here"; }));
  server_.connection->abort();
  test::Peer after;
  EXPECT_TRUE(dial(after, {second_ca.identity.certificate_pem, {}, {}}));
}

TEST_F(TlsTest, ABadCertificateIsAnErrorAndTheOldOneStays) {
  const auto context = test::server_context();
  const auto one = test::authority().issue("localhost", "DNS:localhost");
  const auto two = test::authority().issue("localhost", "DNS:localhost");
  for (const auto& bad : {Identity{one.certificate_pem, two.key_pem}, Identity{"", ""}, Identity{"garbage", "garbage"}})
    EXPECT_FALSE(context->reload({bad, {}}));
  EXPECT_FALSE(TlsContext::client({"no certificate", {}, {}}));
  listen(context);
  EXPECT_TRUE(dial(client_, {test::authority().identity.certificate_pem, {}, {}}));
}

}  // namespace
}  // namespace meterhub::net
