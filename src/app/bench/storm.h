// One run of `meterhub bench storm`: a platform in a process of its own, steady gateways in another,
// and storms from a third, one after the other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/result.h>

#include "../signals.h"
#include "report.h"
#include "storm_roles.h"

namespace meterhub::app::bench {

struct StormOptions {
  StormTown town;
  double rate = 2'000;            // packets a second of the steady gateways
  double half_open_rate = 1'000;  // connections a second
  bool tickets = false;           // those that return resume their TLS sessions
  std::chrono::milliseconds span{10'000};
  std::vector<Storm> storms{std::begin(kStorms), std::end(kStorms)};
};

// What the steady gateways and the newcomers saw in one stretch of time.
struct StormWindow {
  Percentiles settlement, newcomers;
  double server_cores = 0;  // CPU of the server over the time
};

struct StormOutcome {
  Storm storm{};
  StormWindow before, during, after;
  std::string text;  // what became of the storm
  std::optional<double> back_seconds;  // return: until all were back
  bool all_back = true;
  // return: what the server's resident memory grew by while they connected, over their number; what else it did meanwhile
  // is in it.
  std::optional<std::uint64_t> idle_gateway_bytes;
  // The promise: nobody else notices, and all are back.
  bool held() const;
};

struct StormReport {
  StormOptions options;
  std::string machine, file_system;
  std::vector<StormOutcome> storms;
  std::uint64_t settled = 0, rejected = 0, disconnects = 0, peak_memory = 0;
  Comparison comparison;
  bool clean() const;
  std::string text() const;
  std::string json() const;
};

// kCancelled: a signal came; the processes have ended and the directory is gone.
base::Result<StormReport> run_storms(const StormOptions& options, StopSignals& signals);

}  // namespace meterhub::app::bench
