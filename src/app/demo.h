// A platform with a simulated town in front of it, in one process.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <meterhub/base/settings.h>

#include "demo_town.h"
#include "platform.h"

namespace meterhub::app {

struct DemoOptions {
  std::string data = "meterhub-demo";
  TownPlan town;
};

// One thread.
class Demo {
 public:
  // `settings` outlive the demo: demo_settings().
  static base::Result<std::unique_ptr<Demo>> start(const base::Settings& settings, const DemoOptions& options);
  ~Demo();

  Platform& platform() { return *platform_; }
  TownAtWork& town() { return *town_; }
  // "localhost:port", as gateways are configured with.
  std::string host() const;
  // Of the readers' gateway; holds its key.
  base::Result<std::string> reader_connection() const;

  // The simulator stops, everything settled passes, the platform drains. False when something
  // did not end in time.
  bool finish();

 private:
  explicit Demo(const DataPaths& paths) : paths_(paths) {}
  base::Result<void> start_town(sim::Town town, const TownPlan& plan);
  void remember_ports();

  const DataPaths paths_;
  base::PosixDisk disk_;
  std::shared_ptr<std::atomic<TownAtWork*>> listening_ = std::make_shared<std::atomic<TownAtWork*>>(nullptr);
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<TownAtWork> town_;
};

// Defaults of a demo: everything on loopback, on the ports it had before where they are free,
// readings in the lake within seconds.
base::Result<base::Settings> demo_settings(const DemoOptions& options);

}  // namespace meterhub::app
