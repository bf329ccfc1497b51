#include "snapshots.h"

#include <fmt/format.h>

#include <meterhub/base/logging.h>
#include <meterhub/fleet/snapshot.h>

namespace meterhub::office {

std::string snapshot_path(const std::string& directory, base::PartitionId partition) {
  return base::join_path(directory, fmt::format("fleet-p{:02}.snapshot", partition.value));
}

Snapshots load_snapshots(const base::Disk& disk, const std::string& directory, std::uint32_t partitions, fleet::FleetState& fleet) {
  Snapshots out(partitions);
  for (std::uint32_t number = 0; number < partitions; ++number) {
    const auto path = snapshot_path(directory, base::PartitionId(number));
    const auto bytes = disk.read(path);
    if (!bytes && bytes.error().code == base::Errc::kNotFound) continue;
    auto head = bytes ? fleet::decode_snapshot(*bytes, fleet) : std::unexpected(bytes.error());
    if (head && (head->partitions != partitions || head->partition.value != number))
      head = base::fail(base::Errc::kPrecondition, "it is of a log with other partitions");
    if (head) {
      out[number] = std::move(*head);
    } else {
      base::logging::warn("fleet_snapshot_not_read", {{"file", path}, {"error", head.error().text}});
    }
  }
  return out;
}

}  // namespace meterhub::office
