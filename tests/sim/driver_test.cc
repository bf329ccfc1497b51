// Gateways against a small hub.
#include <meterhub/sim/driver.h>

#include <gtest/gtest.h>

#include <meterhub/base/metrics.h>

#include "small_hub.h"

namespace meterhub::sim {
namespace {

using std::chrono::milliseconds;

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
