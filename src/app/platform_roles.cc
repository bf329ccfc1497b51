// One function a role: what it is made of, from which settings, on which thread.
#include <meterhub/connector/connector.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/history/rollup.h>
#include <meterhub/stream/deduplication.h>

#include <meterhub/base/ascii.h>
#include <meterhub/base/logging.h>
#include <meterhub/base/time_text.h>

#include "event_hubs.h"
#include "external_readings.h"
#include "housekeeping.h"
#include "ns_options.h"
#include "platform.h"
#include "websocket_door.h"

namespace meterhub::app {
namespace {

// Of a second in which a row may come late; readers of `readings` wake up as often.
constexpr std::chrono::milliseconds kDeduplicationLinger{20};

base::Result<connector::Start> start_of(const std::string& text) {
  if (text == "committed") return connector::FromCommitted{};
  if (text == "earliest") return log::Earliest{};
  const auto time = base::parse_rfc3339(text);
  if (!time)
    return base::fail(base::Errc::kInvalidArgument,
                      "connector.start: " + text + " is neither committed, earliest nor a time");
  return time->at;
}

base::Result<std::vector<base::PartitionId>> partitions_of(const std::vector<std::string>& texts) {
  std::vector<base::PartitionId> out;
  for (const auto& text : texts) {
    const auto number = base::parse_setting(base::SettingKind::kInt, text);
    if (!number || std::get<std::int64_t>(*number) < 0) {
      return base::fail(base::Errc::kInvalidArgument, "connector.partitions: \"" + text + "\" is no partition");
    }
    out.push_back(base::PartitionId(static_cast<std::uint32_t>(std::get<std::int64_t>(*number))));
  }
  return out;
}

std::chrono::seconds seconds(std::chrono::milliseconds duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration);
}

// Those of this event hub, and of all.
std::vector<std::string> groups_of(const base::Settings& settings, std::string_view event_hub) {
  std::vector<std::string> out;
  for (const auto& text : settings.list("hub.consumer_groups")) {
    const auto slash = text.find('/');
    if (slash == text.npos) out.push_back(text);
    else if (base::same_ignoring_case(std::string_view(text).substr(0, slash), event_hub)) out.push_back(text.substr(slash + 1));
  }
  return out;
}

// Where clients' reads of the log run: the last ones have ended when this is gone.
class Reads {
 public:
  explicit Reads(base::Executor& thread) : thread_(thread) {}
  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;
  ~Reads() { run_on(thread_, [] {}); }
  base::Executor& thread() const { return thread_; }

 private:
  base::Executor& thread_;
};

// What a hub stands on and only it uses.
struct HubGround {
  explicit HubGround(base::Executor& reading) : reads(reading) {}
  Reads reads;
  std::unique_ptr<ExternalReadings> documents;
};

// A device may show a certificate of its own, which most do not.
base::Result<std::shared_ptr<net::TlsContext>> hub_tls(const base::Settings& settings, const TlsFiles& tls, base::Disk& disk) {
  net::TlsServerOptions out{.identity = tls.server, .client_ca_pem = {}, .client_certificate = net::ClientCertificate::kAny};
  const auto& file = settings.text("hub.device_ca_file");
  if (!file.empty()) out.client_ca_pem = MH_TRY(disk.read(file));
  auto context = net::TlsContext::server(out);
  if (!context && !file.empty()) return std::unexpected(std::move(context).error().in("hub.device_ca_file"));
  return context;
}

base::Result<hub::HubOptions> hub_options(const base::Settings& settings, const TlsFiles& tls, base::Disk& disk) {
  hub::HubOptions out;
  out.amqp.push_back({MH_TRY(net::Address::parse(settings.text("hub.amqps_listen"))), MH_TRY(hub_tls(settings, tls, disk))});
  if (const auto& plain = settings.text("hub.amqp_listen"); !plain.empty()) {
    const auto at = MH_TRY(net::Address::parse(plain));
    if (!at.is_loopback())
      return base::fail(base::Errc::kInvalidArgument, "hub.amqp_listen: without TLS only on loopback");
    out.amqp.push_back({at, nullptr});
  }
  out.host_names = settings.list("hub.host_names");
  out.message_max = static_cast<std::uint32_t>(settings.bytes("hub.message_max"));
  out.batch_max = static_cast<std::uint32_t>(settings.bytes("hub.batch_max"));
  out.frame_max = static_cast<std::uint32_t>(settings.bytes("hub.frame_max"));
  out.link_credit = static_cast<std::uint32_t>(settings.integer("hub.link_credit"));
  out.claim_timeout = seconds(settings.duration("hub.claim_timeout"));
  out.idle_timeout = settings.duration("hub.idle_timeout");
  out.connections_max = static_cast<std::size_t>(settings.integer("hub.connections_max"));
  out.accept_rate = static_cast<double>(settings.integer("hub.accept_rate"));
  out.accept_burst = static_cast<double>(settings.integer("hub.accept_burst"));
  out.devicebound = hub::DeviceboundOptions{seconds(settings.duration("hub.devicebound_expiry")),
                                            static_cast<std::size_t>(settings.bytes("hub.devicebound_memory"))};
  out.device_rate = static_cast<double>(settings.integer("hub.device_rate"));
  out.device_burst = static_cast<double>(settings.integer("hub.device_burst"));
  if (const auto& gwmp = settings.text("hub.gwmp_listen"); !gwmp.empty()) out.gwmp = MH_TRY(net::Address::parse(gwmp));
  out.gwmp_networks = MH_TRY(networks_of(settings, "hub.gwmp_networks"));
  for (const auto log : {log::topics::kTelemetry, log::topics::kReadings})
    out.event_hubs.push_back({.name = std::string(log), .log = std::string(log), .consumer_groups = groups_of(settings, log)});
  if (settings.flag("hub.external_readings")) out.event_hubs.back().takes = hub::Takes::kDocuments;
  for (const auto& name : settings.names_in("event_hubs")) {
    out.event_hubs.push_back({.name = name, .log = name, .consumer_groups = groups_of(settings, name), .takes = hub::Takes::kEvents,
                              .rate = event_hub_rate(settings, name)});
  }
  out.reader_memory = settings.bytes("hub.reader_memory");
  return out;
}

// As long as a dead letter of a session may be driven again, and some more.
HousekeepingOptions housekeeping_options(const base::Settings& settings) {
  HousekeepingOptions out;
  out.sessions_kept = std::max(out.sessions_kept, 2 * seconds(settings.duration("log.deadletter_retention")));
  return out;
}

std::unique_ptr<Part> start_housekeeping(registry::Store& store, tables::Database& database, base::Executor& thread,
                                         base::Metrics& metrics, const HousekeepingOptions& options) {
  auto role = ask<std::unique_ptr<Housekeeping>>(
      thread, [&] { return std::make_unique<Housekeeping>(store, database, thread, metrics, options); });
  return std::make_unique<RolePart<Housekeeping, &Housekeeping::stop>>("housekeeping", thread, std::move(role));
}

}  // namespace

