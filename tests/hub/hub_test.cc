#include <meterhub/hub/hub.h>

#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using HubTest = test::HubFixture;
using test::DeviceClient;

TEST_F(HubTest, ATokenOpensItsOwnDevicesTelemetryAndNothingElse) {
  start();
  gateways_.put({"gw-2", true, std::string(test::kKey), "", {}, {}});
  DeviceClient client(*loop_);
  ready(client);
  EXPECT_TRUE(hub_->is_connected("gw-1"));
  const std::pair<const char*, const char*> refused[] = {
      {"/devices/gw-2/messages/events", "amqp:unauthorized-access"},
      {"/devices/gw-1/elsewhere", "amqp:not-found"},
      {"/hub1", "amqp:not-found"}};
  for (const auto& [address, condition] : refused) {
    const auto link = client.attach(address);
    ASSERT_TRUE(run_until([&, l = link] { return client.detached.contains(l); })) << address;
    EXPECT_EQ(client.detached[link], condition) << address;
  }
}

TEST_F(HubTest, WithoutAClaimOnlyCbsMayBeAttached) {
  start();
  DeviceClient client(*loop_);
  client.dial(hub_->amqp_addresses().front(), net::test::client_context());
  const auto link = client.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
}

TEST_F(HubTest, BadTokensAreRefusedOnCbs) {
  start();
  const auto wrong_key = token("gw-1", "YmFkIGtleSBiYWQga2V5");
  for (const auto& bad : {wrong_key, token("gw-1", test::kKey, -1h), std::string("nonsense")}) {
    DeviceClient client(*loop_);
    EXPECT_FALSE(claim(client, bad));
    EXPECT_EQ(client.statuses, std::vector<int>{401});
  }
  EXPECT_EQ(metrics_.total("meterhub_hub_claims_total"), 3u);
}

// Its answers come later each time, and what it asks meanwhile waits unread.
TEST_F(HubTest, AConnectionThatOnlyShowsBadTokensIsSlowedDownAndEnded) {
  start();
  DeviceClient client(*loop_);
  client.dial(hub_->amqp_addresses().front(), net::test::client_context());
  client.put_token("nonsense", resource("gw-1"));
  for (std::size_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_claims_total") == n; }));
    client.put_token("nonsense", resource("gw-1"));
    run_some();
    clock_.advance(std::chrono::milliseconds(500 << (n - 1)));
    run_some();
    ASSERT_EQ(client.statuses.size(), n - 1);
    EXPECT_EQ(metrics_.total("meterhub_hub_claims_total"), n);
    EXPECT_TRUE(client.is_open());
    clock_.advance(std::chrono::milliseconds(500 << (n - 1)));
    ASSERT_TRUE(run_until([&] { return client.statuses.size() == n; }));
  }
  EXPECT_TRUE(run_until([&] { return client.closed && hub_->connections() == 0; }));
  EXPECT_EQ(metrics_.total("meterhub_hub_connections_dropped_total"), 1u);
}

TEST_F(HubTest, AConnectionThatNeverReadsItsAnswersIsEnded) {
  start();
  DeviceClient client(*loop_);
  client.replies_wanted = 0;
  client.dial(hub_->amqp_addresses().front(), net::test::client_context());
  for (int i = 0; i < 66; ++i) client.put_token(token(), resource("gw-1"));
  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_TRUE(client.statuses.empty());
  EXPECT_EQ(metrics_.total("meterhub_hub_connections_dropped_total"), 1u);
}

TEST_F(HubTest, OneAddressMayNotConnectAsOftenAsItLikes) {
  options_.accept_rate = 1;
  options_.accept_burst = 3;
  start();
  net::ConnectOptions how;
  how.from = net::Address::v4(0x7f010001, 0);
  std::vector<net::test::Peer> crowd(10);
  for (auto& one : crowd) one.connection = std::move(*net::connect(*loop_, hub_->amqp_addresses().front(), how, one));
  // Three at once, five that wait for their turn.
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_refused_total") == 2; }));
  DeviceClient other(*loop_);
  EXPECT_TRUE(claim(other, token()));
}

TEST_F(HubTest, EndsInTheIterationInWhichAGatewayHangsUp) {
  start();
  DeviceClient client(*loop_);
  ready(client);
  client.hang_up();
  loop_->post([&] { hub_.reset(); });
  run_some();
  EXPECT_EQ(hub_, nullptr);
}

