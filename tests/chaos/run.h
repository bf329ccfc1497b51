// One run of one form: starts the processes, plays a schedule against them, lets them finish, and judges.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/result.h>

#include "judge.h"
#include "schedule.h"

namespace meterhub::chaos {

struct RunOptions {
  SchedulePlan plan;
  std::filesystem::path folder;       // of this run alone
  std::optional<std::chrono::seconds> longest{};  // the schedule is left when this is over
  std::uint32_t loss = 0;             // percent of all datagrams, besides the schedule
  std::uint32_t meters = 200;
  std::string interval = "1s";
  bool verbose = false;
};

struct RunReport {
  Form form = Form::kInside;
  std::uint64_t seed = 0;
  std::map<std::string, std::uint64_t> done;   // what was done or happened, by name
  std::map<std::string, std::uint64_t> errors; // with which words processes ended by themselves, after disk faults
  Judgement judgement;
  std::vector<std::string> troubles;           // of the run; those of the judgement are there
  std::chrono::seconds lasted{0};

  bool clean() const;
  std::string text() const;
};

// Errors: the run could not be set up.
base::Result<RunReport> run(const RunOptions& options);

}  // namespace meterhub::chaos
