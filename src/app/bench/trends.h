// The job that a bench runs beside the platform's own: queries/08-usage-trend.sql, LAG over every meter, a join with the
// registry's meters, three windows, rows into a table.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/result.h>

#include "../data_directory.h"

namespace meterhub::app::bench {

struct TrendsReport {
  std::uint64_t events = 0;       // read since the job started
  std::uint64_t left_out = 0;     // of those: not readable, without a time, with data errors
  std::uint64_t moved = 0;        // of those: used with another time, since they came early, late or out of order
  std::uint64_t rows = 0;
  std::uint64_t state_bytes = 0;
  std::uint64_t behind = 0;       // records of its input not read yet
};

// Adds the job to the platform that runs in the directory, where it is not there from an earlier run.
base::Result<void> add_trends(const DataPaths& paths);
// kIo when the job does not run.
base::Result<TrendsReport> trends_report(const DataPaths& paths);

}  // namespace meterhub::app::bench
