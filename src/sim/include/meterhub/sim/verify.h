// Compares the truth with what came out: the lake through plain DuckDB, the alerts
// through plain SQLite, by identity (design part 4, sim).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>

namespace meterhub::sim {

struct VerifyOptions {
  std::string sent_file;                     // the truth
  // A copy of it made at an earlier time; then only what was settled by that time must be there.
  std::string settled_by;
  std::string lake;                          // directory
  std::string database;                      // SQLite file; empty = alerts are not compared
  // Rows below this balance must be in table `alerts` (queries/02), in litres.
  std::int64_t low_limit_litres = 5'000;
  // False where the platform's clock was wrong for a while: it believes no gateway's clock then.
  bool compare_times = true;
  std::size_t examples_max = 10;
};

struct VerifyReport {
  std::uint64_t packets = 0;        // sent by the town's meters
  std::uint64_t lost_on_air = 0;    // of these, heard by no gateway
  std::uint64_t unsettled = 0;      // heard, but no delivery was acknowledged: may be there or not
  std::uint64_t copies = 0;         // receptions that gateways delivered, of packets with a row
  std::uint64_t rows = 0;           // of the town's meters in the lake
  std::uint64_t foreign_rows = 0;   // of other meters: not judged
  std::uint64_t alerts = 0;         // rows in the table that belong to the town
  // Settled and absent: readings, and alert rows of readings that are there.
  std::uint64_t missing = 0;
  // There more than once: readings by identity, alerts beyond one a reading.
  std::uint64_t duplicate = 0;
  // There and not as sent: figures, status or version differ (the time only where every
  // gateway that heard it has a right clock), or no meter sent it.
  std::uint64_t wrong = 0;
  std::vector<std::string> examples;  // the first troubles, one sentence each

  bool clean() const { return missing == 0 && duplicate == 0 && wrong == 0; }
  // "missing 0 duplicate 0 wrong 0".
  std::string verdict() const;
  // The verdict and what was counted, some lines.
  std::string text() const;
};

// Any thread; reads only. Errors: a file that is not there or cannot be read.
base::Result<VerifyReport> verify(const base::Disk& disk, const VerifyOptions& options);

}  // namespace meterhub::sim
