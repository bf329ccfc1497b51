#include <iostream>
#include <optional>

#include <sys/epoll.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <meterhub/base/disk.h>
#include <meterhub/net/event_loop.h>
#include <meterhub/sim/crowd.h>
#include <meterhub/sim/load_driver.h>

#include "storm_roles.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kStep{100};
constexpr std::chrono::seconds kPatience{120};
constexpr double kNewcomersPerSecond = 10;

void tell(const json& event) { std::cout << event.dump() << '\n' << std::flush; }

json times_json(const sim::Latencies& times) {
  return {{"count", times.count()},
          {"p50", times.percentile(0.5).count()},
          {"p99", times.percentile(0.99).count()},
          {"max", times.max().count()}};
}

class Steady final : public net::FdHandler {
 public:
  Steady(net::EventLoop& loop, sim::LoadDriver& driver, sim::Crowd& newcomers)
      : loop_(loop), driver_(driver), newcomers_(newcomers) {}
  ~Steady() override {
    loop_.cancel(timer_);
    loop_.unwatch(STDIN_FILENO);
  }

  base::Result<void> run() {
    driver_.connect();
    newcomers_.connect(100);
    const auto until = loop_.clock().monotonic() + kPatience;
    while (!driver_.connected() || !newcomers_.all_ready()) {
      if (loop_.clock().monotonic() > until)
        return base::fail(base::Errc::kTimeout, "not all gateways could connect: " + driver_.net().last_error);
      loop_.run_once(kStep);
    }
    driver_.begin();
    renew();
    MH_TRY_VOID(loop_.watch(STDIN_FILENO, EPOLLIN, *this));
    tell({{"event", "connected"}});
    while (!ended_) loop_.run_once(kStep);
    driver_.end();
    const auto settled_until = loop_.clock().monotonic() + kPatience;
    while (driver_.counts().waiting > 0 && loop_.clock().monotonic() < settled_until) loop_.run_once(kStep);
    return {};
  }

  void on_ready(std::uint32_t /*events*/) override {
    char buffer[256];
    const auto got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) ended_ = true;  // whoever started this has gone
    for (const char c : std::string_view(buffer, got > 0 ? static_cast<std::size_t>(got) : 0)) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      line_ == "mark" ? mark() : static_cast<void>(ended_ = true);
      line_.clear();
    }
  }

 private:
  void mark() {
    tell({{"event", "window"},
          {"latency_us", times_json(driver_.take_latencies())},
          {"newcomers_us", times_json(newcomers_.take_return_times())},
          {"disconnects", driver_.net().disconnects}});
  }
  void renew() {
    newcomers_.renew_one();
    timer_ = loop_.after(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(1 / kNewcomersPerSecond)),
        [this] { renew(); });
  }

  net::EventLoop& loop_;
  sim::LoadDriver& driver_;
  sim::Crowd& newcomers_;
  base::Executor::TimerId timer_ = base::Executor::TimerId::kNone;
  std::string line_;
  bool ended_ = false;
};

}  // namespace

base::Result<int> play_steady(const StormRole& role, const std::string& states) {
  base::PosixDisk disk;
  const auto town = MH_TRY(sim::LoadTown::create(role.town.meters, role.town.steady));
  const auto whole = MH_TRY(sim::LoadTown::create(role.town.meters, role.town.gateways()));
  sim::LoadPlan plan;
  plan.rate = role.rate;
  plan.span = 24h;
  sim::LoadSource source(town, 0, plan.copies);
  sim::DriverOptions net;
  net.hub = MH_TRY(net::Address::parse(role.hub));
  net.host = "localhost";
  const auto ca = MH_TRY(disk.read(role.ca));
  net.tls = MH_TRY(net::TlsContext::client({ca, {}, {}}));
  const auto loop = MH_TRY(net::EventLoop::create());
  sim::LoadDriver driver(*loop, town, source, net, plan);
  std::vector<sim::SimGateway> members;
  members.reserve(role.town.newcomers());
  for (std::uint32_t i = 0; i < role.town.newcomers(); ++i) members.push_back(whole.gateway(role.town.steady + i));
  sim::Crowd newcomers(*loop, std::move(members), net, {});
  MH_TRY_VOID(Steady(*loop, driver, newcomers).run());
  const auto counts = driver.counts();
  static_assert(sizeof(sim::PacketState) == 1);
  MH_TRY_VOID(disk.write(states, {reinterpret_cast<const char*>(driver.states().data()), driver.states().size()}));
  tell({{"event", "done"},
        {"settled", counts.settled_packets},
        {"rejected", counts.rejected},
        {"withheld", counts.withheld},
        {"waiting", counts.waiting},
        {"disconnects", driver.net().disconnects}});
  return 0;
}

}  // namespace meterhub::app::bench
