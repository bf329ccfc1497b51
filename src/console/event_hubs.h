// What the event hubs of the settings hold, for GET /api/v1/status.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/log/log.h>

namespace meterhub::console {

struct EventHubContent {
  std::string name;
  std::uint32_t partitions = 0;
  std::uint64_t events = 0;   // that retention has left
  base::Timestamp newest{};   // enqueue time of the newest ever; 0 when there was none
};
// Any thread. Names without a log are left out.
std::vector<EventHubContent> measure_event_hubs(log::Log& log, const std::vector<std::string>& names);

// [{"name":…,"partitions":…,"events":…,"newest":"…" or null}]
void append_event_hubs(std::string& out, const std::vector<EventHubContent>& hubs);

}  // namespace meterhub::console
