// What `meterhub bench pipeline` found, as text and as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "check.h"
#include "options.h"
#include "rule.h"
#include "trends.h"
#include "usage.h"

namespace meterhub::app::bench {

struct Percentiles {
  std::uint64_t count = 0;
  std::chrono::microseconds p50{}, p99{}, max{};
  static Percentiles of(const sim::Latencies& times) {
    return {times.count(), times.percentile(0.5), times.percentile(0.99), times.max()};
  }
};

// Of the rule that was added in the middle of the load.
struct AddedRuleFigures {
  double share = 0;                               // of the meters, which it is about
  std::chrono::microseconds answered{};           // from the request to its answer
  std::optional<std::chrono::microseconds> live;  // … to the first row of a packet sent after the request
  Percentiles row;                                // from the time on such packets to their rows
  RuleComparison comparison;
};

struct LogGrowth {
  std::uint64_t records = 0, bytes = 0;
};

// What happened between two lines of intermediate figures.
struct Interval {
  std::chrono::seconds end{};     // since the load began
  std::uint64_t settled = 0;      // packets
  CpuTime server_cpu{};
  std::uint64_t memory = 0;       // the server's, resident at its end, bytes
  Percentiles settlement, alert;
};
std::string interval_text(const Interval& interval, std::chrono::seconds length);

struct Report {
  PipelineOptions options;
  std::string machine, file_system, jobs;
  double seconds = 0;           // of the load
  double stored_seconds = 0;    // from its begin until the last packet was settled
  double drained_seconds = 0;   // … until every stage had passed everything on
  std::uint64_t packets = 0, receptions = 0, settled_packets = 0, settled = 0, rejected = 0, withheld = 0,
                disconnects = 0;
  std::chrono::nanoseconds first_ack{};  // from the start of the server's process
  Usage server;                 // from the begin of the load until every stage had passed everything on
  CpuTime generator{};
  std::uint64_t peak_memory = 0, peak_memory_compacting = 0;
  Percentiles settlement, alert, parquet;
  TrendsReport trends;
  std::vector<Interval> intervals;
  std::map<std::string, LogGrowth> logs;
  std::uint64_t fresh_bytes = 0, lake_bytes = 0;  // before and after compaction; of the lake_rows
  double compact_seconds = 0;
  Comparison comparison;
  std::optional<AddedRuleFigures> rule;

  bool clean() const {
    const auto& c = comparison;
    if (rule && rule->comparison.missing + rule->comparison.duplicate > 0) return false;
    return c.missing + c.duplicate + c.wrong + c.alerts_missing + c.alerts_duplicate + rejected == 0;
  }
  std::string text() const;
  std::string json() const;
};

}  // namespace meterhub::app::bench
