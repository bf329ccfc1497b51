#include <meterhub/net/udp.h>

#include "hub_fixture.h"

namespace meterhub::hub {
namespace {

using namespace std::string_literals;

const std::string kPush = "\x02\xab\xcd\x00\x01\x02\x03\x04\x05\x06\x07\x08{\"rxpk\":[]}"s;
const std::string kPull = "\x02\xab\xcd\x02\x01\x02\x03\x04\x05\x06\x07\x08"s;

class GwmpTest : public test::HubFixture, public net::UdpHandler {
 protected:
  std::vector<std::string> answers_;
  std::unique_ptr<net::UdpSocket> gateway_;

  void open(std::string_view networks = "127.0.0.0/8") {
    options_.gwmp = net::Address::loopback();
    options_.gwmp_networks = {*net::Network::parse(networks)};
    start();
    gateway_ = std::move(*net::UdpSocket::bind(*loop_, net::Address::loopback(), {}, *this));
  }
  void on_datagrams(std::span<const net::Datagram> block) override {
    for (const auto& datagram : block) answers_.emplace_back(base::as_text(datagram.bytes));
  }
  void say(std::string_view bytes) { gateway_->send(*hub_->gwmp_address(), base::as_bytes(bytes)); }
};

TEST_F(GwmpTest, PushIsAcknowledgedAfterItIsDurableAndStoredWhole) {
  open();
  log_.hold = true;
  say(kPush);
  ASSERT_TRUE(run_until([&] { return log_.held() == 1; }));
  run_some();
  EXPECT_TRUE(answers_.empty());
  log_.release();
  ASSERT_TRUE(run_until([&] { return answers_.size() == 1; }));
  EXPECT_EQ(answers_[0], "\x02\xab\xcd\x01"s);
  const auto records = stored();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].body, kPush);
  EXPECT_EQ(records[0].properties.gateway, "gw-1");
}

TEST_F(GwmpTest, PullIsAcknowledgedWithFourBytes) {
  open();
  say(kPull);
  ASSERT_TRUE(run_until([&] { return answers_.size() == 1; }));
  EXPECT_EQ(answers_[0], "\x02\xab\xcd\x04"s);
}

TEST_F(GwmpTest, NoAckForWhatIsMalformedUnknownOrOfAnotherType) {
  open();
  auto version = kPush;
  version[0] = 3;
  auto type = kPush;
  type[3] = 5;
  auto stranger = kPush;
  stranger[4] = 9;
  for (const auto& bad : {kPush.substr(0, 11), version, type, stranger, std::string()}) say(bad);
  say(kPull);
  ASSERT_TRUE(run_until([&] { return !answers_.empty(); }));
  run_some();
  EXPECT_EQ(answers_.size(), 1u);
  EXPECT_TRUE(stored().empty());
  EXPECT_EQ(metrics_.total("meterhub_hub_gwmp_datagrams_total"), 6u);
}

TEST_F(GwmpTest, OtherNetworksAndDisabledGatewaysAreNotHeard) {
  open("10.0.0.0/8");
  say(kPush);
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_hub_gwmp_datagrams_total") == 1; }));
  EXPECT_TRUE(stored().empty());
}

}  // namespace
}  // namespace meterhub::hub
