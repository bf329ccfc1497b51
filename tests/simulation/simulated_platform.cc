#include "simulated_platform.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>
#include <meterhub/connector/embedded_transport.h>
#include <meterhub/connector/udp_transport.h>
#include <meterhub/lake/manifest.h>
#include <meterhub/lake/query.h>
#include <meterhub/ns/server.h>
#include <meterhub/registry/follower.h>
#include <meterhub/registry/transfer.h>
#include <meterhub/sim/registry_files.h>

namespace meterhub::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kHubPort = 5671;
constexpr std::uint16_t kServerPort = 1700;
constexpr auto kAll = {log::topics::kTelemetry, log::topics::kDecoded,    log::topics::kReadings, log::topics::kStatus,
                       log::topics::kJoins,     log::topics::kRetry,      log::topics::kDeadletter, log::topics::kNoise};

// In memory where the system has such a place: real disks take their time to sync.
std::filesystem::path fresh_folder() {
  const std::filesystem::path memory("/dev/shm");
  const auto parent = std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
  auto pattern = (parent / "meterhub-simulation-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder can be made at " + pattern);
  return pattern;
}

std::string query(const char* name) {
  std::ifstream file(std::string(METERHUB_SOURCE_DIR) + "/queries/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class T>
T must(base::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void fatal(const base::Error& error) { throw std::runtime_error(error.text); }

sim::Town town_of(const Options& options) {
  sim::TownOptions town;
  town.seed = options.seed;
  town.meters = options.meters;
  town.meters_per_gateway = options.meters_per_gateway;
  town.otaa_meters = options.otaa_meters;
  return must(sim::make_town(town));
}

std::string numbered(std::string_view name, std::uint32_t number) { return fmt::format("{}-{}", name, number); }

// Drops it on whose loop it lives; `raw` sees it while it does.
template <class T>
std::shared_ptr<void> part(std::unique_ptr<T> made) { return std::shared_ptr<T>(std::move(made)); }

}  // namespace

// The registry's gateways, of whom some are held back.
class SimulatedPlatform::Gateways final : public hub::GatewayDirectory {
 public:
  explicit Gateways(registry::Directory& directory) : directory_(directory) {}

  hub::GatewayPtr find(std::string_view id) const override { return view_of(directory_.gateway(id)); }
  hub::GatewayPtr find(base::Eui64 eui) const override { return view_of(directory_.gateway(eui)); }
  std::unique_ptr<hub::GatewayWatch> watch(base::Executor& call_on, std::function<void(std::string id)> changed) override {
    struct Handle final : hub::GatewayWatch {
      std::shared_ptr<bool> alive = std::make_shared<bool>(true);
    };
    auto handle = std::make_unique<Handle>();
    watchers_.push_back({&call_on, std::move(changed), handle->alive});
    return handle;
  }
  void hold(std::function<bool(std::string_view)> held) {
    held_ = std::move(held);
    std::erase_if(watchers_, [](const auto& watcher) { return watcher.alive.expired(); });
    for (const auto& watcher : watchers_) {
      watcher.executor->post([changed = watcher.changed, alive = watcher.alive] {
        if (!alive.expired()) changed("");
      });
    }
  }

 private:
  struct Watcher {
    base::Executor* executor;
    std::function<void(std::string id)> changed;
    std::weak_ptr<bool> alive;
  };
  hub::GatewayPtr view_of(const std::shared_ptr<const registry::GatewayEntry>& entry) const {
    if (!entry) return nullptr;
    hub::Gateway out;
    out.id = entry->id;
    out.enabled = entry->enabled && !(held_ && held_(entry->id));
    out.primary_key = base::base64_encode(entry->keys.primary);
    out.secondary_key = base::base64_encode(entry->keys.secondary);
    out.eui = entry->eui;
    out.tenant = entry->tenant;
    return std::make_shared<const hub::Gateway>(std::move(out));
  }

  registry::Directory& directory_;
  std::function<bool(std::string_view)> held_;
  std::vector<Watcher> watchers_;
};

// A process's own table of sessions, filled by the feed.
struct SimulatedPlatform::Sessions final : registry::SessionListener {
  void on_feed(const registry::FeedMessage& message) override {
    struct Visitor {
      decrypt::SessionTable& table;
      void operator()(const registry::SnapshotBegin&) const { table.begin_snapshot(); }
      void operator()(const registry::SnapshotEnd&) const { table.end_snapshot(); }
      void operator()(const registry::SessionsPut& put) const {
        for (const auto& session : put.sessions) must(table.upsert(session));
      }
      void operator()(const registry::SessionsDropped& dropped) const {
        for (const auto& key : dropped.sessions) table.drop(key.meter, key.session);
      }
      void operator()(const registry::Heartbeat& beat) const { table.set_fresh_as_of(beat.current_to); }
    };
    std::visit(Visitor{table}, message);
  }
  decrypt::SessionTable table;
  std::unique_ptr<registry::Subscription> subscription;  // first to go
};

const std::vector<std::string>& SimulatedPlatform::commit_points() {
  static const std::vector<std::string> kPoints{
      "connector.before_commit",        "lake.fresh_file_before_manifest", "lake.manifest_before_delete",
      "tables.rows_before_offset",      "hub.stored_before_settled",       "consumer.before_commit",
      "lake.manifest_before_rename",    "history.lake_before_offset",      "tables.rows_before_commit",
      "blob.file_before_offset",        "blob.offset_before_rename",      "connector.after_commit",          "lake.staged_files_before_manifest",
      "manifest.checkpoint_before_delete", "consumer.after_commit",        "registry.join_before_answer",
      "hub.taken_before_stored",        "lake.file_before_sync",           "manifest.record_before_memory",
      "job.outputs_before_offset",      "history.after_offset"};
  return kPoints;
}

Options drawn_options(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  Options out;
  out.seed = seed;
  out.meters = static_cast<std::uint32_t>(10 + below(12));
  out.otaa_meters = static_cast<std::uint32_t>(1 + below(4));
  out.meters_per_gateway = static_cast<std::uint32_t>(3 + below(5));
  out.partitions = below(3) == 0 ? 2 : 4;
  out.faults = sim::demo_faults();
  for (auto& fault : out.faults) fault.at = std::chrono::seconds(20 + below(600));
  out.lost_on_air = below(4) == 0 ? 0.3 : 0.02;
  out.interval = std::chrono::milliseconds(10'000 + below(30'000));
  out.flush_after = std::chrono::milliseconds(10'000 + below(50'000));
  out.retention = below(2) == 0 ? std::chrono::seconds(30 + below(200)) : std::chrono::seconds(86'400);
  out.commits_before = static_cast<std::uint32_t>(200 + below(56));
  out.alert_below_m3 = 60;
  out.connectors = static_cast<std::uint32_t>(1 + below(2));
  out.streams = static_cast<std::uint32_t>(1 + below(2));
  out.archives = below(3) == 0 ? 2 : 1;
  out.network_servers = static_cast<std::uint32_t>(below(2) == 0 ? 0 : 1 + below(3));
  out.blobs = true;
  out.start = fmt::format("2026-03-01T10:{:02}:00Z", 56 + below(4));
  return out;
}

SimulatedPlatform::SimulatedPlatform(Options options)
    : options_(std::move(options)), folder_(fresh_folder()), world_(options_.seed, base::parse_rfc3339(options_.start)->at),
      lake_disk_(lake(), (folder_ / "shadows").string()), log_(world_.clock()) {
  declare_logs();
  const auto town = town_of(options_);
  store_ = must(registry::Store::open({folder_ / "registry.sqlite", {}}, world_.clock()));
  fill_registry(town);
  gateways_ = std::make_unique<Gateways>(directory_);
  database_ = must(tables::Database::open(folder_ / "database.sqlite", world_.clock()));
  sim::FleetOptions fleet;
  fleet.interval = options_.interval;
  fleet.faults = options_.faults;
  fleet.lost_on_air = options_.lost_on_air;
  fleet_ = must(sim::Fleet::open(town, fleet, disk_, (folder_ / "sent.mhs").string(), world_.clock().now()));
  age_lake();
  add_processes();
  run(1s);
}

SimulatedPlatform::~SimulatedPlatform() {
  world_.end();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void SimulatedPlatform::declare_logs() {
  const std::map<std::string_view, std::vector<std::string>> protecting{
      {log::topics::kTelemetry, {std::string(log::groups::kConnector)}},
      {log::topics::kRetry, {std::string(log::groups::kConnector)}},
      {log::topics::kDecoded, {std::string(log::groups::kDeduplication)}},
      {log::topics::kReadings, {std::string(log::groups::kArchive), std::string(log::groups::kDeduplication), "job.alerts", "job.blobs"}},
      {log::topics::kJoins, {std::string(log::groups::kJoins)}}};
  for (const auto name : kAll) {
    log::TopicSpec spec;
    spec.name = name;
    spec.partitions = options_.partitions;
    spec.retention_age = options_.retention;
    if (const auto groups = protecting.find(name); groups != protecting.end()) spec.protected_groups = groups->second;
    if (!options_.blobs) std::erase(spec.protected_groups, "job.blobs");
    const auto topic = must(log_.declare(spec));
    for (std::uint32_t i = 0; i < options_.partitions; ++i) {
      const log::TopicPartition partition{topic, base::PartitionId(i)};
      cursors_[partition] = must(log_.open(partition, log::Earliest{}));
    }
  }
}

void SimulatedPlatform::fill_registry(const sim::Town& town) {
  const auto files = folder_ / "fleet";
  must(sim::write_registry_files(town, "localhost", disk_, files.string()));
  must(registry::import_tenants(*store_, "test", files / "tenants.csv", {}));
  must(registry::import_gateways(*store_, "test", files / "gateways.csv", {}));
  must(registry::import_meters(*store_, "test", files / "meters.csv", {}));
}

// A manifest that is about to write its next checkpoint.
void SimulatedPlatform::age_lake() {
  if (options_.commits_before == 0) return;
  auto manifest = must(lake::Manifest::open(lake_disk_, lake()));
  const lake::Owner owner{base::PartitionId(0), options_.partitions, base::Epoch(0)};
  const lake::Record nothing{.owner = owner, .from = {}, .to = {}, .fresh = {}, .base = {}, .late = {}, .drop = {}};
  for (std::uint32_t i = 0; i < options_.commits_before; ++i) must(manifest.commit(nothing));
}

void SimulatedPlatform::add_processes() {
  archives_.resize(options_.archives);
  const auto add = [&](std::string name, Process::Start start) {
    roles_.push_back(name);
    world_.add(std::move(name), std::move(start));
  };
  world_.add("registry", [this](Process& process) { return start_registry(process); });
  add("joins", [this](Process& process) { return start_joins(process); });
  for (std::uint32_t i = 0; i < options_.network_servers; ++i) {
    add(numbered("ns", i), [this, i](Process& process) { return start_network_server(process, i); });
  }
  for (std::uint32_t i = 0; i < options_.connectors; ++i) {
    add(numbered("connector", i), [this](Process& process) { return start_connector(process); });
  }
  for (std::uint32_t i = 0; i < options_.streams; ++i) {
    add(numbered("stream", i), [this](Process& process) { return start_stream(process); });
  }
  for (std::uint32_t i = 0; i < options_.archives; ++i) {
    add(numbered("history", i), [this, i](Process& process) { return start_archive(process, i); });
  }
  add("hub", [this](Process& process) { return start_hub(process); });
  world_.add("gateways", [this](Process& process) { return start_gateways(process); });
}

Process::Parts SimulatedPlatform::start_registry(Process& process) {
  auto follower = std::make_unique<registry::Follower>(*store_, directory_, process.loop(), metrics_);
  must(follower->start());
  auto feed = std::make_shared<registry::SessionFeed>(*store_, process.loop());
  feed_ = feed.get();
  return {part(std::move(follower)), feed};
}

Process::Parts SimulatedPlatform::start_joins(Process& process) {
  auto joins = std::make_unique<registry::JoinRunner>(log_, *store_, process.loop(), metrics_, registry::JoinOptions{},
                                                      [this](std::span<std::uint8_t> out) {
                                                        for (auto& byte : out) byte = static_cast<std::uint8_t>(world_.random()());
                                                      });
  must(joins->start([this](const log::Properties&, const registry::JoinResult& result) { answer_join(result); }));
  return {part(std::move(joins))};
}

// Some accepts are not heard; the meter asks again then.
void SimulatedPlatform::answer_join(const registry::JoinResult& result) {
  if (!result.session || world_.chance(0.2)) return;
  world_.process("gateways").loop().post([this, accept = result.accept, session = *result.session] {
    const auto heard = fleet_->hear_join_accept(accept, session);
    if (!heard && heard.error().code != base::Errc::kNotFound) must(heard);
  });
}

Process::Parts SimulatedPlatform::start_hub(Process& process) {
  hub::HubOptions options;
  options.amqp.push_back({net::Address::loopback(kHubPort), nullptr});
  return {part(must(hub::Hub::create({process.loop(), log_, *gateways_, policies_, process.loop(), metrics_}, std::move(options), fatal)))};
}

std::shared_ptr<SimulatedPlatform::Sessions> SimulatedPlatform::sessions_for(Process& process) {
  auto sessions = std::make_shared<Sessions>();
  sessions->subscription = feed_->subscribe(*sessions, process.loop());
  return sessions;
}

Process::Parts SimulatedPlatform::start_network_server(Process& process, std::uint32_t number) {
  const auto sessions = sessions_for(process);
  ns::ServerOptions options;
  options.listen = net::Address::loopback(static_cast<std::uint16_t>(kServerPort + number));
  return {sessions, part(must(ns::Server::create(process.loop(), sessions->table, nullptr, metrics_, std::move(options))))};
}

Process::Parts SimulatedPlatform::start_connector(Process& process) {
  Process::Parts parts;
  connector::Transport* transport = nullptr;
  if (options_.network_servers == 0) {
    const auto sessions = sessions_for(process);
    auto embedded = std::make_unique<connector::EmbeddedTransport>(sessions->table, process.loop());
    transport = embedded.get();
    parts = {sessions, part(std::move(embedded))};
  } else {
    connector::UdpTransportOptions options;
    for (std::uint32_t i = 0; i < options_.network_servers; ++i) {
      options.servers.push_back(net::Address::loopback(static_cast<std::uint16_t>(kServerPort + i)));
    }
    auto udp = must(connector::UdpTransport::create(process.loop(), process.loop(), metrics_, std::move(options)));
    transport = udp.get();
    parts = {part(std::move(udp))};
  }
  parts.push_back(part(must(connector::Connector::create(log_, directory_, *transport, process.loop(), metrics_, {}, fatal))));
  return parts;
}

Process::Parts SimulatedPlatform::start_stream(Process& process) {
  const stream::JobWorld world{log_, *database_, blobs_, metrics_};
  const auto high_word = [this](base::MeterNumber meter, base::SessionNumber session, std::uint16_t word) {
    must(store_->set_high_word({meter, session}, word));
  };
  Process::Parts parts{part(must(stream::Deduplication::create(log_, directory_, process.loop(), metrics_, {}, high_word, fatal)))};
  stream::JobSpec alerts;
  alerts.name = "alerts";
  alerts.sql = query("02-low-balance-alert.sql");
  alerts.sql.replace(alerts.sql.rfind("5.0"), 3, std::to_string(options_.alert_below_m3) + ".0");
  alerts.inputs = {{"EventHubInput"}};
  alerts.outputs = {{"SQLOutput", stream::TableOutput{std::string(tables::kAlertsTable)}}};
  parts.push_back(part(must(stream::Job::create(world, process.loop(), alerts, fatal))));
  if (!options_.blobs) return parts;
  stream::JobSpec blobs;
  blobs.name = "blobs";
  blobs.sql = query("01-raw-archive.sql");
  blobs.inputs = {{"EventHubInput"}};
  blobs.outputs = {{"BlobOutput", stream::BlobOutput{"blobs"}}};
  blobs.linger = 10s;
  parts.push_back(part(must(stream::Job::create(world, process.loop(), blobs, fatal))));
  return parts;
}

Process::Parts SimulatedPlatform::start_archive(Process& process, std::uint32_t number) {
  history::Options options;
  options.directory = lake();
  options.flush_after = options_.flush_after;
  options.late_every = 180s;
  options.fold_at = 11h + 12min;
  std::shared_ptr<history::History> archive = must(history::History::start(log_, process.loop(), lake_disk_, metrics_, options));
  archives_[number] = archive;
  return {archive};
}

Process::Parts SimulatedPlatform::start_gateways(Process& process) {
  sim::DriverOptions options;
  options.hub = net::Address::loopback(kHubPort);
  options.host = "localhost";
  options.tick = 250ms;
  auto driver = std::make_shared<sim::Driver>(process.loop(), *fleet_, options);
  driver->start();
  driver_ = driver.get();
  return {driver};
}

void SimulatedPlatform::kill(const std::set<std::string>& roles) {
  const auto named = [&](const std::string& process) {
    const auto role = process.substr(0, process.find('-'));
    if (role == "stream") return roles.contains("deduplication") || roles.contains("job");
    return roles.contains(role);
  };
  for (const auto& name : roles_) {
    if (auto& process = world_.process(name); named(name) && process.lives()) world_.kill(process, 0s);
  }
}

void SimulatedPlatform::cut_power() {
  world_.note("power cut");
  kill({"history", "job"});
  lake_disk_.forget_unsynced();
  blobs_.forget_unsynced();
}

void SimulatedPlatform::hold_back(std::uint32_t gateway) {
  const auto held = hub::telemetry_partition(fleet_->town().gateways[gateway].id, options_.partitions);
  gateways_->hold([held, partitions = options_.partitions](std::string_view id) {
    return hub::telemetry_partition(id, partitions) == held;
  });
}

void SimulatedPlatform::release() { gateways_->hold(nullptr); }

void SimulatedPlatform::run(std::chrono::seconds span) {
  for (std::chrono::seconds done{0}; done < span; done += 1s) {
    world_.run_for(1s);
    observe();
  }
}

// One death at most points; each again some minutes later.
void SimulatedPlatform::plan_deaths() {
  for (const auto& point : commit_points()) {
    if (world_.death_planned(point) || world_.below(150) != 0) continue;
    const bool rare = point.starts_with("lake.") || point.starts_with("manifest.") || point.starts_with("registry.");
    world_.plan_death(point, world_.below(rare ? 3 : 30));
  }
}

Process& SimulatedPlatform::any_of(const std::vector<std::string>& names) {
  return world_.process(names[world_.below(names.size())]);
}

void SimulatedPlatform::trouble() {
  auto& process = any_of(roles_);
  switch (world_.below(10)) {
    case 0:
    case 1:
    case 2:
      if (process.lives()) world_.kill(process, std::chrono::milliseconds(world_.below(world_.below(4) == 0 ? 30'000 : 3'000)));
      return;
    case 3: return world_.suspend(process, std::chrono::milliseconds(11'000 + world_.below(15'000)));  // others take over
    case 4: return world_.suspend(process, std::chrono::milliseconds(world_.below(5'000)));
    case 5: return cut_power();
    case 6: world_.network().datagrams_lost = 0.2 * static_cast<double>(world_.below(3)); return;
    default: return world_.network().cut(world_.random()());
  }
}

void SimulatedPlatform::run_with_troubles(std::chrono::seconds span) {
  world_.network().datagrams_doubled = 0.05;
  for (std::chrono::seconds done{0}; done < span; done += 1s) {
    plan_deaths();
    if (world_.below(15) == 0) trouble();
    run(1s);
  }
  world_.network().datagrams_lost = world_.network().datagrams_doubled = 0;
}

void SimulatedPlatform::finish() {
  world_.plan_no_deaths();
  release();
  run(40s);  // whoever is dead or asleep comes back
  bool stopped = false;
  world_.process("gateways").loop().post([&] { driver_->stop(30min, [&] { stopped = true; }); });
  for (int minutes = 0; minutes < 30 && !stopped; ++minutes) run(60s);
  if (!stopped || driver_->counts().waiting > 0) problems_.push_back("gateways have unsettled messages: " + driver_->counts().last_error);
  run(90s);
  must(fleet_->flush());
  for (const auto& weak : archives_) {
    bool compacted = false;
    weak.lock()->compact([&](base::Result<void> result) {
      must(std::move(result));
      compacted = true;
    });
    run(60s);
    if (!compacted) problems_.push_back("the archive does not end its compaction");
  }
}

void SimulatedPlatform::observe() {
  for (auto& [partition, cursor] : cursors_) {
    const auto topic = log_.topic_name(partition.topic);
    for (;;) {
      const auto batch = cursor->next(1 << 20);
      if (!batch) continue;  // it was young and is gone: on with what is left
      if (batch->records.empty()) break;
      for (const auto& record : batch->records) observe(topic, record);
    }
  }
}

void SimulatedPlatform::observe(std::string_view topic, const log::RecordView& record) {
  const auto& p = record.properties;
  world_.mix(fmt::format("{} {} {} {} {} {} {}", topic, record.offset.value, record.enqueued.time_since_epoch().count(), record.key,
                         p.fcnt, p.generation.value, p.reason));
  world_.mix(record.body);
  if (topic == log::topics::kDeadletter) ++letters_[std::string(p.reason)];
  if (topic != log::topics::kReadings) return;
  ++readings_given_;
  const auto times = ++readings_[{p.meter.value, p.session.value, p.generation.value, p.fcnt}];
  if (times > 1 && !p.redo && !p.stale) {
    world_.note(fmt::format("READING TWICE: meter {} session {} generation {} counter {}", p.meter.value, p.session.value,
                            p.generation.value, p.fcnt));
  }
}

std::vector<std::string> SimulatedPlatform::problems() {
  auto out = problems_;
  for (const auto& [identity, times] : readings_) {
    if (times > 1) out.push_back(fmt::format("log readings has meter {} session {} generation {} counter {} {} times", identity[0], identity[1], identity[2], identity[3], times));
  }
  for (const auto* reason : {"conflict", "counter_reset", "mic", "unknown_meter", "ns_failed", "ns_unanswered"}) {
    if (const auto found = letters_.find(reason); found != letters_.end()) out.push_back(fmt::format("{} dead letters for {}", found->second, reason));
  }
  if (options_.blobs) {
    std::map<std::string, int> lines;
    std::uint64_t count = 0;
    for (const auto& entry : blobs_.list("blobs").value_or(std::vector<base::DirectoryEntry>())) {
      if (!entry.name.ends_with(".jsonl")) continue;
      std::istringstream text(must(blobs_.read("blobs/" + entry.name)));
      for (std::string line; std::getline(text, line); ++count) ++lines[line];
    }
    if (count != readings_given_) out.push_back(fmt::format("{} lines of blobs for {} readings", count, readings_given_));
  }
  const auto checked = lake::check(lake_disk_, lake());
  if (!checked) out.push_back(checked.error().text);
  if (checked) out.insert(out.end(), checked->problems.begin(), checked->problems.end());
  return out;
}

sim::VerifyReport SimulatedPlatform::verify(std::string sent_file) {
  sim::VerifyOptions options;
  options.sent_file = sent_file.empty() ? (folder_ / "sent.mhs").string() : std::move(sent_file);
  options.lake = lake();
  options.database = (folder_ / "database.sqlite").string();
  options.low_limit_litres = options_.alert_below_m3 * 1000;
  return must(sim::verify(disk_, options));
}

}  // namespace meterhub::simulation
