// The fleet's snapshots as files, one a partition of `readings` (docs/formats/fleet.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/snapshot.h>

namespace meterhub::office {

// By partition of log `readings`; nothing where there is no whole snapshot.
using Snapshots = std::vector<std::optional<fleet::SnapshotHead>>;

// Puts what was saved of a log with so many partitions into `fleet`. A damaged one is told in the
// program's log: the tail then reads further back.
Snapshots load_snapshots(const base::Disk& disk, const std::string& directory, std::uint32_t partitions, fleet::FleetState& fleet);
std::string snapshot_path(const std::string& directory, base::PartitionId partition);

}  // namespace meterhub::office
