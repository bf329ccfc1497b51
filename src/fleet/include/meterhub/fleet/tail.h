// Follows log `readings` into a FleetState, a bounded piece at a time.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/reading_reader.h>

namespace meterhub::fleet {

// How far back it begins: `look_back`, but no more readings than give every meter's last one and,
// of fleets up to some ten thousand meters, the whole of it.
struct TailOptions {
  std::chrono::minutes look_back{120};
  std::uint64_t readings_max = 2'000'000;
  std::uint64_t readings_of_meter = 3;  // raises readings_max for large fleets
  std::int64_t low_limit_litres = 5'000;
};

// One thread.
class FleetTail {
 public:
  // Opens a cursor a partition. kNotFound: the log was never declared.
  static base::Result<std::unique_ptr<FleetTail>> open(log::Log& log, const registry::Directory& directory,
                                                       FleetState& fleet, base::Metrics& metrics,
                                                       base::Timestamp now, TailOptions options);

  // Takes in one block of each partition. True when one was full: there is more to read.
  bool read(base::Timestamp now);
  // Judges the next `most` meters by the time that passed; begins again at the end.
  void sweep(std::size_t most, base::Timestamp now);

 private:
  FleetTail(const registry::Directory& directory, FleetState& fleet, base::Metrics& metrics, TailOptions options);
  // The bytes of it.
  std::size_t take_in(const log::Batch& batch, base::Timestamp now);
  MeterLimits limits_of(const registry::MeterEntry& meter) const;

  const registry::Directory& directory_;
  FleetState& fleet_;
  const TailOptions options_;
  base::Counter& skipped_;  // what retention took before it was read, and what cannot be read
  ReadingReader reader_;
  std::vector<std::unique_ptr<log::Cursor>> cursors_;
  std::uint32_t sweep_next_ = 1;
};

}  // namespace meterhub::fleet
