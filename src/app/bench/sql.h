// meterhub bench sql: what a query costs on one core, from JSON in the log to rows out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/engine/pipeline.h>

#include "../signals.h"

namespace meterhub::app::bench {

enum class SqlLog : std::uint8_t { kEmbedded, kMemory };

// DuckDB's statement for the same work on typed columns; none: not measured.
enum class SqlLimit : std::uint8_t { kNone, kAllColumns, kFilter, kTumbling, kLag };

// One query over one town.
struct SqlCase {
  std::string name;
  std::string text;
  std::uint32_t meters = 10'000;
  double target = 0;  // events a second and core; 0: none
  SqlLimit limit = SqlLimit::kNone;
};

struct SqlOptions {
  std::uint32_t meters = 0;       // 0: each case's own
  std::chrono::seconds interval{30};
  double seconds = 3;             // CPU time that is measured, of each query, at least
  std::uint64_t events = 0;       // exactly so many instead, and the first round counts too
  SqlLog log = SqlLog::kEmbedded;
};

// A part of a run. CPU time of the one thread.
struct SqlCost {
  std::uint64_t events = 0;
  std::chrono::nanoseconds reading{};  // records out of the log
  std::chrono::nanoseconds running{};  // the engine, and rows as JSON
  double micros() const;               // an event, both
  double events_per_second() const;
};

struct SqlFigures {
  SqlCase of;
  SqlCost first;                  // every meter once: keys are new
  SqlCost steady;                 // after that
  std::uint64_t document_bytes = 0;  // mean
  std::uint64_t rows = 0, row_bytes = 0, dropped = 0;
  std::string last_dropped;
  std::vector<engine::StateSize> states;  // the most keys and bytes of each
  std::uint64_t heap_bytes = 0;      // that the query came to hold, reference data too
  std::uint64_t resident_before = 0, resident = 0, peak = 0;  // of the process
  std::optional<double> limit_micros;  // DuckDB's, an event
};

struct SqlReport {
  SqlOptions options;
  std::string machine;
  std::vector<SqlFigures> queries;
  bool pack = false;
  bool clean() const;  // every event was used
  std::string text() const;
  std::string json() const;
};

// The case study's two queries, a tumbling window, LAG.
std::vector<SqlCase> usual_cases();
// The query in a file. kNotFound.
base::Result<SqlCase> case_of(const std::string& path);

// kInvalidArgument: the query is wrong.
base::Result<SqlFigures> run_case(const SqlCase& one, const SqlOptions& options, const std::string& directory);
// DuckDB's CPU time for the case's work, microseconds an event; nothing when it has no counterpart.
base::Result<std::optional<double>> duckdb_micros(const SqlCase& one, const SqlOptions& options);

base::Result<SqlReport> run_sql(const std::vector<SqlCase>& cases, const SqlOptions& options);
// Every .sql file of a directory in a process of its own. kCancelled after a signal.
base::Result<SqlReport> run_pack(const std::string& directory, const SqlOptions& options, StopSignals& signals);

}  // namespace meterhub::app::bench
