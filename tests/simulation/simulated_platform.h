// A platform of simulated processes; see README.md.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/metrics.h>
#include <meterhub/connector/connector.h>
#include <meterhub/history/history.h>
#include <meterhub/hub/hub.h>
#include <meterhub/log/memory.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/joins.h>
#include <meterhub/registry/session_feed.h>
#include <meterhub/registry/store.h>
#include <meterhub/sim/driver.h>
#include <meterhub/sim/fleet.h>
#include <meterhub/sim/verify.h>
#include <meterhub/stream/deduplication.h>
#include <meterhub/stream/job.h>
#include <meterhub/tables/database.h>

#include "memory_policies.h"
#include "crash_disk.h"
#include "world.h"

namespace meterhub::simulation {

struct Options {
  std::uint64_t seed = 1;
  std::uint32_t meters = 40;
  std::uint32_t otaa_meters = 2;
  std::uint32_t meters_per_gateway = 12;
  std::uint32_t partitions = 4;
  std::vector<sim::Fault> faults = {};
  double lost_on_air = 0.01;
  std::chrono::milliseconds interval{10'000};      // between two packets of a meter
  std::chrono::milliseconds flush_after{10'000};   // history::Options
  std::chrono::seconds retention = std::chrono::hours(24);  // of every log, past its protected groups
  std::uint32_t commits_before = 0;                // that the lake's manifest has seen
  std::int64_t alert_below_m3 = 5;                 // in queries/02
  std::uint32_t connectors = 1;
  std::uint32_t streams = 1;                       // deduplication and jobs each
  std::uint32_t archives = 1;
  std::uint32_t network_servers = 0;               // over the wire; 0 = embedded
  bool blobs = false;                              // queries/01 as a second job
  std::string start = "2026-03-01T10:20:00Z";
};

// Everything that one seed decides.
Options drawn_options(std::uint64_t seed);

class SimulatedPlatform {
 public:
  explicit SimulatedPlatform(Options options);
  ~SimulatedPlatform();

  // Runs town and platform for so long.
  void run(std::chrono::seconds span);
  // The same with deaths at commit points, kills, sleeps, cut connections and power cuts.
  void run_with_troubles(std::chrono::seconds span);
  // As a kill of the roles of these names: connector, deduplication, job, history, hub, joins.
  void kill(const std::set<std::string>& roles);
  // Power fails for the archive: what its disk was not told to keep is gone.
  void cut_power();
  // Deliveries to this gateway's partition of telemetry wait in the gateways until released.
  void hold_back(std::uint32_t gateway);
  void release();
  // No more packets and troubles; everything that is there is worked off and archived.
  void finish();

  // Against the run's own truth, or another file.
  sim::VerifyReport verify(std::string sent_file = {});
  // What else must hold of a finished run, a line each; empty = it does.
  std::vector<std::string> problems();
  std::filesystem::path folder() const { return folder_; }
  std::string lake() const { return (folder_ / "lake").string(); }
  base::Metrics& metrics() { return metrics_; }
  std::uint64_t seed() const { return options_.seed; }
  const Options& options() const { return options_; }
  World& world() { return world_; }
  const std::map<std::string, std::uint64_t>& letters() const { return letters_; }

  // All that a platform of these options has.
  static const std::vector<std::string>& commit_points();

 private:
  class Gateways;
  struct Sessions;

  void declare_logs();
  void fill_registry(const sim::Town& town);
  void age_lake();
  void add_processes();
  Process::Parts start_registry(Process& process);
  Process::Parts start_joins(Process& process);
  Process::Parts start_hub(Process& process);
  Process::Parts start_network_server(Process& process, std::uint32_t number);
  Process::Parts start_connector(Process& process);
  Process::Parts start_stream(Process& process);
  Process::Parts start_archive(Process& process, std::uint32_t number);
  Process::Parts start_gateways(Process& process);
  std::shared_ptr<Sessions> sessions_for(Process& process);
  void answer_join(const registry::JoinResult& result);
  void plan_deaths();
  void trouble();
  void observe();
  void observe(std::string_view topic, const log::RecordView& record);
  Process& any_of(const std::vector<std::string>& prefixes);

  const Options options_;
  const std::filesystem::path folder_;
  World world_;
  base::Metrics metrics_;
  base::PosixDisk disk_;
  CrashDisk lake_disk_;
  base::MemoryDisk blobs_;
  log::MemoryLog log_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::unique_ptr<Gateways> gateways_;
  hub::test::MemoryPolicies policies_;  // none: only devices connect
  registry::SessionFeed* feed_ = nullptr;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<sim::Fleet> fleet_;
  sim::Driver* driver_ = nullptr;
  std::vector<std::weak_ptr<history::History>> archives_;

  std::vector<std::string> roles_;  // processes that may die
  std::vector<std::string> problems_;
  // What was seen in the logs.
  std::map<log::TopicPartition, std::unique_ptr<log::Cursor>> cursors_;
  std::map<std::array<std::uint64_t, 4>, std::uint64_t> readings_;  // by identity: how often
  std::uint64_t readings_given_ = 0;
  std::map<std::string, std::uint64_t> letters_;                    // dead letters by reason
};

}  // namespace meterhub::simulation
