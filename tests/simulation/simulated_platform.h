// A platform stepped by hand; see README.md.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/connector/connector.h>
#include <meterhub/connector/embedded_transport.h>
#include <meterhub/decrypt/session_table.h>
#include <meterhub/history/history.h>
#include <meterhub/log/memory.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/follower.h>
#include <meterhub/registry/joins.h>
#include <meterhub/registry/session_feed.h>
#include <meterhub/registry/store.h>
#include <meterhub/sim/fleet.h>
#include <meterhub/sim/verify.h>
#include <meterhub/stream/deduplication.h>
#include <meterhub/stream/job.h>
#include <meterhub/tables/database.h>

namespace meterhub::simulation {

struct Options {
  std::uint64_t seed = 1;
  std::uint32_t meters = 40;
  std::uint32_t otaa_meters = 2;
  std::vector<sim::Fault> faults = {};
  // Chance per delivery that the gateway does not hear the answer and sends it once more.
  double answer_lost = 0.0;
  std::chrono::milliseconds interval{10'000};      // between two packets of a meter
  std::chrono::milliseconds flush_after{10'000};   // history::Options
  std::int64_t alert_below_m3 = 5;                 // in queries/02
};

class SimulatedPlatform : registry::SessionListener {
 public:
  explicit SimulatedPlatform(Options options);
  ~SimulatedPlatform() override;

  // Runs town and platform for so long, second by second.
  void run(std::chrono::seconds span);
  // As a kill: the roles of these names are dropped without drain and made anew. Names:
  // connector, deduplication, job, history.
  void kill(const std::set<std::string>& roles);
  // Deliveries to this gateway's partition of telemetry wait in the gateways until released.
  void hold_back(std::uint32_t gateway);
  void release() { held_.reset(); }
  // No more packets; everything that is there is worked off and archived.
  void finish();

  // Against the run's own truth, or another file.
  sim::VerifyReport verify(std::string sent_file = {});
  std::filesystem::path folder() const { return folder_; }
  std::string lake() const { return (folder_ / "lake").string(); }
  base::Metrics& metrics() { return metrics_; }
  std::uint64_t seed() const { return options_.seed; }

 private:
  void declare_logs();
  void fill_registry(const sim::Town& town);
  void start(const std::string& role);
  void send(const sim::Uplink& uplink, bool again);
  void on_feed(const registry::FeedMessage& message) override;

  const Options options_;
  std::mt19937_64 random_;
  const std::filesystem::path folder_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  base::PosixDisk disk_;
  base::Metrics metrics_;
  log::MemoryLog log_;
  std::unique_ptr<registry::Store> store_;
  registry::Directory directory_;
  std::unique_ptr<registry::Follower> follower_;
  std::unique_ptr<registry::SessionFeed> feed_;
  std::unique_ptr<registry::Subscription> subscription_;
  decrypt::SessionTable sessions_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<sim::Fleet> fleet_;
  std::vector<sim::Uplink> waiting_;  // held back
  std::optional<std::uint32_t> held_;

  std::unique_ptr<connector::EmbeddedTransport> transport_;
  std::unique_ptr<connector::Connector> connector_;
  std::unique_ptr<registry::JoinRunner> joins_;
  std::unique_ptr<stream::Deduplication> deduplication_;
  std::unique_ptr<stream::Job> job_;
  std::unique_ptr<history::History> history_;
};

}  // namespace meterhub::simulation
