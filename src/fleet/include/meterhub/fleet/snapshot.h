// The fleet's state of one partition of `readings`, as bytes: what a restart goes on from (docs/formats/fleet.md). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/fleet/fleet_state.h>

namespace meterhub::fleet {

struct SnapshotHead {
  base::PartitionId partition;
  std::uint32_t partitions = 0;  // of the log
  base::Offset next;             // the first reading that is not in it
  base::Timestamp taken{};
  std::uint32_t meters = 0;
  // By partition of log `deadletter`: the first letter that is not counted in it.
  std::vector<base::Offset> letters{};
};

// Of all meters whose readings are in `head.partition`; `head.meters` is counted here. Some 180 bytes a meter.
std::string encode_snapshot(const FleetState& fleet, SnapshotHead head);

// kCorrupt with the place for bytes that are none. Puts its meters into `fleet` and returns the head; after an error
// `fleet` is as before.
base::Result<SnapshotHead> decode_snapshot(std::string_view bytes, FleetState& fleet);

}  // namespace meterhub::fleet