base::Result<void> Platform::start_roles() {
  parts_.push_back(
      start_housekeeping(*store_, *database_, *registry_thread_, metrics_, housekeeping_options(settings_)));
  MH_TRY_VOID(start_console());  // first, so that it is there until the end of a drain
  if (runs("history")) MH_TRY_VOID(start_history());
  if (runs("history") && settings_.flag("history.rollup")) MH_TRY_VOID(start_rollup());
  MH_TRY_VOID(start_operator());
  MH_TRY_VOID(start_usage());
  MH_TRY_VOID(start_devices());
  if (hub_loop_ != nullptr)
    run_on(*console_loop_, [this] { add_websocket_routes(console_->server(), *hub_loop_, hub_door_); });
  MH_TRY_VOID(start_notify_commands());
  MH_TRY_VOID(start_jobs());
  if (runs("stream")) {
    for (unsigned i = 0; i < settings_.integer("stream.deduplication_instances"); ++i)
      MH_TRY_VOID(start_deduplication(i));
  }
  if (runs("hub")) {
    MH_TRY_VOID(start_joins());
    MH_TRY_VOID(start_feed());
  }
  if (runs("connector")) {
    for (unsigned i = 0; i < settings_.integer("connector.instances"); ++i) MH_TRY_VOID(start_connector(i));
  }
  if (hub_part_) parts_.push_back(std::move(hub_part_));  // it runs already, and is drained first
  return {};
}

base::Result<void> Platform::start_history() {
  history::Options options;
  options.directory = paths_.lake();
  options.flush_after = settings_.duration("history.flush_after");
  options.memory_limit = settings_.bytes("history.memory");
  auto& thread = new_thread("history");
  auto role = MH_TRY((ask<base::Result<std::unique_ptr<history::History>>>(
      thread, [&] { return history::History::start(*log_, thread, disk_, metrics_, options); })));
  history_ = role.get();
  history_thread_ = &thread;
  writers_beside_log_.push_back(&thread);
  parts_.push_back(
      std::make_unique<RolePart<history::History, &history::History::stop>>("history", thread, std::move(role)));
  return {};
}

// Beside the archive, on a thread that waits for it: it reads what others have closed.
base::Result<void> Platform::start_rollup() {
  history::RollupOptions options;
  options.lake = paths_.lake();
  options.keep = std::chrono::floor<std::chrono::days>(settings_.duration("history.rollup_keep"));
  options.late_pause = seconds(settings_.duration("history.rollup_late_pause"));
  auto& thread = new_thread("rollup");
  auto role = MH_TRY((ask<base::Result<std::unique_ptr<history::Rollup>>>(
      thread, [&] { return history::Rollup::start(disk_, directory_, *database_, thread, metrics_, options); })));
  writers_beside_log_.push_back(&thread);
  parts_.push_back(
      std::make_unique<RolePart<history::Rollup, &history::Rollup::stop>>("rollup", thread, std::move(role)));
  return {};
}

