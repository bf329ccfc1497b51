#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "loop_fixture.h"

namespace meterhub::net {
namespace {

using namespace std::chrono_literals;

class ListenerTest : public test::LoopFixture {
 protected:
  std::vector<std::unique_ptr<test::Peer>> accepted_;
  std::vector<std::unique_ptr<test::Peer>> clients_;

  Accept keep() {
    return [this](ConnectionPtr c) {
      accepted_.push_back(std::make_unique<test::Peer>());
      accepted_.back()->take(std::move(c));
    };
  }
  test::Peer& dial(const Address& to, std::optional<Address> from = {}) {
    auto& peer = *clients_.emplace_back(std::make_unique<test::Peer>());
    ConnectOptions options;
    options.from = from;
    peer.connection = std::move(*connect(*loop_, to, options, peer));
    return peer;
  }
  test::Peer& dial_tls(const Address& to, std::optional<Address> from = {}) {
    auto& peer = *clients_.emplace_back(std::make_unique<test::Peer>());
    peer.connection = std::move(*connect(*loop_, to, {test::client_context(), "localhost", {}, from}, peer));
    return peer;
  }
  // Another address of this host.
  static Address from(std::uint32_t number) { return Address::v4(0x7f010000 + number, 0); }
  std::string socket_path() const { return ::testing::TempDir() + "listener_" + std::to_string(getpid()) + ".sock"; }
};

TEST_F(ListenerTest, ClosesConnectionsOverItsMaximumAndCountsThem) {
  ListenOptions options;
  options.max_connections = 2;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 3; ++i) dial(listener->address());
  ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_refused_total") == 1; }));
  EXPECT_EQ(listener->connections(), 2u);
  EXPECT_EQ(accepted_.size(), 2u);
}

TEST_F(ListenerTest, AnEndedConnectionMakesRoom) {
  ListenOptions options;
  options.max_connections = 1;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  dial(listener->address());
  ASSERT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  clients_.front()->connection->abort();
  ASSERT_TRUE(run_until([&] { return listener->connections() == 0; }));
  dial(listener->address());
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 2; }));
}

TEST_F(ListenerTest, LimitsNewcomersAndLetsTheRestWait) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_newcomers = 2;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 5; ++i) dial(listener->address());  // plain: they never shake hands
  ASSERT_TRUE(run_until([&] { return listener->connections() == 2; }));
  run_some();
  EXPECT_EQ(listener->connections(), 2u);
  EXPECT_EQ(metrics_.total("meterhub_net_connections_refused_total"), 0u);
  // The two that were let in run into the deadline, which frees their places.
  clock_.advance(11s);
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_accepted_total") == 4; }));
  clock_.advance(11s);
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_accepted_total") == 5; }));
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 4u);
  clock_.advance(11s);
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_net_handshakes_failed_total") == 5; }));
  EXPECT_EQ(listener->connections(), 0u);
}

TEST_F(ListenerTest, WhoWaitsGetsInWhenAHandshakeHasEnded) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_handshakes = 1;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 20; ++i) dial_tls(listener->address());
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 20; }));
  EXPECT_EQ(metrics_.total("meterhub_net_connections_refused_total"), 0u);
}

TEST_F(ListenerTest, TheSourceThatHoldsMostPlacesLosesThemFirst) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_newcomers = 3;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  auto& alone = dial(listener->address(), from(2));  // the oldest, and slow
  ASSERT_TRUE(run_until([&] { return listener->connections() == 1; }));
  for (int i = 0; i < 2; ++i) dial(listener->address(), from(1));
  ASSERT_TRUE(run_until([&] { return listener->connections() == 3; }));
  clock_.advance(2s);
  dial_tls(listener->address(), from(3));
  ASSERT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  EXPECT_FALSE(alone.closed);
  EXPECT_TRUE(run_until([&] { return clients_[1]->closed || clients_[2]->closed; }));
}

