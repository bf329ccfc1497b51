// Load against a small hub.
#include <meterhub/sim/load_driver.h>

#include <algorithm>

#include <gtest/gtest.h>

#include <meterhub/base/metrics.h>

#include "small_hub.h"

namespace meterhub::sim {
namespace {

using std::chrono::milliseconds;

class LoadAgainstHub : public testing::Test {
 protected:
  void SetUp() override {
    loop = *net::EventLoop::create();
    listener = *net::Listener::tcp(*loop, net::Address::loopback(), {}, metrics, [this](net::ConnectionPtr connection) {
      connections.push_back(std::make_unique<HubConnection>(std::move(connection), books));
    });
    options.hub = listener->address();
    options.host = "hub.example";
  }
  template <class F>
  bool run_until(F reached) {
    const auto end = loop->clock().monotonic() + std::chrono::seconds(10);
    while (!reached() && loop->clock().monotonic() < end) loop->run_once(milliseconds(20));
    return reached();
  }
  void run(const LoadPlan& plan) {
    driver = std::make_unique<LoadDriver>(*loop, town, source, options, plan);
    driver->connect();
    ASSERT_TRUE(run_until([&] { return driver->connected(); })) << driver->net().last_error;
    EXPECT_TRUE(driver->first_settled());
    driver->begin();
    ASSERT_TRUE(run_until([&] { return driver->over() && driver->counts().waiting == 0; }));
  }

  const LoadTown town = LoadTown::create(1'000, 4).value();
  LoadSource source{town, 0, 0.14};
  DriverOptions options;
  base::Metrics metrics;
  HubBooks books;
  std::unique_ptr<net::EventLoop> loop;
  std::unique_ptr<net::Listener> listener;
  std::vector<std::unique_ptr<HubConnection>> connections;
  std::unique_ptr<LoadDriver> driver;
};

TEST_F(LoadAgainstHub, SendsAtItsPaceAndHasAllOfItSettled) {
  run({.rate = 200, .packets_per_record = 5, .span = milliseconds(500)});
  const auto counts = driver->counts();
  EXPECT_EQ(counts.settled, counts.receptions);
  EXPECT_EQ(counts.settled, books.bodies.size());
  EXPECT_EQ(counts.settled_packets, counts.packets);
  EXPECT_EQ(counts.rejected + counts.withheld, 0U);
  EXPECT_NEAR(static_cast<double>(counts.receptions), 200 * 1.14 * 0.5, 10);
  EXPECT_EQ(driver->latencies().count() + 1, counts.settled) << "the very first packet is none of the load";
  EXPECT_EQ(std::ranges::count(driver->states(), PacketState::kSettled), static_cast<std::ptrdiff_t>(counts.settled_packets));
}

TEST_F(LoadAgainstHub, GoesAsFastAsTheHubSettles) {
  run({.rate = 0, .packets_per_record = 10, .span = milliseconds(200)});
  EXPECT_GT(driver->counts().settled, 500U);
  EXPECT_EQ(driver->counts().settled, driver->counts().receptions);
}

}  // namespace
}  // namespace meterhub::sim
