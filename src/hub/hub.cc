#include <meterhub/hub/hub.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include <meterhub/base/logging.h>

#include "devicebound.h"
#include "event_receiver.h"
#include "gwmp_port.h"
#include "session.h"

namespace meterhub::hub {
namespace {

constexpr std::chrono::seconds kSweep{1};
constexpr std::size_t kReadAtOnce = 16 * 1024;
constexpr std::chrono::milliseconds kCreditCheck{100};
constexpr std::chrono::seconds kDrainMax{10};
// Credit comes back this far below the mark, so that it does not flutter.
constexpr double kFillBack = 0.01;

std::vector<std::string> names_of(const EventHubs& event_hubs) {
  std::vector<std::string> out;
  for (const auto& one : event_hubs.all()) out.push_back(one.name);
  return out;
}

class LoopHub final : public Hub, public SessionHost {
 public:
  LoopHub(const HubWorld& world, HubOptions options, base::TopicId telemetry, EventHubs event_hubs,
          std::function<void(base::Error)> fatal)
      : loop_(world.loop),
        log_(world.log),
        gateways_(world.gateways),
        policies_(world.policies),
        registry_(world.metrics),
        metrics_(world.metrics),
        options_(std::move(options)),
        event_hubs_(std::move(event_hubs)),
        reads_(world.reads),
        receivers_(options_.reader_memory / EventReceiver::kShare),
        access_(gateways_, policies_, options_.host_names, names_of(event_hubs_)),
        fatal_(std::move(fatal)),
        intake_(std::make_shared<Intake>(loop_, log_, metrics_, telemetry, options_.in_flight_max, fatal_)),
        documents_(world.documents) {
    for (const auto& one : event_hubs_.all())
      paces_.emplace(one.name, TokenBucket(one.rate, 2 * one.rate, loop_.clock().monotonic()));
  }
  ~LoopHub() override {
    loop_.cancel(sweep_timer_);
    loop_.cancel(credit_timer_);
    loop_.cancel(drain_timer_);
    dirty_.clear();
    sessions_.clear();
  }
  base::Result<void> start(const HubWorld& world);
  base::Result<std::size_t> purge_devicebound(const std::string& gateway) override;
  std::size_t devicebound_waiting(const std::string& gateway) const override {
    return devicebound_ ? devicebound_->waiting(gateway) : 0;
  }

  std::vector<net::Address> amqp_addresses() const override;
  std::optional<net::Address> gwmp_address() const override;
  Door door() override {
    return [weak = std::weak_ptr(alive_)](net::ConnectionPtr connection) {
      if (const auto hub = weak.lock()) return (*hub)->take(std::move(connection));
      connection->abort();
    };
  }
  std::size_t connections() const override { return sessions_.size(); }
  bool is_connected(std::string_view gateway) const override;
  void drain(base::Task done) override;

  const HubOptions& options() const override { return options_; }
  log::Log& log() override { return log_; }
  base::Executor& loop() override { return loop_; }
  base::Executor& reads() override { return reads_; }
  GatewayDirectory& gateways() override { return gateways_; }
  const Access& access() const override { return access_; }
  const EventHubs& event_hubs() const override { return event_hubs_; }
  Receivers& receivers() override { return receivers_; }
  HubMetrics& metrics() override { return metrics_; }
  Intake& intake() override { return *intake_; }
  MessageRecords& records() override { return records_; }
  Devicebound* devicebound() override { return devicebound_.get(); }
  EventRecords& event_records() override { return event_records_; }
  DocumentIntake& documents() override { return *documents_; }
  TokenBucket& pace(const EventHub& hub) override { return paces_.at(hub.name); }
  std::uint32_t next_turn() override { return turn_++; }
  const base::Clock& clock() const override { return loop_.clock(); }
  bool granting() const override { return granting_; }
  void dirty(Session& session) override { dirty_.push_back(session.weak_from_this()); }
  void call_again(Session& session) override {
    loop_.post([weak = session.weak_from_this()] {
      if (const auto again = weak.lock()) again->go_on();
    });
  }
  void answer_later(Session& session, std::chrono::milliseconds delay) override {
    loop_.after(delay, [weak = session.weak_from_this()] {
      if (const auto refused = weak.lock()) refused->answer_refusals();
    });
  }
  void close_later(Session& session, std::chrono::milliseconds delay) override {
    loop_.after(delay, [weak = session.weak_from_this()] {
      if (const auto ending = weak.lock()) ending->goodbye_over();
    });
  }
  void ended(Session& session) override;
  std::shared_ptr<Device> join(const std::string& gateway, Session& session) override;
  void leave(Device& device, Session& session) override;

