// What the pack takes of a machine, by what was measured.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <meterhub/base/assert.h>

#include "pack.h"

namespace meterhub::app {
namespace {

// The case study's meters.
constexpr double kReadingInterval = 30.0;
// Hub, connector, deduplication, archive and log of one packet, one a TLS record: docs/performance.md.
constexpr double kPacketMicroseconds = 32.0;

// CPU of one reading in a platform, µs, and bytes a meter with a million. 02 and 08 were measured in the pipeline; the others
// are `bench sql` and the 60 % more that 08 took in the pipeline, for its thread, log and commits.
struct Cost {
  std::string_view job;
  double microseconds;
  double bytes;
};
constexpr std::array<Cost, 12> kCosts{{{"raw-archive", 2.7, 0},
                                       {"low-balance-alert", 3.6, 0},
                                       {"low-balance-crossing", 5.1, 134},
                                       {"status-alarms", 5.1, 152},
                                       {"silent-meter", 7.4, 137},
                                       {"leak-suspicion", 5.3, 675},
                                       {"tamper", 4.6, 161},
                                       {"usage-trend", 8.8, 226},
                                       {"peak-flow", 5.3, 108},
                                       {"top-consumers", 6.1, 191},
                                       {"meter-reset", 5.6, 117},
                                       {"flow-spike", 5.1, 518}}};

constexpr double kGiB = 1024.0 * 1024 * 1024;

}  // namespace

PackLoad pack_load(const std::vector<std::string>& names, std::uint64_t meters) {
  double microseconds = kPacketMicroseconds, bytes = 0;
  for (const auto& name : names) {
    const auto cost = std::ranges::find(kCosts, name, &Cost::job);
    MH_ASSERT(cost != kCosts.end());
    microseconds += cost->microseconds;
    bytes += cost->bytes;
  }
  const auto count = static_cast<double>(meters);
  return {count / kReadingInterval * microseconds / 1e6, count * bytes};
}

std::string pack_warning(const std::vector<std::string>& names, std::uint64_t meters, unsigned cores,
                         std::uint64_t memory_bytes) {
  const auto load = pack_load(names, meters);
  const bool slow = load.cores > cores, large = memory_bytes > 0 && load.bytes > static_cast<double>(memory_bytes) / 2;
  if (!slow && !large) return {};
  return fmt::format(
      "{} meters with {} jobs of the query pack need some {:.1f} cores and {:.1f} GiB for what the jobs keep; this machine has {} "
      "cores and {:.1f} GiB: list fewer in stream.pack, as raw-archive, low-balance-alert, usage-trend",
      meters, names.size(), load.cores, load.bytes / kGiB, cores, static_cast<double>(memory_bytes) / kGiB);
}

}  // namespace meterhub::app
