// What was settled against what is stored, by identity.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/sim/load_town.h>

#include "../data_directory.h"

namespace meterhub::app::bench {

struct Comparison {
  std::uint64_t rows = 0;       // of this run, in the lake
  std::uint64_t settled = 0;    // packets
  std::uint64_t missing = 0;    // settled and not in the lake
  std::uint64_t duplicate = 0;  // there more than once
  std::uint64_t wrong = 0;      // there and never sent, or with another identity or other figures
  std::uint64_t lake_rows = 0;  // of all runs in this directory
  std::uint64_t low_rows = 0;   // of these, with a balance that query 02 wants in table alerts
  std::uint64_t alert_rows = 0;
  std::uint64_t alerts_missing = 0, alerts_duplicate = 0;
};

// `states`: the generator's file; packets of this run have counters from `first_fcnt` on.
base::Result<Comparison> compare(const base::Disk& disk, const DataPaths& paths, const sim::LoadTown& town,
                                 const std::string& states, std::uint32_t first_fcnt);

}  // namespace meterhub::app::bench
