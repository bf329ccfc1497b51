#include "simulated_platform.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <meterhub/base/time_text.h>
#include <meterhub/hub/hub.h>
#include <meterhub/registry/transfer.h>
#include <meterhub/sim/registry_files.h>

namespace meterhub::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPartitions = 4;

std::filesystem::path fresh_folder() {
  auto pattern = (std::filesystem::temp_directory_path() / "meterhub-simulation-XXXXXX").string();
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
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
  EXPECT_TRUE(result) << result.error().text;
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void fatal(const base::Error& error) { ADD_FAILURE() << error.text; }

sim::Town town_of(const Options& options) {
  sim::TownOptions town;
  town.seed = options.seed;
  town.meters = options.meters;
  town.meters_per_gateway = 12;
  town.otaa_meters = options.otaa_meters;
  return must(sim::make_town(town));
}

}  // namespace

SimulatedPlatform::SimulatedPlatform(Options options)
    : options_(std::move(options)), random_(options_.seed), folder_(fresh_folder()),
      clock_(base::parse_rfc3339("2026-03-01T10:20:00Z")->at), executor_(clock_), log_(clock_) {
  declare_logs();
  const auto town = town_of(options_);
  store_ = must(registry::Store::open({folder_ / "registry.sqlite", {}}, clock_));
  fill_registry(town);
  follower_ = std::make_unique<registry::Follower>(*store_, directory_, executor_, metrics_);
  must(follower_->start());
  feed_ = std::make_unique<registry::SessionFeed>(*store_, executor_);
  subscription_ = feed_->subscribe(*this, executor_);
  database_ = must(tables::Database::open(folder_ / "database.sqlite", clock_));
  sim::FleetOptions fleet;
  fleet.interval = options_.interval;
  fleet.faults = options_.faults;
  fleet_ = must(sim::Fleet::open(town, fleet, disk_, (folder_ / "sent.mhs").string(), clock_.now()));
  joins_ = std::make_unique<registry::JoinRunner>(log_, *store_, executor_, metrics_, registry::JoinOptions{},
                                                  [this](std::span<std::uint8_t> out) {
                                                    for (auto& byte : out) byte = static_cast<std::uint8_t>(random_());
                                                  });
  must(joins_->start([this](const log::Properties&, const registry::JoinResult& result) {
    if (result.session) must(fleet_->hear_join_accept(result.accept, *result.session));
  }));
  for (const auto* role : {"connector", "deduplication", "job", "history"}) start(role);
  executor_.run_for(1s);
}

SimulatedPlatform::~SimulatedPlatform() {
  history_.reset();
  job_.reset();
  deduplication_.reset();
  joins_.reset();
  connector_.reset();
  subscription_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void SimulatedPlatform::declare_logs() {
  const auto declare = [&](std::string_view name, std::vector<std::string> protected_groups) {
    log::TopicSpec spec;
    spec.name = name;
    spec.partitions = kPartitions;
    spec.protected_groups = std::move(protected_groups);
    must(log_.declare(spec));
  };
  declare(log::topics::kTelemetry, {std::string(log::groups::kConnector)});
  declare(log::topics::kDecoded, {std::string(log::groups::kDeduplication)});
  declare(log::topics::kReadings, {std::string(log::groups::kArchive)});
  for (const auto name : {log::topics::kStatus, log::topics::kJoins, log::topics::kRetry, log::topics::kDeadletter, log::topics::kNoise}) {
    declare(name, {});
  }
}

void SimulatedPlatform::fill_registry(const sim::Town& town) {
  const auto files = folder_ / "fleet";
  must(sim::write_registry_files(town, "localhost", disk_, files.string()));
  must(registry::import_tenants(*store_, "test", files / "tenants.csv", {}));
  must(registry::import_gateways(*store_, "test", files / "gateways.csv", {}));
  must(registry::import_meters(*store_, "test", files / "meters.csv", {}));
}

void SimulatedPlatform::on_feed(const registry::FeedMessage& message) {
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
  std::visit(Visitor{sessions_}, message);
}

void SimulatedPlatform::start(const std::string& role) {
  if (role == "connector") {
    transport_ = std::make_unique<connector::EmbeddedTransport>(sessions_, executor_);
    connector_ = must(connector::Connector::create(log_, directory_, *transport_, executor_, metrics_, {}, fatal));
  } else if (role == "deduplication") {
    deduplication_ = must(stream::Deduplication::create(log_, directory_, executor_, metrics_, {}, {}, fatal));
  } else if (role == "job") {
    stream::JobSpec spec;
    spec.name = "alerts";
    spec.sql = query("02-low-balance-alert.sql");
    spec.sql.replace(spec.sql.rfind("5.0"), 3, std::to_string(options_.alert_below_m3) + ".0");
    spec.inputs = {{"EventHubInput"}};
    spec.outputs = {{"SQLOutput", stream::TableOutput{std::string(tables::kAlertsTable)}}};
    job_ = must(stream::Job::create({log_, *database_, disk_, metrics_}, executor_, spec, fatal));
  } else {
    history::Options options;
    options.directory = lake();
    options.flush_after = options_.flush_after;
    history_ = must(history::History::start(log_, executor_, disk_, metrics_, options));
  }
}

void SimulatedPlatform::kill(const std::set<std::string>& roles) {
  if (roles.contains("history")) history_.reset();
  if (roles.contains("job")) job_.reset();
  if (roles.contains("deduplication")) deduplication_.reset();
  if (roles.contains("connector")) connector_.reset();
  for (const auto* role : {"connector", "deduplication", "job", "history"}) {
    if (roles.contains(role)) start(role);
  }
}

void SimulatedPlatform::hold_back(std::uint32_t gateway) {
  held_ = hub::telemetry_partition(fleet_->town().gateways[gateway].id, kPartitions).value;
}

void SimulatedPlatform::send(const sim::Uplink& uplink, bool again) {
  const auto& gateway = fleet_->town().gateways[uplink.gateway];
  const auto partition = hub::telemetry_partition(gateway.id, kPartitions);
  if (held_ == partition.value) {
    waiting_.push_back(uplink);
    return;
  }
  log::NewRecord record;
  record.key = gateway.id;
  record.properties.gateway = gateway.id;
  record.body = uplink.body;
  log::Transaction transaction;
  transaction.writer = log::Writer::kOutside;
  transaction.appends.push_back({{*log_.topic(log::topics::kTelemetry), partition}, std::move(record)});
  const bool lost = !again && std::bernoulli_distribution(options_.answer_lost)(random_);
  log_.transact(std::move(transaction), executor_, [this, uplink, lost](base::Result<log::Committed> result) {
    if (!result) return;
    if (lost) return send(uplink, true);
    fleet_->ended(uplink.delivery, sim::DeliveryEnd::kSettled);
  });
}

void SimulatedPlatform::run(std::chrono::seconds span) {
  for (std::chrono::seconds done{0}; done < span; done += 1s) {
    executor_.run_for(1s);
    for (const auto& uplink : must(fleet_->step(clock_.now()))) send(uplink, false);
    if (!held_) {
      for (const auto& uplink : std::exchange(waiting_, {})) send(uplink, false);
    }
  }
}

void SimulatedPlatform::finish() {
  release();
  for (const auto& uplink : std::exchange(waiting_, {})) send(uplink, false);
  executor_.run_for(60s);
  must(fleet_->flush());
  bool compacted = false;
  history_->compact([&](base::Result<void> result) {
    EXPECT_TRUE(result) << result.error().text;
    compacted = true;
  });
  executor_.run_for(60s);
  EXPECT_TRUE(compacted);
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
