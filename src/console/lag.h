// How far behind the readers of the logs are.
#pragma once

#include <string>
#include <vector>

#include <meterhub/console/console.h>
#include <meterhub/log/log.h>

namespace meterhub::console {

struct StageLag {
  std::string name;
  std::uint64_t records = 0;                // not yet committed by the group
  std::chrono::microseconds oldest{0};      // age of the first of them; 0 when there is none
};

// In the order of `stages`. Logs that do not exist count nothing. Costs a cursor for each
// partition that has unread records.
std::vector<StageLag> measure_lag(log::Log& log, const std::vector<Stage>& stages, base::Timestamp now);

}  // namespace meterhub::console
