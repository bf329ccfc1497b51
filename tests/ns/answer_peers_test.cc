#include "answer_peers.h"

#include "loop_fixture.h"

namespace meterhub::ns {
namespace {

class AnswerPeersTest : public net::test::LoopFixture {
 protected:
  std::unique_ptr<net::Listener> listen(net::test::Peer& peer) {
    return std::move(*net::Listener::tcp(*loop_, net::Address::loopback(), {}, metrics_, [&](net::ConnectionPtr c) { peer.take(std::move(c)); }));
  }
  std::uint64_t dropped() const { return metrics_.total("meterhub_ns_lines_dropped_total"); }
};

TEST_F(AnswerPeersTest, KeepsOneConnectionAPeer) {
  net::test::Peer peer;
  const auto listener = listen(peer);
  AnswerPeers peers(*loop_, metrics_, {{}, 4, 1'000});
  peers.send(listener->address(), "one\n");
  peers.send(listener->address(), "two\n");
  ASSERT_TRUE(run_until([&] { return peer.received == "one\ntwo\n"; }));
  EXPECT_EQ(metrics_.total("meterhub_ns_answer_connects_total"), 1U);
  EXPECT_EQ(dropped(), 0U);
}

TEST_F(AnswerPeersTest, DropsAndCountsWhatAPeerDoesNotTakeAndServesTheOthers) {
  net::test::Peer slow;
  net::test::Peer good;
  const auto slow_listener = listen(slow);
  const auto good_listener = listen(good);
  AnswerPeers peers(*loop_, metrics_, {{}, 4, 100'000});
  const std::string line = std::string(9'999, 'x') + '\n';
  for (int i = 0; i < 11; ++i) peers.send(slow_listener->address(), line);
  EXPECT_EQ(dropped(), 1U);
  peers.send(good_listener->address(), "fine\n");
  ASSERT_TRUE(run_until([&] { return good.received == "fine\n"; }));
}

TEST_F(AnswerPeersTest, ConnectsAgainAfterAPauseWhenThePeerCameBack) {
  AnswerPeers peers(*loop_, metrics_, {{}, 4, 1'000});
  net::test::Peer peer;
  auto listener = listen(peer);
  const auto address = listener->address();
  listener.reset();
  peers.send(address, "lost\n");
  ASSERT_TRUE(run_until([&] { return peers.connected() == 0; }));
  peers.send(address, "too early\n");
  EXPECT_EQ(dropped(), 1U);
  listener = std::move(*net::Listener::tcp(*loop_, address, {}, metrics_, [&](net::ConnectionPtr c) { peer.take(std::move(c)); }));
  clock_.advance(std::chrono::seconds(1));
  peers.send(address, "again\n");
  ASSERT_TRUE(run_until([&] { return peer.received == "again\n"; }));
}

TEST_F(AnswerPeersTest, KeepsNoMorePeersThanItMay) {
  AnswerPeers peers(*loop_, metrics_, {{}, 2, 1'000});
  net::test::Peer a, b, c;
  const auto first = listen(a), second = listen(b), third = listen(c);
  peers.send(first->address(), "1\n");
  peers.send(second->address(), "2\n");
  peers.send(third->address(), "3\n");  // nobody is idle yet
  EXPECT_EQ(dropped(), 1U);
  ASSERT_TRUE(run_until([&] { return a.received == "1\n" && b.received == "2\n"; }));
  clock_.advance(std::chrono::seconds(1));
  peers.send(second->address(), "4\n");
  run_some();
  peers.send(third->address(), "5\n");  // in place of the first, unused for longest
  ASSERT_TRUE(run_until([&] { return c.received == "5\n"; }));
  EXPECT_EQ(peers.connected(), 2U);
}

// 0.0.0.0 is no loopback address and yet leads to this machine alone.
class AnswerPeersOutsideLoopback : public AnswerPeersTest {
 protected:
  std::unique_ptr<net::Listener> platform(const net::test::Authority& authority, net::test::Peer& peer) {
    net::ListenOptions options;
    options.tls = *net::TlsContext::server({authority.issue("platform", "DNS:localhost"), net::test::authority().identity.certificate_pem});
    return std::move(*net::Listener::tcp(*loop_, net::Address::v4(0, 0), std::move(options), metrics_, [&](net::ConnectionPtr c) { peer.take(std::move(c)); }));
  }
  static AnswerPeers::Options with_certificate() {
    const auto& ca = net::test::authority();
    return {*net::TlsContext::client({ca.identity.certificate_pem, ca.issue("ns-1", "DNS:ns-1"), "localhost"}), 4, 1'000};
  }
};

TEST_F(AnswerPeersOutsideLoopback, ShowsItsCertificateToThePlatform) {
  net::test::Peer peer;
  const auto listener = platform(net::test::authority(), peer);
  AnswerPeers peers(*loop_, metrics_, with_certificate());
  peers.send(listener->address(), "a reading\n");
  ASSERT_TRUE(run_until([&] { return peer.received == "a reading\n"; }));
  EXPECT_EQ(peer.connection->peer_name(), "ns-1");
}

TEST_F(AnswerPeersOutsideLoopback, TellsNothingToOneThatIsNotThePlatform) {
  net::test::Peer peer;
  const auto listener = platform(net::test::Authority(), peer);
  AnswerPeers peers(*loop_, metrics_, with_certificate());
  peers.send(listener->address(), "a reading\n");
  ASSERT_TRUE(run_until([&] { return peers.connected() == 0; }));
  EXPECT_EQ(peer.received, "");
}

}  // namespace
}  // namespace meterhub::ns
