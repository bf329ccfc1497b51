// Gateways against a small hub of this test: the same engine, as a server, over real TCP.
#include <meterhub/sim/driver.h>

#include <map>
#include <set>

#include <gtest/gtest.h>

#include <meterhub/amqp/engine.h>
#include <meterhub/amqp/message.h>
#include <meterhub/base/metrics.h>
#include <meterhub/net/connection.h>
#include <meterhub/sas/token.h>

namespace meterhub::sim {
namespace {

using std::chrono::milliseconds;

// What the hub has taken, over all connections.
struct HubBooks {
  std::multiset<std::string> bodies;  // settled
  std::set<std::string> devices;
  std::string key_refused;            // a gateway id whose tokens are no good
  int drop_after = -1;                // messages until a connection is cut without an answer
};

class HubConnection final : public net::ConnectionHandler, public amqp::Listener {
 public:
  HubConnection(net::ConnectionPtr connection, HubBooks& books)
      : books_(books), connection_(std::move(connection)), engine_({}, *this, {}) {
    connection_->set_handler(*this);
  }
  ~HubConnection() override { connection_->abort(); }

  void on_data(base::BytesView bytes) override {
    engine_.feed(bytes, {});
    flush();
  }
  void on_closed(net::CloseReason, std::string_view) override {}
  void on_attach(const amqp::PeerAttach& attach) override {
    engine_.accept(attach.link, {});
    if (!attach.peer_sends) {
      replies_ = attach.link;
      return;
    }
    engine_.set_window(attach.link, 50);
    if (attach.address() == "$cbs") cbs_ = attach.link;
  }
  void on_credit(amqp::LinkId) override { send_replies(); }
  void on_delivery(const amqp::Delivery& delivery) override {
    if (delivery.link == cbs_) return answer(delivery);
    if (books_.drop_after == 0) {
      books_.drop_after = -1;
      cut_ = true;
    }
    if (cut_) return;
    if (books_.drop_after > 0) --books_.drop_after;
    const auto message = amqp::Message::parse(delivery.payload);
    ASSERT_TRUE(message);
    books_.bodies.insert(std::string(base::as_text(message->data)));
    engine_.settle(delivery.session, delivery.id, delivery.id, amqp::Outcome::kAccepted);
  }

 private:
  void answer(const amqp::Delivery& delivery) {
    const auto message = amqp::Message::parse(delivery.payload);
    ASSERT_TRUE(message);
    const auto token = sas::parse_token(message->value.text().value_or(""));
    ASSERT_TRUE(token) << token.error().text;
    books_.devices.insert(token->resource.device_id);
    base::Bytes bytes;
    amqp::MessageWriter reply(bytes);
    reply.begin_application_properties();
    reply.writer().string("status-code");
    reply.writer().int32(token->resource.device_id == books_.key_refused ? 401 : 200);
    reply.end();
    reply.begin_value();
    reply.writer().null();
    waiting_.push_back(std::move(bytes));
    send_replies();
  }
  void send_replies() {
    while (!waiting_.empty() && engine_.send(replies_, waiting_.front(), {}, {.settled = true})) {
      waiting_.erase(waiting_.begin());
    }
  }
  void flush() {
    if (cut_) return connection_->abort();
    for (auto out = engine_.output(); !out.empty(); out = engine_.output()) {
      connection_->write(out);
      engine_.consumed(out.size());
    }
  }

  HubBooks& books_;
  net::ConnectionPtr connection_;
  amqp::Connection engine_;
  amqp::LinkId cbs_{}, replies_{};
  std::vector<base::Bytes> waiting_;  // for the client's credit
  bool cut_ = false;
};

class DriverAgainstHub : public testing::Test {
 protected:
  void SetUp() override {
    loop = *net::EventLoop::create();
    listener = *net::Listener::tcp(*loop, net::Address::loopback(), {}, metrics, [this](net::ConnectionPtr connection) {
      connections.push_back(std::make_unique<HubConnection>(std::move(connection), books));
    });
    auto opened = Fleet::open(*make_town({.meters = 300, .meters_per_gateway = 100}),
                              {.interval = milliseconds(1'000), .stat_interval = milliseconds(0)}, disk, "sent.mhs",
                              loop->clock().now());
    ASSERT_TRUE(opened);
    fleet = std::move(*opened);
    DriverOptions options;
    options.hub = listener->address();
    options.host = "hub.example";
    options.tick = milliseconds(20);
    driver = std::make_unique<Driver>(*loop, *fleet, options);
    driver->start();
  }
  // Until `reached` or ten seconds.
  template <class F>
  bool run_until(F reached) {
    const auto end = loop->clock().monotonic() + std::chrono::seconds(10);
    while (!reached() && loop->clock().monotonic() < end) loop->run_once(milliseconds(20));
    return reached();
  }
  bool stop() {
    bool stopped = false;
    driver->stop(std::chrono::seconds(5), [&] { stopped = true; });
    return run_until([&] { return stopped; });
  }
  std::size_t gateways() const { return fleet->town().gateways.size(); }

  base::MemoryDisk disk;
  base::Metrics metrics;
  HubBooks books;
  std::unique_ptr<net::EventLoop> loop;
  std::unique_ptr<net::Listener> listener;
  std::vector<std::unique_ptr<HubConnection>> connections;
  std::unique_ptr<Fleet> fleet;
  std::unique_ptr<Driver> driver;
};

TEST_F(DriverAgainstHub, ConnectsEveryGatewayAndHasEveryMessageSettled) {
  ASSERT_TRUE(run_until([&] { return books.bodies.size() > 100; })) << driver->counts().last_error;
  EXPECT_EQ(driver->counts().connected, gateways());
  EXPECT_EQ(books.devices.size(), gateways());
  ASSERT_TRUE(stop());
  EXPECT_EQ(driver->counts().waiting, 0u);
  const auto truth = load_sent(disk, "sent.mhs");
  ASSERT_TRUE(truth);
  EXPECT_EQ(truth->settled_deliveries, truth->deliveries);
  EXPECT_EQ(truth->deliveries, books.bodies.size());
}

TEST_F(DriverAgainstHub, SendsAgainWhatABrokenConnectionLeftUnsettled) {
  books.drop_after = 60;
  ASSERT_TRUE(run_until([&] { return driver->counts().disconnects >= 1 && driver->counts().connected == gateways(); }));
  ASSERT_TRUE(stop());
  const auto truth = load_sent(disk, "sent.mhs");
  ASSERT_TRUE(truth);
  EXPECT_EQ(truth->settled_deliveries, truth->deliveries);
  EXPECT_GE(books.bodies.size(), truth->deliveries);
}

TEST_F(DriverAgainstHub, KeepsOneRefusedGatewayFromHarmingTheOthers) {
  books.key_refused = fleet->town().gateways[0].id;
  ASSERT_TRUE(run_until([&] { return driver->counts().connected == gateways() - 1 && driver->counts().disconnects > 1; }));
  EXPECT_EQ(driver->counts().last_error, "the hub refused the token");
  EXPECT_GT(books.bodies.size(), 0u);
}

}  // namespace
}  // namespace meterhub::sim
