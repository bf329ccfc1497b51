// The registry of a load town, filled directly: a million meters by files would take minutes more.
#pragma once

#include <cstdint>
#include <functional>

#include <meterhub/base/result.h>
#include <meterhub/sim/load_town.h>

#include "../data_directory.h"

namespace meterhub::app::bench {

// Makes the registry in an empty directory; one that knows the whole town is left as it is.
// `progress` hears of meters done. kCancelled when it returns false; nothing is kept then.
base::Result<void> fill_registry(const sim::LoadTown& town, const DataPaths& paths,
                                 const std::function<bool(std::uint32_t meters)>& progress);

}  // namespace meterhub::app::bench
