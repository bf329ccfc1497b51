// What a job would have given out: its query over the readings of the lake, without writing anything.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/stream/job.h>

namespace meterhub::app {

struct DryRun {
  std::uint64_t events = 0;
  std::map<std::string, std::uint64_t> rows;      // by output
  std::map<std::string, std::uint64_t> left_out;  // by reason
  // Paths that the query uses and the lake does not hold: they are NULL here.
  std::vector<std::string> missing_paths;
};

// Readings whose packets the hub took in [from, to), in that order, a bounded number in memory at a time. `row` gets
// each result: its output and a JSON object. Windows and joins: what is final at `to`; nothing is known of before `from`.
// Reads the lake as it is; a process may be writing it.
// kInvalidArgument: the query does not compile, or an input is not `readings`; kNotImplemented: what the engine
// does not run; kNotFound: no lake.
base::Result<DryRun> dry_run(const base::Disk& disk, const std::string& lake, const stream::JobSpec& spec,
                             base::Timestamp from, base::Timestamp to,
                             const std::function<void(const std::string& output, const std::string& json)>& row);

}  // namespace meterhub::app