TEST_F(ListenerTest, ASilentHandshakeGivesItsPlaceToANewcomer) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_newcomers = 2;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 2; ++i) dial(listener->address());  // plain: they never shake hands
  ASSERT_TRUE(run_until([&] { return listener->connections() == 2; }));
  clock_.advance(2s);
  auto& good = *clients_.emplace_back(std::make_unique<test::Peer>());
  good.connection = std::move(*connect(*loop_, listener->address(), {test::client_context(), "localhost", {}}, good));
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  EXPECT_TRUE(good.opened);
  EXPECT_TRUE(run_until([&] { return clients_.front()->closed || clients_[1]->closed; }));
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 1u);
  EXPECT_EQ(metrics_.total("meterhub_net_connections_refused_total"), 0u);
}

// All have spoken, and it is the loop that has not come to them: nobody gives its place away.
TEST_F(ListenerTest, WhoWaitsForUsKeepsItsPlace) {
  constexpr std::size_t kPlaces = 64;  // as many as are accepted in one turn
  ListenOptions options;
  options.tls = test::server_context();
  options.max_newcomers = kPlaces;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (std::size_t i = 0; i < kPlaces + 6; ++i) dial_tls(listener->address());
  ASSERT_TRUE(run_until([&] { return listener->connections() == kPlaces; }));
  clock_.advance(2s);
  EXPECT_TRUE(run_until([&] {
    clock_.advance(1ms);
    return accepted_.size() == kPlaces + 6;
  }));
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 0u);
}

// The first byte of a handshake takes TLS state; over the limit the next wait in a queue, and are let in when those
// who have begun and do not go on have had their time.
TEST_F(ListenerTest, LimitsHandshakesAndQueuesTheRest) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_handshakes = 2;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 2; ++i) dial(listener->address()).connection->write(base::as_bytes("\x16"));
  for (int i = 0; i < 3; ++i) dial(listener->address());  // silent: they take no part in it
  ASSERT_TRUE(run_until([&] { return listener->connections() == 5; }));
  run_some();
  for (int i = 0; i < 5; ++i) dial_tls(listener->address());
  ASSERT_TRUE(run_until([&] { return listener->connections() == 10; }));
  run_some();
  clock_.advance(2s);
  run_some();
  EXPECT_TRUE(accepted_.empty());
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 0u);
  clock_.advance(2s);
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 5; }));
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 2u);  // the two that did not go on
  EXPECT_EQ(metrics_.total("meterhub_net_connections_refused_total"), 0u);
}

TEST_F(ListenerTest, WhoHangsUpInTheQueueIsForgotten) {
  ListenOptions options;
  options.tls = test::server_context();
  options.max_handshakes = 1;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 2; ++i) dial(listener->address()).connection->write(base::as_bytes("\x16"));
  ASSERT_TRUE(run_until([&] { return listener->connections() == 2; }));
  run_some();
  clients_[1]->connection->abort();
  clients_[0]->connection->abort();
  EXPECT_TRUE(run_until([&] { return listener->connections() == 0; }));
  dial_tls(listener->address());
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 1; }));
}

