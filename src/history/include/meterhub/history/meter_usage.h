// What one meter used, straight from the lake: every figure with the two readings that it comes from. The same steps
// that the roll-ups add up, of open hours too. Where it came in another one's place, what was used there before it is
// in its figures; where it was taken out, they end.
#pragma once

#include <string>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/result.h>
#include <meterhub/consumption/consumption.h>
#include <meterhub/consumption/local_time.h>
#include <meterhub/registry/directory.h>

namespace meterhub::history {

struct MeterUsageQuery {
  base::Eui64 eui;
  consumption::Period by = consumption::Period::kDay;  // days and months are the meter's tenant's
  base::Timestamp from{}, to{};                        // the periods that hold them, and those between
};

// More periods are not answered at once.
inline constexpr std::size_t kMeterPeriodsMax = 10'000;

// One figure a period; readings name their meter (Directory::eui_of()). Reads no more of the lake than the time asked
// for and a few hours with readings around it; needs no lock, as the lake's readers do. kNotFound: no such meter in the
// registry; kInvalidArgument: too many periods.
base::Result<std::vector<consumption::Figure>> meter_usage(const base::Disk& disk, const std::string& lake,
                                                           const registry::Directory& directory,
                                                           const MeterUsageQuery& query);

}  // namespace meterhub::history
