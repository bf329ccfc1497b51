// The event hubs that clients can name: which log each stands for, and its consumer groups. Immutable; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/hub/hub.h>
#include <meterhub/log/log.h>

namespace meterhub::hub {

struct EventHub {
  std::string name;  // lower case
  base::TopicId topic;
  std::uint32_t partitions = 0;
  std::vector<std::string> groups;  // lower case, $default among them
  Takes takes = Takes::kNothing;
  double rate = 0;                  // events a second of all senders; 0 = no limit

  bool has_group(std::string_view group) const;  // in any case
  // The partition that the text names, as "0"; nothing when there is none of that name.
  std::optional<base::PartitionId> partition(std::string_view text) const;
};

// Sequence numbers and offsets of events are the log's offsets: both count a partition's records from 0.
constexpr std::int64_t sequence_number(base::Offset offset) { return static_cast<std::int64_t>(offset.value); }

class EventHubs {
 public:
  // kNotFound: a log that is named does not exist. kInvalidArgument: a name twice.
  static base::Result<EventHubs> create(const log::Log& log, const std::vector<EventHubSpec>& specs);
  // In any case. Null when there is none.
  const EventHub* find(std::string_view name) const;
  const std::vector<EventHub>& all() const { return all_; }

 private:
  std::vector<EventHub> all_;
};

}  // namespace meterhub::hub
