// Follows log `readings` into a FleetState, a bounded piece at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <meterhub/base/metrics.h>
#include <meterhub/fleet/fleet_state.h>
#include <meterhub/fleet/reading_reader.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

namespace meterhub::fleet {

// How far back it begins where no snapshot says: `look_back`, but no more readings than give every meter's last one and,
// of fleets up to some ten thousand meters, the whole of it.
struct TailOptions {
  std::chrono::minutes look_back{120};
  std::uint64_t readings_max = 2'000'000;
  std::uint64_t readings_of_meter = 3;  // raises readings_max for large fleets
  // By partition: where to go on. Missing, or beyond the log's end: as above.
  std::vector<std::optional<base::Offset>> from{};
};

// What the tail asks and tells. On the tail's thread.
class TailListener {
 public:
  virtual ~TailListener() = default;
  // Of a meter of the registry. Under the directory's lock: ask `view` and nothing else of it.
  virtual MeterLimits limits_of(const registry::MeterEntry& meter, const registry::Directory::View& view) = 0;
  // A meter's conditions before and now: after each of its records where any is set, but for readings that came late
  // and change nothing; and when time brought or ended its silence. They are in the order of the meter's counters,
  // whatever their times.
  struct Seen {
    base::PartitionId partition;
    std::optional<base::Offset> offset;  // of the record
    const registry::MeterEntry& meter;
    Conditions before;
    Conditions now;
    base::Timestamp at;  // when the meter was heard; of silence: up to when it was not
  };
  // Under the directory's lock, as the next.
  virtual void conditions_seen(const Seen& seen) { static_cast<void>(seen); }
  // Asked where readings are missing.
  virtual const GatewayOutages& outages() const;
  // A reading came for a day of its meter that is closed.
  struct AfterClosing {
    base::PartitionId partition;
    base::Offset offset;  // of the record
    const registry::MeterEntry& meter;
    CountChange change;
  };
  virtual void came_after_closing(const AfterClosing& late) { static_cast<void>(late); }
  // A record of that gateway came, about its own clock's time or the hub's.
  virtual void gateway_heard(std::string_view gateway, base::Timestamp at) { static_cast<void>(gateway), static_cast<void>(at); }
};

// One thread.
class FleetTail {
 public:
  // Opens a cursor a partition. kNotFound: the log was never declared.
  static base::Result<std::unique_ptr<FleetTail>> open(log::Log& log, const registry::Directory& directory,
                                                       FleetState& fleet, TailListener& listener, base::Metrics& metrics,
                                                       base::Timestamp now, const TailOptions& options);

  // Takes in one block of each partition. True when one was full: there is more to read. `complete`: up to when all
  // that the hub took is in the log; silence is judged by it, so that nobody is silent because readings wait.
  bool read(base::Timestamp now, base::Timestamp complete);
  // Judges the next `most` meters by the time that passed; begins again at the end. Call it when all was read.
  void sweep(std::size_t most, base::Timestamp complete);

  std::uint32_t partitions() const { return static_cast<std::uint32_t>(cursors_.size()); }
  // The first reading not taken in.
  base::Offset position(base::PartitionId partition) const { return cursors_[partition.value]->position(); }

 private:
  FleetTail(const registry::Directory& directory, FleetState& fleet, TailListener& listener, base::Metrics& metrics);
  // The bytes of it.
  std::size_t take_in(base::PartitionId partition, const log::Batch& batch, base::Timestamp now, base::Timestamp complete);
  struct Known {  // a meter under the directory's lock
    const registry::MeterEntry& meter;
    const registry::Directory::View& view;
  };
  void take_record(base::PartitionId partition, const log::RecordView& record, const Known& known, base::Timestamp now,
                   base::Timestamp complete);
  void count(base::PartitionId partition, const log::RecordView& record, const Known& known, const MeterLimits& limits,
             base::Timestamp at);
  void sweep_meter(const Known& known, base::Timestamp complete);

  const registry::Directory& directory_;
  FleetState& fleet_;
  TailListener& listener_;
  base::Counter& skipped_;  // what retention took before it was read, and what cannot be read
  ReadingReader reader_;
  std::vector<std::unique_ptr<log::Cursor>> cursors_;
  std::uint32_t sweep_next_ = 1;
};

}  // namespace meterhub::fleet
