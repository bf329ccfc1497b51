// What a platform has stored after all, against what its gateways were told.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <meterhub/base/result.h>

namespace meterhub::chaos {

struct Judgement {
  std::uint64_t messages_settled = 0;
  std::uint64_t packets = 0;
  std::uint64_t packets_settled = 0;
  std::uint64_t rows = 0;
  std::uint64_t alerts = 0;
  std::uint64_t job_rows = 0;
  // Over lake, alerts and the job's files.
  std::uint64_t missing = 0, duplicate = 0, wrong = 0;
  std::map<std::string, std::uint64_t> letters;  // by log and reason, as "deadletter unknown_devaddr"
  std::vector<std::string> troubles;             // a sentence each
};

// Nobody owns the directory. Compacts the lake, so that its files can be read without its manifest.
// Where the platform's clock was wrong it rightly believed no gateway's: then times are not judged.
base::Result<Judgement> judge(const std::string& data, const std::string& sent_file, bool with_times);

}  // namespace meterhub::chaos
