#include <meterhub/sim/driver.h>

#include <algorithm>
#include <vector>

#include <meterhub/base/logging.h>

#include "gateway_client.h"

namespace meterhub::sim {

struct Driver::State {
  net::EventLoop& loop;
  Fleet& fleet;
  const DriverOptions options;
  DriverCounts counts;
  std::vector<std::unique_ptr<GatewayClient>> clients;
  base::Result<void> health;
  base::Executor::TimerId timer = base::Executor::TimerId::kNone;
  double connects_allowed = 0;
  bool meters_stopped = false;
  base::MonotonicTime patience_ends = base::MonotonicTime::max();
  base::Task stopped;

  State(net::EventLoop& l, Fleet& f, const DriverOptions& o) : loop(l), fleet(f), options(o) {}

  void step_fleet() {
    auto uplinks = fleet.step(loop.clock().now());
    if (!uplinks) return break_off(uplinks.error());
    for (auto& uplink : *uplinks) clients[uplink.gateway]->store(std::move(uplink));
  }
  void break_off(const base::Error& error) {
    base::logging::error("sim_truth_not_written", {{"error", error.text}});
    health = std::unexpected(error);
    meters_stopped = true;
  }
  void connect_some() {
    const double per_tick = options.connects_per_second * std::chrono::duration<double>(options.tick).count();
    connects_allowed = std::min(connects_allowed + per_tick, std::max(1.0, 2 * per_tick));
    for (auto& client : clients) {
      if (connects_allowed < 1) return;
      if (!client->wants_to_connect()) continue;
      connects_allowed -= 1;
      client->connect();
    }
  }
  std::uint64_t waiting() const {
    std::uint64_t sum = 0;
    for (const auto& client : clients) sum += client->waiting();
    return sum;
  }
  bool done() const { return stopped && (waiting() == 0 || loop.clock().monotonic() >= patience_ends); }

  void finish() {
    clients.clear();
    if (auto flushed = fleet.flush(); !flushed && health) health = std::move(flushed);
    auto task = std::exchange(stopped, {});
    task();
  }
};

namespace {

// Runs while the driver lives.
template <class State>
void tick(const std::shared_ptr<State>& state) {
  if (!state->meters_stopped) state->step_fleet();
  state->connect_some();
  for (auto& client : state->clients) client->tick();
  if (state->done()) return state->finish();
  state->timer = state->loop.after(state->options.tick, [weak = std::weak_ptr(state)] {
    if (const auto alive = weak.lock()) tick(alive);
  });
}

}  // namespace

Driver::Driver(net::EventLoop& loop, Fleet& fleet, const DriverOptions& options)
    : state_(std::make_shared<State>(loop, fleet, options)) {
  for (const auto& gateway : fleet.town().gateways) {
    state_->clients.push_back(std::make_unique<GatewayClient>(
        loop, state_->options, gateway, state_->counts,
        [&fleet](std::uint64_t delivery, DeliveryEnd end) { fleet.ended(delivery, end); }));
  }
}

Driver::~Driver() { state_->loop.cancel(state_->timer); }

void Driver::start() {
  state_->loop.post([weak = std::weak_ptr(state_)] {
    if (const auto alive = weak.lock()) tick(alive);
  });
}

void Driver::stop(std::chrono::milliseconds patience, base::Task stopped) {
  state_->meters_stopped = true;
  state_->patience_ends = state_->loop.clock().monotonic() + patience;
  state_->stopped = std::move(stopped);
}

const base::Result<void>& Driver::health() const { return state_->health; }

DriverCounts Driver::counts() const {
  auto counts = state_->counts;
  counts.waiting = state_->waiting();
  return counts;
}

}  // namespace meterhub::sim
