// Devices that show a certificate in the TLS handshake, and no token.
#include <meterhub/base/encoding.h>
#include <meterhub/crypto/certificates.h>

#include "hub_fixture.h"

namespace meterhub::hub::test {
namespace {

class X509Test : public HubFixture {
 protected:
  const net::test::Authority& ca_ = net::test::authority();
  PresenceBoard presence_;

  X509Test() { clock_.set_wall(base::SystemClock().now()); }  // certificates are made for now
  ~X509Test() override { hub_.reset(); }                      // it tells the board until its end
  void begin() {
    declare();
    options_.presence = &presence_;
    net::TlsServerOptions tls{ca_.issue("localhost", "DNS:localhost"), ca_.identity.certificate_pem,
                              net::ClientCertificate::kAny};
    options_.amqp = {{net::Address::loopback(), *net::TlsContext::server(tls)}};
    hub_ = std::move(*Hub::create(world(), options_, [this](base::Error e) { fatal_ = e; }));
  }
  static Gateway by_thumbprint(const net::Identity& identity, const std::string& id = "gw-x") {
    Gateway out;
    out.id = id;
    out.proof = Proof::kThumbprint;
    out.primary_thumbprint = crypto::read_certificate(identity.certificate_pem)->sha256;
    return out;
  }
  static Gateway by_authority(const std::string& id) {
    Gateway out;
    out.id = id;
    out.proof = Proof::kAuthority;
    return out;
  }
  net::Identity certificate(const std::string& name) { return ca_.issue(name, "DNS:" + name); }
  // Attaches the device's telemetry link at once; true when it was let in.
  bool attach(DeviceClient& client, const net::Identity& identity, const std::string& id = "gw-x") {
    const net::TlsClientOptions tls{ca_.identity.certificate_pem, identity, {}};
    client.dial(hub_->amqp_addresses().front(), *net::TlsContext::client(tls));
    link_ = client.attach(telemetry_of(id));
    run_until([&] { return client.credit(link_) > 0 || client.detached.contains(link_) || client.closed; });
    return client.credit(link_) > 0;
  }
  amqp::LinkId link_{};
};

TEST_F(X509Test, AThumbprintIsEnoughToSend) {
  begin();
  const auto identity = certificate("whatever");
  gateways_.put(by_thumbprint(identity));
  DeviceClient client(*loop_);
  ASSERT_TRUE(attach(client, identity));
  const auto id = client.send_body(link_, "hello");
  ASSERT_TRUE(run_until([&] { return client.outcomes.contains(*id); }));
  EXPECT_EQ(client.outcomes[*id].first, amqp::Outcome::kAccepted);
  EXPECT_EQ(stored().front().properties.gateway, "gw-x");
  EXPECT_TRUE(hub_->is_connected("gw-x"));
}

TEST_F(X509Test, AnotherCertificateAnotherDeviceAndNoneAreRefused) {
  begin();
  const auto identity = certificate("gw-x");
  gateways_.put(by_thumbprint(identity));
  gateways_.put(by_thumbprint(certificate("gw-y"), "gw-y"));
  DeviceClient stranger(*loop_), neighbour(*loop_), bare(*loop_);
  EXPECT_FALSE(attach(stranger, certificate("gw-x")));
  EXPECT_EQ(stranger.detached[link_], "amqp:unauthorized-access");
  EXPECT_FALSE(attach(neighbour, identity, "gw-y"));
  EXPECT_FALSE(attach(bare, {}));
}

TEST_F(X509Test, AnAuthorityVouchesForTheDeviceOfThatName) {
  begin();
  gateways_.put(by_authority("gw-x"));
  const net::test::Authority stranger;
  DeviceClient right(*loop_), other_name(*loop_), other_authority(*loop_);
  EXPECT_TRUE(attach(right, certificate("gw-x")));
  EXPECT_FALSE(attach(other_name, certificate("gw-xx")));
  EXPECT_FALSE(attach(other_authority, stranger.issue("gw-x", "DNS:gw-x")));
}

TEST_F(X509Test, WithItsCertificatesTimeTheConnectionEnds) {
  clock_.set_wall(clock_.now() + std::chrono::seconds(3590));  // they are good for an hour
  begin();
  gateways_.put(by_authority("gw-x"));
  DeviceClient client(*loop_);
  ASSERT_TRUE(attach(client, certificate("gw-x")));
  pass(std::chrono::seconds(20));
  EXPECT_TRUE(is_ended(client, link_));
  EXPECT_EQ(client.detached[link_], "amqp:unauthorized-access");
}

TEST_F(X509Test, DisablingAnotherThumbprintAndAnotherWayEndItAtOnce) {
  begin();
  const auto identity = certificate("gw-x");
  auto disabled = by_thumbprint(identity);
  disabled.enabled = false;
  auto by_keys = by_thumbprint(identity);
  by_keys.proof = Proof::kKeys;
  for (const auto& now : {disabled, by_thumbprint(certificate("gw-x")), by_authority("gw-x"), by_keys}) {
    gateways_.put(by_thumbprint(identity));
    DeviceClient client(*loop_);
    ASSERT_TRUE(attach(client, identity));
    gateways_.put(now);
    EXPECT_TRUE(is_ended(client, link_));
    EXPECT_EQ(client.detached[link_], "amqp:unauthorized-access");
    EXPECT_FALSE(client.amqp_closed);
  }
}

TEST_F(X509Test, ADeviceWithKeysIsNotOpenedByACertificate) {
  begin();
  Gateway gateway;
  gateway.id = "gw-x";
  gateway.primary_key = kKey;
  gateways_.put(gateway);
  DeviceClient client(*loop_);
  EXPECT_FALSE(attach(client, certificate("gw-x")));
}

TEST_F(X509Test, OthersSeeWhoIsConnectedAndWasHeard) {
  begin();
  const auto identity = certificate("gw-x");
  gateways_.put(by_thumbprint(identity));
  const auto began = clock_.now();
  {
    DeviceClient client(*loop_);
    ASSERT_TRUE(attach(client, identity));
    EXPECT_EQ(presence_.of("gw-x"), (Presence{true, began, began}));
    const auto id = client.send_body(link_, "hello");
    ASSERT_TRUE(run_until([&] { return client.outcomes.contains(*id); }));
    pass(std::chrono::seconds(5));
    EXPECT_TRUE(run_until([&] { return presence_.of("gw-x").active > began; }));
  }
  pass(std::chrono::seconds(5));
  EXPECT_TRUE(run_until([&] { return !presence_.of("gw-x").connected; }));
  EXPECT_EQ(presence_.of("gw-x").changed, clock_.now());
  gateways_.remove("gw-x");
  EXPECT_TRUE(run_until([&] { return presence_.of("gw-x") == Presence(); }));
}

}  // namespace
}  // namespace meterhub::hub::test
