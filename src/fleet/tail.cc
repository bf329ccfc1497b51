#include <meterhub/fleet/tail.h>

#include <algorithm>
#include <span>

namespace meterhub::fleet {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;
// Records whose meters are looked up under one lock of the directory: some 100 µs.
constexpr std::size_t kRecordsOfView = 64;
constexpr std::size_t kMetersOfView = 2048;
// Records ahead whose meter's state is fetched from memory meanwhile.
constexpr std::size_t kAhead = 8;

}  // namespace

FleetTail::FleetTail(const registry::Directory& directory, FleetState& fleet, base::Metrics& metrics,
                     TailOptions options)
    : directory_(directory),
      fleet_(fleet),
      options_(options),
      skipped_(metrics.counter("meterhub_console_read_errors_total", "Reads of log readings that failed.")) {}

base::Result<std::unique_ptr<FleetTail>> FleetTail::open(log::Log& log, const registry::Directory& directory,
                                                         FleetState& fleet, base::Metrics& metrics,
                                                         base::Timestamp now, TailOptions options) {
  std::unique_ptr<FleetTail> tail(new FleetTail(directory, fleet, metrics, options));
  const auto topic = MH_TRY(log.topic(log::topics::kReadings));
  const std::uint32_t partitions = log.partitions(topic);
  const auto most = std::max(options.readings_max, options.readings_of_meter * directory.meter_count()) / partitions;
  for (std::uint32_t number = 0; number < partitions; ++number) {
    const log::TopicPartition partition{topic, base::PartitionId(number)};
    auto cursor = MH_TRY(log.open(partition, base::Timestamp(now - options.look_back)));
    const auto next = MH_TRY(log.bounds(partition)).next;
    if (next.value - std::min(next, cursor->position()).value > most) cursor->seek(base::Offset(next.value - most));
    tail->cursors_.push_back(std::move(cursor));
  }
  return tail;
}

MeterLimits FleetTail::limits_of(const registry::MeterEntry& meter) const {
  return {std::chrono::seconds(meter.silence_limit_s),
          meter.low_limit_litres == INT32_MIN ? options_.low_limit_litres : meter.low_limit_litres};
}

bool FleetTail::read(base::Timestamp now) {
  bool more = false;
  for (const auto& cursor : cursors_) {
    const auto batch = cursor->next(kBlockBytes);
    if (!batch) {
      // Retention was faster: the position is now the first that is left.
      skipped_.add();
      continue;
    }
    more = take_in(*batch, now) > kBlockBytes / 2 || more;
  }
  return more;
}

std::size_t FleetTail::take_in(const log::Batch& batch, base::Timestamp now) {
  std::size_t bytes = 0;
  std::span records(batch.records);
  while (!records.empty()) {
    const auto part = records.first(std::min(records.size(), kRecordsOfView));
    records = records.subspan(part.size());
    const auto view = directory_.view();
    for (std::size_t n = 0; n < part.size(); ++n) {
      const auto& record = part[n];
      if (n + kAhead < part.size()) fleet_.prefetch(part[n + kAhead].properties.meter);
      bytes += record.key.size() + record.sections.size() + record.body.size();
      const auto* const meter = view.meter(record.properties.meter);
      if (meter == nullptr) continue;  // removed since
      const auto at = heard_at(record);
      if (const auto* const reading = reader_.read(record)) fleet_.put(meter->number, *reading, at, now);
      fleet_.heard(meter->number, at);
      fleet_.judge(meter->number, limits_of(*meter), now);
    }
  }
  return bytes;
}

void FleetTail::sweep(std::size_t most, base::Timestamp now) {
  const auto end = std::max(directory_.highest_meter().value + 1, fleet_.end());
  for (std::size_t left = std::min<std::size_t>(most, end); left > 0;) {
    const auto view = directory_.view();
    for (std::size_t n = std::min(left, kMetersOfView); n > 0; --n, --left) {
      if (sweep_next_ >= end) sweep_next_ = 1;
      const base::MeterNumber number(sweep_next_++);
      if (const auto* const meter = view.meter(number)) {
        fleet_.judge(number, limits_of(*meter), now);
      } else {
        fleet_.forget(number);
      }
    }
  }
}

}  // namespace meterhub::fleet