base::Result<void> Platform::start_deduplication(unsigned instance) {
  const auto name = "dedup-" + std::to_string(instance);
  stream::DeduplicationOptions options;
  options.snapshot_pause = settings_.duration("stream.snapshot_pause");
  options.linger = kDeduplicationLinger;
  const auto high_word = [this](base::MeterNumber meter, base::SessionNumber session, std::uint16_t word) {
    registry_thread_->post([this, meter, session, word] {
      if (const auto set = store_->set_high_word({meter, session}, word); !set) {
        base::logging::warn("high_word_not_kept", {{"meter", meter.value}, {"error", set.error().text}});
      }
    });
  };
  auto& thread = new_thread(name);
  auto role = MH_TRY(stream::Deduplication::create(*log_, directory_, thread, metrics_, options, high_word,
                                                   [this](base::Error error) { fail(std::move(error)); }));
  using DeduplicationPart = RolePart<stream::Deduplication, &stream::Deduplication::drain>;
  parts_.push_back(std::make_unique<DeduplicationPart>(name, thread, std::move(role)));
  return {};
}

base::Result<void> Platform::start_joins() {
  registry::JoinOptions options;
  options.net_id = static_cast<std::uint32_t>(settings_.integer("registry.net_id"));
  const auto random = [](std::span<std::uint8_t> out) { crypto::random_bytes(out); };
  auto started = ask<base::Result<std::unique_ptr<registry::JoinRunner>>>(
      *registry_thread_, [&]() -> base::Result<std::unique_ptr<registry::JoinRunner>> {
        auto runner =
            std::make_unique<registry::JoinRunner>(*log_, *store_, *registry_thread_, metrics_, options, random);
        MH_TRY_VOID(runner->start(hooks_.join_answered));
        return runner;
      });
  using JoinPart = RolePart<registry::JoinRunner, &registry::JoinRunner::stop>;
  parts_.push_back(std::make_unique<JoinPart>("joins", *registry_thread_, MH_TRY(std::move(started))));
  return {};
}

base::Result<void> Platform::start_connector(unsigned instance) {
  const auto name = "connector-" + std::to_string(instance);
  connector::ConnectorOptions options;
  options.start = MH_TRY(start_of(settings_.text("connector.start")));
  options.reads = settings_.flag("connector.enabled") ? connector::Reads::kAll : connector::Reads::kRetry;
  if (options.reads == connector::Reads::kAll) options.partitions = MH_TRY(partitions_of(settings_.list("connector.partitions")));
  auto& thread = new_thread(name);
  auto transport = MH_TRY(new_transport(thread));
  auto role = MH_TRY(connector::Connector::create(*log_, directory_, *transport, thread, metrics_, std::move(options),
                                                  [this](base::Error error) { fail(std::move(error)); }));
  using ConnectorPart = RolePart<connector::Connector, &connector::Connector::drain>;
  parts_.push_back(std::make_unique<ConnectorPart>(name, thread, std::move(role), std::move(transport)));
  return {};
}

base::Result<void> Platform::start_hub() {
  auto options = MH_TRY(hub_options(settings_, tls_, disk_));
  options.presence = &presence_;
  loops_.push_back(MH_TRY(LoopThread::create("hub")));
  auto& loop = loops_.back()->loop();
  options.created = MH_TRY(store_->created());
  auto ground = std::make_shared<HubGround>(new_thread("hub-reads"));
  ground->documents = MH_TRY((ask<base::Result<std::unique_ptr<ExternalReadings>>>(
      loop, [&] { return ExternalReadings::create(*log_, directory_, loop, metrics_); })));
  const hub::HubWorld world{loop, *log_, gateways_, policies_, ground->reads.thread(), metrics_, ground->documents.get()};
  auto role = MH_TRY((ask<base::Result<std::unique_ptr<hub::Hub>>>(loop, [&] {
    return hub::Hub::create(world, std::move(options),
                            [this](base::Error error) { fail(std::move(error)); });
  })));
  amqps_address_ = ask<net::Address>(loop, [&] { return role->amqp_addresses().front(); });
  hub_door_ = ask<hub::Hub::Door>(loop, [&] { return role->door(); });
  hub_loop_ = &loop;
  base::logging::info("hub_listens", {{"amqps", amqps_address_->text()}, {"ca", tls_.authority_file}});
  hub_part_ = std::make_unique<RolePart<hub::Hub, &hub::Hub::drain>>("hub", loop, std::move(role), std::move(ground));
  return {};
}

}  // namespace meterhub::app
