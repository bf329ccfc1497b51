#include <meterhub/sim/crowd.h>

#include <algorithm>

#include "gateway_client.h"

namespace meterhub::sim {
namespace {

constexpr std::chrono::milliseconds kTurn{2};
constexpr std::chrono::milliseconds kTurnOfMany{50};  // 10,000 of them cost a millisecond or two a turn
constexpr std::size_t kMany = 1'000;
// Heartbeats and tokens are looked after once in so many turns.
constexpr std::size_t kCareTurns = 32;
constexpr std::uint32_t kFirstAddress = 0x7f01'0001;  // 127.1.0.1
// What they send: a gateway's statistics, which concern no meter.
constexpr char kBody[] = R"({"stat":{"time":"2026-01-01 00:00:00 GMT","rxnb":0,"rxok":0,"rxfw":0,"ackr":100.0,"dwnb":0,"txnb":0}})";

}  // namespace

Crowd::Crowd(net::EventLoop& loop, std::vector<SimGateway> gateways, const DriverOptions& net, const CrowdOptions& options)
    : loop_(loop), net_options_(net), options_(options), known_(std::move(gateways)), last_turn_(loop.clock().monotonic()) {
  const auto ended = [this](std::uint64_t, DeliveryEnd end) { ++(end == DeliveryEnd::kSettled ? settled_ : rejected_); };
  for (std::uint32_t i = 0; i < known_.size(); ++i) {
    Manners manners{.insists = options.insists, .deaf = options.deaf, .from = {}, .keeps_tickets = options.keeps_tickets};
    if (options.own_addresses) manners.from = net::Address::v4(kFirstAddress + i, 0);
    gateways_.push_back({std::make_unique<GatewayClient>(loop, net_options_, known_[i], net_, ended, manners)});
  }
  timer_ = loop_.after(kTurn, [this] { turn(); });
}

Crowd::~Crowd() { loop_.cancel(timer_); }

void Crowd::turn() {
  const auto now = loop_.clock().monotonic();
  connect_some(now);
  for (auto& member : gateways_) look_after(member, now);
  for (auto i = ++turns_ % kCareTurns; i < gateways_.size(); i += kCareTurns) gateways_[i].client->tick();
  last_turn_ = now;
  timer_ = loop_.after(gateways_.size() > kMany ? kTurnOfMany : kTurn, [this] { turn(); });
}

void Crowd::connect_some(base::MonotonicTime now) {
  const auto passed = std::chrono::duration<double>(now - last_turn_).count();
  const auto at_once = std::max(1.0, connects_per_second_ / 10);
  connects_allowed_ = std::min(connects_allowed_ + connects_per_second_ * passed, at_once);
  for (auto& member : gateways_) {
    if (connects_allowed_ < 1) return;
    if (!member.client->wants_to_connect()) continue;
    connects_allowed_ -= 1;
    if (!member.lost) member.lost = now;
    member.client->connect();
  }
}

void Crowd::look_after(Member& member, base::MonotonicTime now) {
  auto& client = *member.client;
  if (client.is_ready() && member.lost) {
    return_times_.add(std::chrono::duration_cast<Latencies::Time>(now - *member.lost));
    member.lost.reset();
  }
  if (!client.is_ready() || client.waiting() >= options_.under_way) return;
  while (client.waiting() < options_.under_way) client.store({0, deliveries_++, kBody});
  client.tick();
}

void Crowd::drop(Member& member) {
  if (!member.lost) member.lost = loop_.clock().monotonic();
  member.client->come_again();
}

void Crowd::drop_all() {
  for (auto& member : gateways_) drop(member);
}

void Crowd::renew_one() {
  auto& member = gateways_[next_++ % gateways_.size()];
  if (!member.client->is_ready()) return;  // still on its way
  drop(member);
}

}  // namespace meterhub::sim