TEST_F(HubTest, AConnectionWithoutAClaimIsDroppedInTime) {
  start();
  DeviceClient client(*loop_);
  client.dial(hub_->amqp_addresses().front(), net::test::client_context());
  client.attach("$cbs");
  ASSERT_TRUE(run_until([&] { return hub_->connections() == 1; }));
  pass(10s);
  EXPECT_TRUE(client.is_open());
  pass(55s);
  EXPECT_TRUE(run_until([&] { return hub_->connections() == 0; }));
  EXPECT_EQ(client.closed, net::CloseReason::kPeer);
}

TEST_F(HubTest, AnExpiredTokenDetachesTheLinkAndDropsTcpWithoutAnAmqpClose) {
  start();
  DeviceClient client(*loop_);
  ASSERT_TRUE(claim(client, token("gw-1", test::kKey, 30s)));
  const auto link = client.attach(telemetry_of("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.credit(link) > 0; }));
  pass(20s);
  EXPECT_TRUE(client.is_open());
  pass(20s);
  ASSERT_TRUE(run_until([&] { return client.detached.contains(link); }));
  EXPECT_EQ(client.detached[link], "amqp:unauthorized-access");
  run_some();
  EXPECT_TRUE(client.is_open()) << "a client that is cut off before it has answered stalls";
  pass(2s);
  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_FALSE(client.amqp_closed);
}

TEST_F(HubTest, ARenewedTokenKeepsTheConnection) {
  start();
  DeviceClient client(*loop_);
  ASSERT_TRUE(claim(client, token("gw-1", test::kKey, 30s)));
  pass(20s);
  client.put_token(token("gw-1", test::kKey, 30s), resource("gw-1"));
  ASSERT_TRUE(run_until([&] { return client.statuses.size() == 2; }));
  pass(20s);
  EXPECT_TRUE(client.is_open());
}

TEST_F(HubTest, OneConnectionSpeaksForSixtyFourDevicesAndTheNextIsToldSo) {
  start();
  DeviceClient client(*loop_);
  ASSERT_TRUE(claim(client, token()));
  for (std::size_t n = 2; n <= 65; ++n) {
    const auto device = "gw-" + std::to_string(n);
    gateways_.put({device, true, std::string(test::kKey), "", {}, {}});
    client.put_token(token(device), resource(device));
    ASSERT_TRUE(run_until([&] { return client.statuses.size() == n; }));
    EXPECT_EQ(client.statuses.back(), n <= 64 ? 200 : 403) << n;
  }
  client.put_token(token("gw-7"), resource("gw-7"));  // a renewal needs no further place
  ASSERT_TRUE(run_until([&] { return client.statuses.size() == 66; }));
  EXPECT_EQ(client.statuses.back(), 200);
}

TEST_F(HubTest, DisablingADeviceOrChangingItsKeyEndsItsConnectionsAtOnce) {
  start();
  DeviceClient one(*loop_);
  const auto link = ready(one);
  gateways_.put({"gw-1", false, std::string(test::kKey), "", {}, {}});
  ASSERT_TRUE(run_until([&] { return one.detached.contains(link); }));
  EXPECT_EQ(one.detached[link], "amqp:unauthorized-access");
  pass(2s);
  ASSERT_TRUE(run_until([&] { return one.closed.has_value(); }));
  gateways_.put({"gw-1", true, std::string(test::kKey), "", {}, {}});
  DeviceClient two(*loop_);
  ready(two);
  gateways_.put({"gw-1", true, std::string(test::kOtherKey), std::string(test::kKey), {}, {}});
  run_some();
  EXPECT_TRUE(two.is_open());  // its key is the secondary one now
  gateways_.put({"gw-1", true, std::string(test::kOtherKey), "", {}, {}});
  EXPECT_TRUE(run_until([&] { return !two.detached.empty(); }));
  pass(2s);
  EXPECT_TRUE(run_until([&] { return two.closed.has_value(); }));
}

TEST_F(HubTest, GarbageInsideTlsEndsTheConnectionAndIsCounted) {
  start();
  DeviceClient client(*loop_);
  client.dial(hub_->amqp_addresses().front(), net::test::client_context());
  client.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(metrics_.total("meterhub_hub_connections_dropped_total"), 1u);
}

TEST_F(HubTest, AGatewayThatSendsTooFastLosesItsCreditAndGetsItBack) {
  options_.device_rate = 10;
  options_.device_burst = 20;
  start();
  DeviceClient client(*loop_);
  const auto link = ready(client);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.send_body(link, "x"));
  ASSERT_TRUE(run_until([&] { return client.outcomes.size() == 20; }));
  EXPECT_EQ(metrics_.total("meterhub_hub_throttled_total"), 1u);
  // Its credit is not taken back, and not renewed before the tokens are there.
  std::size_t sent = 20;
  for (; client.send_body(link, "x"); ++sent) {}
  EXPECT_EQ(sent, options_.link_credit);
  ASSERT_TRUE(run_until([&] { return client.outcomes.size() == sent; }));
  EXPECT_EQ(client.credit(link), 0u);
  pass(1s);
  EXPECT_EQ(client.credit(link), 0u);
  pass(1min);
  EXPECT_TRUE(run_until([&] { return client.credit(link) > 0; }));
}

// It was cut off while its tokens were spent: the new link has to be given credit, too.
TEST_F(HubTest, AGatewayThatComesBackInDebtGetsItsCreditWhenItsTokensAreBack) {
  options_.device_rate = 10;
  options_.device_burst = 20;
  start();
  {
    DeviceClient client(*loop_);
    const auto link = ready(client);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(client.send_body(link, "x"));
    ASSERT_TRUE(run_until([&] { return client.outcomes.size() == 20; }));
  }
  DeviceClient again(*loop_);
  again.dial(hub_->amqp_addresses().front(), net::test::client_context());
  again.put_token(token("gw-1"), resource("gw-1"));
  ASSERT_TRUE(run_until([&] { return !again.statuses.empty(); }));
  const auto link = again.attach(telemetry_of("gw-1"));
  run_some();
  EXPECT_EQ(again.credit(link), 0u);
  pass(1s);
  EXPECT_TRUE(run_until([&] { return again.credit(link) > 0; }));
}

// Over several connections a device can have more under way than its tokens: beyond that it is refused, and the
// connections that went on are not read for a while. Nobody else notices.
TEST_F(HubTest, ADeviceThatFloodsIsRefusedAndOthersAreNot) {
  options_.device_rate = 1;
  options_.device_burst = 10;
  start();
  gateways_.put({"gw-2", true, std::string(test::kKey), "", {}, {}});
  std::vector<std::unique_ptr<DeviceClient>> flood;
  std::vector<amqp::LinkId> links;
  for (int i = 0; i < 4; ++i) {
    flood.push_back(std::make_unique<DeviceClient>(*loop_));
    links.push_back(ready(*flood.back()));
  }
  int sent = 0;
  for (std::size_t i = 0; i < flood.size(); ++i)
    while (flood[i]->send_body(links[i], "x")) ++sent;
  ASSERT_GT(sent, 1000);
  const auto count = [&](amqp::Outcome outcome) {
    std::size_t out = 0;
    for (const auto& client : flood)
      for (const auto& [id, one] : client->outcomes) out += one.first == outcome ? 1 : 0;
    return out;
  };
  ASSERT_TRUE(run_until([&] { return count(amqp::Outcome::kRejected) > 0; }));
  DeviceClient other(*loop_);
  other.dial(hub_->amqp_addresses().front(), net::test::client_context());
  other.put_token(token("gw-2"), resource("gw-2"));
  ASSERT_TRUE(run_until([&] { return !other.statuses.empty(); }));
  const auto link = other.attach(telemetry_of("gw-2"));
  ASSERT_TRUE(run_until([&] { return other.credit(link) > 0; }));
  other.send_body(link, "mine");
  EXPECT_TRUE(run_until([&] { return other.outcomes.size() == 1; }));
  // Ten and twice the credit of a link; what came after that is refused, once it is read at all.
  EXPECT_TRUE(run_until([&] {
    clock_.advance(100ms);
    return count(amqp::Outcome::kAccepted) + count(amqp::Outcome::kRejected) == static_cast<std::size_t>(sent);
  }));
  EXPECT_LE(count(amqp::Outcome::kAccepted), 10u + 600u + 300u);
}

TEST_F(HubTest, PlainAmqpIsForLoopbackOnly) {
  declare();
  options_.amqp = {{*net::Address::parse("0.0.0.0:0"), nullptr}};
  EXPECT_FALSE(Hub::create(world(), options_, [](base::Error) {}));
}

TEST(TelemetryPartition, IsFixedForEver) {
  // docs/formats/shards.md
  EXPECT_EQ(telemetry_partition("gw-0001", 64).value, 43u);
  EXPECT_EQ(telemetry_partition("gw-0002", 64).value, 17u);
  EXPECT_EQ(telemetry_partition("", 64).value, 62u);
  for (int i = 0; i < 100; ++i) {
    const auto id = "g" + std::to_string(i);
    EXPECT_EQ(telemetry_partition(id, 8).value, telemetry_partition(id, 64).value % 8);
  }
}

}  // namespace
}  // namespace meterhub::hub