 private:
  base::Result<void> listen(const AmqpListen& where);
  void accept(net::ConnectionPtr connection);
  void take(net::ConnectionPtr connection);
  void iteration_end();
  void sweep();
  void check_credit();
  bool may_grant() const;
  void gateway_changed(const std::string& id);
  void policies_changed();
  void note_activity(Device& device);
  void drain_step();

  net::EventLoop& loop_;
  log::Log& log_;
  GatewayDirectory& gateways_;
  PolicyDirectory& policies_;
  base::Metrics& registry_;
  HubMetrics metrics_;
  const HubOptions options_;
  const EventHubs event_hubs_;
  base::Executor& reads_;
  Receivers receivers_;
  const Access access_;
  const std::function<void(base::Error)> fatal_;
  std::shared_ptr<Intake> intake_;
  std::shared_ptr<Devicebound> devicebound_;  // null: off
  MessageRecords records_;
  EventRecords event_records_;
  DocumentIntake* const documents_;
  std::unordered_map<std::string, TokenBucket> paces_;  // by event hub
  std::uint32_t turn_ = 0;
  std::unordered_map<std::string, std::shared_ptr<Device>> devices_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::vector<std::weak_ptr<Session>> dirty_;
  std::shared_ptr<GwmpPort> gwmp_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  std::unique_ptr<net::Hook> hook_;
  std::unique_ptr<GatewayWatch> watch_;
  std::unique_ptr<PolicyWatch> policy_watch_;
  base::Executor::TimerId sweep_timer_ = base::Executor::TimerId::kNone;
  base::Executor::TimerId credit_timer_ = base::Executor::TimerId::kNone;
  base::Executor::TimerId drain_timer_ = base::Executor::TimerId::kNone;
  base::MonotonicTime drain_until_{};
  base::Task drained_;
  bool granting_ = true;
  // Ends with the hub: doors see that it is gone.
  std::shared_ptr<LoopHub*> alive_ = std::make_shared<LoopHub*>(this);
};

base::Result<void> LoopHub::start(const HubWorld& world) {
  if (options_.devicebound) devicebound_ = MH_TRY(Devicebound::create(world, metrics_, *options_.devicebound, fatal_));
  for (const auto& where : options_.amqp) MH_TRY_VOID(listen(where));
  if (options_.gwmp) {
    gwmp_ = std::make_shared<GwmpPort>(*this);
    MH_TRY_VOID(gwmp_->bind(loop_, *options_.gwmp));
  }
  hook_ = loop_.at_iteration_end([this] { iteration_end(); });
  watch_ = gateways_.watch(loop_, [this](const std::string& id) { gateway_changed(id); });
  policy_watch_ = policies_.watch(loop_, [this] { policies_changed(); });
  sweep_timer_ = loop_.after(kSweep, [this] { sweep(); });
  credit_timer_ = loop_.after(kCreditCheck, [this] { check_credit(); });
  granting_ = may_grant();
  return {};
}

base::Result<void> LoopHub::listen(const AmqpListen& where) {
  if (!where.tls && !where.at.is_loopback())
    return base::fail(base::Errc::kInvalidArgument, "AMQP without TLS is for loopback only, not " + where.at.text());
  net::ListenOptions listen_options;
  listen_options.tls = where.tls;
  listen_options.name = where.tls ? "amqps" : "amqp";
  listen_options.max_connections = options_.connections_max;
  listen_options.accepts_per_second = options_.accept_rate;
  listen_options.accept_burst = options_.accept_burst;
  listen_options.spares_this_host = true;
  // About one TLS record: those who send much take turns with those who send little.
  listen_options.limits.read_per_iteration = kReadAtOnce;
  auto listener = MH_TRY(net::Listener::tcp(loop_, where.at, std::move(listen_options), registry_,
                                            [this](net::ConnectionPtr c) { accept(std::move(c)); }));
  listeners_.push_back(std::move(listener));
  return {};
}

void LoopHub::take(net::ConnectionPtr connection) {
  if (drained_ || sessions_.size() >= options_.connections_max) return connection->abort();
  accept(std::move(connection));
}

void LoopHub::accept(net::ConnectionPtr connection) {
  const auto session = std::make_shared<Session>(*this, std::move(connection));
  sessions_.emplace(session.get(), session);
  session->start();
  metrics_.connections.set(static_cast<double>(sessions_.size()));
}

void LoopHub::ended(Session& session) {
  sessions_.erase(&session);
  metrics_.connections.set(static_cast<double>(sessions_.size()));
}

std::shared_ptr<Device> LoopHub::join(const std::string& gateway, Session& session) {
  auto& device = devices_[gateway];
  if (!device)
    device =
        std::make_shared<Device>(gateway, TokenBucket(options_.device_rate, options_.device_burst, clock().monotonic()),
                                 std::vector<Session*>{});
  if (device->sessions.empty() && options_.presence != nullptr) options_.presence->connected(gateway, clock().now());
  device->sessions.push_back(&session);
  return device;
}

void LoopHub::leave(Device& device, Session& session) {
  const auto seat = std::ranges::find(device.sessions, &session);
  if (seat == device.sessions.end()) return;
  device.sessions.erase(seat);
  if (!device.sessions.empty() || options_.presence == nullptr) return;
  note_activity(device);
  options_.presence->disconnected(device.id, clock().now());
}

void LoopHub::note_activity(Device& device) {
  if (std::exchange(device.heard, false) && options_.presence != nullptr)
    options_.presence->active(device.id, clock().now());
}

// What this iteration has read goes to the log as one block; what became durable leaves.
void LoopHub::iteration_end() {
  intake_->submit();
  if (granting_ && intake_->full()) check_credit();
  for (const auto& weak : std::exchange(dirty_, {}))
    if (const auto session = weak.lock()) session->pump();
}

void LoopHub::sweep() {
  sweep_timer_ = loop_.after(kSweep, [this] { sweep(); });
  if (devicebound_) devicebound_->sweep();  // before the links look for what it gives free
  for (const auto& [pointer, session] : sessions_) session->sweep();
  metrics_.receivers.set(static_cast<double>(receivers_.count()));
  if (gwmp_) gwmp_->sweep();
  for (const auto& [id, device] : devices_) note_activity(*device);
  const auto now = clock().monotonic();
  std::erase_if(devices_,
                [&](const auto& entry) { return entry.second->sessions.empty() && entry.second->bucket.is_full(now); });
}

bool LoopHub::may_grant() const {
  if (intake_->failed() || drained_) return false;
  if (granting_) return log_.fill() < options_.fill_stop && !intake_->full();
  return log_.fill() < options_.fill_stop - kFillBack && intake_->half_empty();
}

void LoopHub::check_credit() {
  loop_.cancel(credit_timer_);
  credit_timer_ = loop_.after(kCreditCheck, [this] { check_credit(); });
  const bool grant = may_grant();
  const bool changed = std::exchange(granting_, grant) != grant;
  metrics_.credit_stopped.set(grant ? 0 : 1);
  if (changed) base::logging::info(grant ? "hub_credit_resumed" : "hub_credit_stopped", {{"fill", log_.fill()}});
  for (const auto& [pointer, session] : sessions_)
    if (changed || session->throttled()) session->update_windows();
}

void LoopHub::gateway_changed(const std::string& id) {
  if (devicebound_) devicebound_->gateway_changed(id);
  if (id.empty()) {
    for (const auto& [pointer, session] : sessions_) session->gateway_changed(id);
    return;
  }
  if (const auto device = devices_.find(id); device != devices_.end()) {
    // The calls change the list, and a session may be in it several times.
    const std::set<Session*> sessions(device->second->sessions.begin(), device->second->sessions.end());
    for (auto* session : sessions) session->gateway_changed(id);
  }
  if (options_.presence != nullptr && gateways_.find(id) == nullptr) options_.presence->forget(id);
}

void LoopHub::policies_changed() {
  for (const auto& [pointer, session] : sessions_) session->policies_changed();
}

base::Result<std::size_t> LoopHub::purge_devicebound(const std::string& gateway) {
  if (!devicebound_) return base::fail(base::Errc::kNotImplemented, "cloud-to-device messages are off");
  return devicebound_->purge(gateway);
}

std::vector<net::Address> LoopHub::amqp_addresses() const {
  std::vector<net::Address> out;
  for (const auto& listener : listeners_) out.push_back(listener->address());
  return out;
}

std::optional<net::Address> LoopHub::gwmp_address() const {
  if (!gwmp_) return std::nullopt;
  return gwmp_->address();
}

bool LoopHub::is_connected(std::string_view gateway) const {
  const auto device = devices_.find(std::string(gateway));
  return device != devices_.end() && !device->second->sessions.empty();
}

void LoopHub::drain(base::Task done) {
  listeners_.clear();
  drained_ = std::move(done);
  drain_until_ = clock().monotonic() + kDrainMax;
  check_credit();
  drain_step();
}

// First what is in flight, then the links, then the connections.
void LoopHub::drain_step() {
  const bool late = clock().monotonic() >= drain_until_;
  const bool settled = intake_->failed() || (intake_->in_flight() == 0 && (!devicebound_ || devicebound_->is_idle()));
  if (settled || late)
    for (const auto& [pointer, session] : sessions_)
      session->end({"amqp:link:detach-forced", "the hub is shutting down"}, "shutdown");
  if (sessions_.empty() || late) return loop_.post(std::exchange(drained_, [] {}));
  drain_timer_ = loop_.after(std::chrono::milliseconds(20), [this] { drain_step(); });
}

}  // namespace

// 64-bit FNV-1a, then the multiplication that meters use, then the shard's partition.
base::PartitionId key_partition(std::string_view key, std::uint32_t partitions) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : key) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  return base::partition_of(base::Shard(static_cast<std::uint8_t>((hash * 0x9E3779B97F4A7C15ULL) >> 58)), partitions);
}

base::PartitionId telemetry_partition(std::string_view gateway, std::uint32_t partitions) {
  return key_partition(gateway, partitions);
}

base::Result<std::unique_ptr<Hub>> Hub::create(const HubWorld& world, HubOptions options,
                                               std::function<void(base::Error)> fatal) {
  const auto telemetry = MH_TRY(world.log.topic(log::topics::kTelemetry));
  auto event_hubs = MH_TRY(EventHubs::create(world.log, options.event_hubs));
  const bool documents =
      std::ranges::any_of(event_hubs.all(), [](const EventHub& one) { return one.takes == Takes::kDocuments; });
  if (documents && world.documents == nullptr)
    return base::fail(base::Errc::kInvalidArgument, "an event hub takes documents, and nobody places them");
  auto hub = std::make_unique<LoopHub>(world, std::move(options), telemetry, std::move(event_hubs), std::move(fatal));
  MH_TRY_VOID(hub->start(world));
  return hub;
}

}  // namespace meterhub::hub
