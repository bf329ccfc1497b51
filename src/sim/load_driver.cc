#include <meterhub/sim/load_driver.h>

#include <algorithm>

#include "gateway_client.h"

namespace meterhub::sim {
namespace {

constexpr std::chrono::milliseconds kTurn{1};
// Every gateway is looked after (heartbeats, tokens) once in so many turns at least.
constexpr std::uint32_t kCareTurns = 500;
// A turn that came late makes up for it, within the handshakes that a hub has in progress.
constexpr double kConnectsAtOnce = 100;
// A paced gateway keeps so many messages while the hub does not take them.
constexpr std::size_t kMemory = 600;
// Closed loop: messages of one gateway under way, at least two records.
constexpr std::size_t kUnderWay = 8;

}  // namespace

LoadDriver::LoadDriver(net::EventLoop& loop, const LoadTown& town, LoadSource& source, const DriverOptions& options,
                       const LoadPlan& plan)
    : loop_(loop),
      source_(source),
      options_(options),
      plan_(plan),
      records_per_second_(plan.rate * (1 + (town.gateways() > 1 ? plan.copies : 0)) / plan.packets_per_record) {
  for (std::uint32_t i = 0; i < town.gateways(); ++i) known_.push_back(town.gateway(i));
  for (const auto& gateway : known_) {
    gateways_.push_back(std::make_unique<GatewayClient>(
        loop, options_, gateway, net_, [this](std::uint64_t delivery, DeliveryEnd end) { ended(delivery, end); }));
  }
}

LoadDriver::~LoadDriver() { loop_.cancel(timer_); }

bool LoadDriver::connected() const { return net_.connected == gateways_.size(); }

void LoadDriver::connect() {
  last_turn_ = loop_.clock().monotonic();
  source_.plan(0, 1);
  due_.push_back(last_turn_);
  touched_.push_back(0);
  send_planned();
  gateways_.front()->connect();
  turn();
}

void LoadDriver::begin() {
  phase_ = Phase::kLoad;
  begun_ = loop_.clock().monotonic();
}

void LoadDriver::turn() {
  const auto now = loop_.clock().monotonic();
  connect_some(now);
  if (phase_ == Phase::kLoad && now >= begun_ + plan_.span) phase_ = Phase::kOver;
  if (phase_ == Phase::kLoad) plan_.rate > 0 ? plan_paced(now) : plan_closed(now);
  send_planned();
  look_after();
  last_turn_ = now;
  timer_ = loop_.after(kTurn, [this] { turn(); });
}

void LoadDriver::connect_some(base::MonotonicTime now) {
  if (!first_settled_ || net_.connected == gateways_.size()) return;
  const auto passed = std::chrono::duration<double>(now - last_turn_).count();
  connects_allowed_ = std::min(connects_allowed_ + options_.connects_per_second * passed, kConnectsAtOnce);
  for (auto& gateway : gateways_) {
    if (connects_allowed_ < 1) return;
    if (!gateway->wants_to_connect()) continue;
    connects_allowed_ -= 1;
    gateway->connect();
  }
}

// Gateways take turns. At most one record of each, since a turn's writes leave together.
void LoadDriver::plan_paced(base::MonotonicTime now) {
  const auto due = std::chrono::duration<double>(now - begun_).count() * records_per_second_;
  for (std::size_t n = 0; n < gateways_.size() && static_cast<double>(records_) < due; ++n, ++records_) {
    const auto at = begun_ + std::chrono::nanoseconds(
                                 static_cast<std::int64_t>(1e9 * static_cast<double>(records_) / records_per_second_));
    if (!plan_record(static_cast<std::uint32_t>(records_ % gateways_.size()), at, kMemory))
      counts_.withheld += plan_.packets_per_record;
  }
}

void LoadDriver::plan_closed(base::MonotonicTime now) {
  const auto most = std::max(std::size_t{kUnderWay}, std::size_t{2} * plan_.packets_per_record);
  for (std::uint32_t g = 0; g < gateways_.size(); ++g) plan_record(g, now, most);
}

bool LoadDriver::plan_record(std::uint32_t gateway, base::MonotonicTime due, std::size_t waiting_max) {
  if (gateways_[gateway]->waiting() + plan_.packets_per_record > waiting_max) return false;
  source_.plan(gateway, plan_.packets_per_record);
  due_.insert(due_.end(), plan_.packets_per_record, due);
  touched_.push_back(gateway);
  return true;
}

void LoadDriver::send_planned() {
  if (touched_.empty()) return;
  auto messages = source_.encode(loop_.clock().now());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto& message = messages[i];
    const auto delivery = first_delivery_ + deliveries_.size();
    deliveries_.push_back({message.packet, due_[i], phase_ == Phase::kLoad});
    if (message.packet >= states_.size()) states_.resize(std::max<std::size_t>(message.packet + 1, 2 * states_.size()));
    if (!message.copy) states_[message.packet] = PacketState::kSent;
    counts_.packets += message.copy ? 0 : 1;
    counts_.receptions += 1;
    gateways_[message.gateway]->store({message.gateway, delivery, std::move(message.body)});
  }
  for (const auto gateway : touched_) gateways_[gateway]->tick();
  due_.clear();
  touched_.clear();
}

void LoadDriver::look_after() {
  for (std::size_t i = 0; i <= gateways_.size() / kCareTurns; ++i) {
    gateways_[turn_of_]->tick();
    turn_of_ = (turn_of_ + 1) % static_cast<std::uint32_t>(gateways_.size());
  }
}

void LoadDriver::ended(std::uint64_t delivery, DeliveryEnd end) {
  const auto now = loop_.clock().monotonic();
  auto& one = deliveries_[delivery - first_delivery_];
  if (end == DeliveryEnd::kSettled) {
    if (!first_settled_) first_settled_ = now;
    counts_.settled += 1;
    auto& state = states_[one.packet];
    counts_.settled_packets += state == PacketState::kSettled ? 0 : 1;
    state = PacketState::kSettled;
    if (one.of_load) latencies_.add(std::chrono::duration_cast<Latencies::Time>(now - one.due));
  } else {
    counts_.rejected += 1;
  }
  one.due = base::MonotonicTime::max();  // done
  while (!deliveries_.empty() && deliveries_.front().due == base::MonotonicTime::max()) {
    deliveries_.pop_front();
    ++first_delivery_;
  }
}

LoadCounts LoadDriver::counts() const {
  auto out = counts_;
  for (const auto& gateway : gateways_) out.waiting += gateway->waiting();
  return out;
}

}  // namespace meterhub::sim
