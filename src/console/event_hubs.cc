#include "event_hubs.h"

#include <algorithm>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>

namespace meterhub::console {
namespace {

void append_one(std::string& out, const EventHubContent& hub) {
  out += "{\"name\":";
  base::append_json_string(out, hub.name);
  out += ",\"partitions\":";
  base::append_json_number(out, std::uint64_t{hub.partitions});
  out += ",\"events\":";
  base::append_json_number(out, hub.events);
  out += ",\"newest\":";
  out += hub.newest == base::Timestamp{} ? "null" : '"' + base::rfc3339(hub.newest) + '"';
  out += '}';
}

}  // namespace

std::vector<EventHubContent> measure_event_hubs(log::Log& log, const std::vector<std::string>& names) {
  std::vector<EventHubContent> out;
  for (const auto& name : names) {
    const auto topic = log.topic(name);
    if (!topic) continue;
    auto& hub = out.emplace_back();
    hub.name = name;
    hub.partitions = log.partitions(*topic);
    for (std::uint32_t n = 0; n < hub.partitions; ++n) {
      const auto bounds = log.bounds({*topic, base::PartitionId(n)});
      if (!bounds) continue;  // the log is closing
      hub.events += bounds->next.value - bounds->first.value;
      hub.newest = std::max(hub.newest, bounds->last_enqueued);
    }
  }
  return out;
}

void append_event_hubs(std::string& out, const std::vector<EventHubContent>& hubs) {
  out += '[';
  for (const auto& hub : hubs) {
    if (!out.ends_with('[')) out += ',';
    append_one(out, hub);
  }
  out += ']';
}

}  // namespace meterhub::console