TEST_F(ListenerTest, GarbageInsteadOfAHandshakeIsClosedAndCounted) {
  ListenOptions options;
  options.tls = test::server_context();
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  auto& client = dial(listener->address());
  client.connection->write(base::as_bytes("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(metrics_.total("meterhub_net_handshakes_failed_total"), 1u);
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(ListenerTest, LetsOneAddressWaitForItsTurnAndRefusesWhatWouldWaitTooLong) {
  for (const bool tls : {false, true}) {
    SCOPED_TRACE(tls);
    accepted_.clear();
    const auto before = metrics_.total("meterhub_net_connections_refused_total");
    ListenOptions options;
    if (tls) options.tls = test::server_context();
    options.accepts_per_second = 1;
    options.accept_burst = 2;
    options.accept_wait = 2s;
    const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
    for (int i = 0; i < 7; ++i) tls ? dial_tls(listener->address()) : dial(listener->address());
    ASSERT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_refused_total") == before + 3; }));
    ASSERT_TRUE(run_until([&] { return accepted_.size() == 2; }));
    run_some();
    EXPECT_EQ(accepted_.size(), 2u);
    EXPECT_EQ(listener->connections(), 4u);
    for (std::size_t in = 3; in <= 4; ++in) {
      clock_.advance(1s);
      EXPECT_TRUE(run_until([&] { return accepted_.size() == in; }));
      run_some();
      EXPECT_EQ(accepted_.size(), in);
    }
  }
  EXPECT_EQ(metrics_.total("meterhub_net_connections_delayed_total"), 4u);
}

TEST_F(ListenerTest, SparesThisHostWhenAskedAndNoOtherAddress) {
  ListenOptions options;
  options.accepts_per_second = 1;
  options.accept_burst = 2;
  options.accept_wait = 0s;
  options.spares_this_host = true;
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), options, metrics_, keep()));
  for (int i = 0; i < 5; ++i) dial(listener->address());
  ASSERT_TRUE(run_until([&] { return accepted_.size() == 5; }));
  for (int i = 0; i < 5; ++i) dial(listener->address(), from(1));
  EXPECT_TRUE(run_until([&] { return metrics_.total("meterhub_net_connections_refused_total") == 3; }));
  EXPECT_EQ(accepted_.size(), 7u);
}

TEST_F(ListenerTest, PausesWithoutDescriptorsAndGoesOnWithThem) {
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), {}, metrics_, keep()));
  // The first one goes well. UBSan's look at an object's type takes a descriptor when it meets that
  // type for the first time; afterwards it knows all that work here.
  dial(listener->address());
  ASSERT_TRUE(run_until([&] { return accepted_.size() == 1; }));
  dial(listener->address());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  run_some();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(metrics_.total("meterhub_net_connections_refused_total"), 1u);
  EXPECT_EQ(accepted_.size(), 1u);
  clock_.advance(101ms);
  EXPECT_TRUE(run_until([&] { return accepted_.size() == 2; }));
}

TEST_F(ListenerTest, ATakenPortIsAnError) {
  const auto listener = std::move(*Listener::tcp(*loop_, Address::loopback(), {}, metrics_, keep()));
  const auto second = Listener::tcp(*loop_, listener->address(), {}, metrics_, keep());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::Errc::kAlreadyExists);
}

TEST_F(ListenerTest, AUnixSocketIsForItsOwnerOnlyAndCarriesBytes) {
  const auto path = socket_path();
  auto listener = std::move(*Listener::unix_domain(*loop_, path, {}, metrics_, keep()));
  struct stat info{};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  test::Peer client;
  client.connection = std::move(*connect_unix(*loop_, path, {}, client));
  client.connection->write(base::as_bytes("ping"));
  EXPECT_TRUE(run_until([&] { return !accepted_.empty() && accepted_.front()->received == "ping"; }));
  EXPECT_TRUE(accepted_.front()->connection->is_local());
  listener.reset();
  EXPECT_NE(stat(path.c_str(), &info), 0);
}

TEST_F(ListenerTest, ALivingUnixSocketIsNotTakenOver) {
  const auto path = socket_path();
  const auto first = std::move(*Listener::unix_domain(*loop_, path, {}, metrics_, keep()));
  const auto second = Listener::unix_domain(*loop_, path, {}, metrics_, keep());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, base::Errc::kAlreadyExists);
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsLeftAlone) {
  const auto path = socket_path();
  std::ofstream(path) << "precious";
  EXPECT_FALSE(Listener::unix_domain(*loop_, path, {}, metrics_, keep()));
  std::string text;
  std::ifstream(path) >> text;
  EXPECT_EQ(text, "precious");
  unlink(path.c_str());
}

}  // namespace
}  // namespace meterhub::net
