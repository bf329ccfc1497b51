// The demo's town: who lives in it, what the registry is told, and the fleet at work.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/registry/joins.h>
#include <meterhub/registry/store.h>
#include <meterhub/sim/driver.h>
#include <meterhub/sim/fleet.h>

#include "data_directory.h"
#include "threads.h"

namespace meterhub::app {

struct TownPlan {
  std::uint32_t meters = 1'000;
  std::chrono::milliseconds interval{30'000};
  std::optional<std::uint64_t> seed;  // none: drawn
};

// Where the demo keeps what its meters sent.
std::string truth_file(const DataPaths& paths);

// The town that the data directory already has, or a new one.
base::Result<sim::Town> demo_town(const base::Disk& disk, const DataPaths& paths, const TownPlan& plan);

// A gateway for readers' own packets: they are not part of the simulation.
inline constexpr std::string_view kReaderGateway = "reader-1";

// Tells the registry of the town, once; of the case study's meter and of the readers' gateway.
base::Result<void> enrol(const sim::Town& town, const TownPlan& plan, registry::Store& store, base::Disk& disk,
                         const DataPaths& paths);

// The fleet on a thread of its own. One thread outside it calls these.
class TownAtWork {
 public:
  static base::Result<std::unique_ptr<TownAtWork>> start(sim::Town town, const TownPlan& plan, base::Disk& disk,
                                                         const DataPaths& paths, sim::DriverOptions options);
  ~TownAtWork();

  // Any thread: brings a meter the answer to its join-request.
  void hear(const registry::JoinResult& result);
  // Meters stop; gateways go on until all is settled or `patience` is over.
  void stop(std::chrono::milliseconds patience);
  sim::FleetCounts counts();
  sim::DriverCounts net();
  base::Result<void> health();

 private:
  TownAtWork(std::unique_ptr<LoopThread> thread, sim::DriverOptions options)
      : options_(std::move(options)), thread_(std::move(thread)) {}

  const sim::DriverOptions options_;
  std::unique_ptr<LoopThread> thread_;
  // On the loop's thread.
  std::unique_ptr<sim::Fleet> fleet_;
  std::unique_ptr<sim::Driver> driver_;
};

}  // namespace meterhub::app
