#include <meterhub/fleet/tail.h>

#include <algorithm>
#include <span>

#include <meterhub/log/replay.h>

namespace meterhub::fleet {
namespace {

constexpr std::size_t kBlockBytes = 256 * 1024;
// Records whose meters are looked up under one lock of the directory: some 100 µs.
constexpr std::size_t kRecordsOfView = 64;
constexpr std::size_t kMetersOfView = 2048;
// Records ahead whose meter's state is fetched from memory meanwhile.
constexpr std::size_t kAhead = 8;

class NoOutages final : public GatewayOutages {
 public:
  std::span<const Outage> outages(std::uint16_t, base::Timestamp) const override { return {}; }
};

// Letters of packets whose readings were given out without figures (deduplication lets them pass once more).
bool was_given_out(std::string_view reason) {
  return reason == "bad_length" || reason == "bad_digits" || reason == "unknown_profile" || reason == "unknown_port";
}

CountedPacket counted(const log::RecordView& record, base::Timestamp at, std::uint16_t gateway) {
  const auto& p = record.properties;
  return {.session = p.session.value,
          .generation = p.generation.value,
          .fcnt = p.fcnt,
          .at = at,
          .gateway = gateway,
          .late = p.late,
          .stale = p.stale,
          .undecoded = p.undecoded,
          .again = p.redo && p.late && was_given_out(p.reason)};
}

}  // namespace

const GatewayOutages& TailListener::outages() const {
  static const NoOutages kNone;
  return kNone;
}

FleetTail::FleetTail(const registry::Directory& directory, FleetState& fleet, TailListener& listener, base::Metrics& metrics)
    : directory_(directory),
      fleet_(fleet),
      listener_(listener),
      skipped_(metrics.counter("meterhub_fleet_read_errors_total", "Reads of log readings that failed.")) {}

base::Result<std::unique_ptr<FleetTail>> FleetTail::open(log::Log& log, const registry::Directory& directory,
                                                         FleetState& fleet, TailListener& listener, base::Metrics& metrics,
                                                         base::Timestamp now, const TailOptions& options) {
  std::unique_ptr<FleetTail> tail(new FleetTail(directory, fleet, listener, metrics));
  const auto topic = MH_TRY(log.topic(log::topics::kReadings));
  const std::uint32_t partitions = log.partitions(topic);
  const auto most = std::max(options.readings_max, options.readings_of_meter * directory.meter_count()) / partitions;
  for (std::uint32_t number = 0; number < partitions; ++number) {
    const log::TopicPartition partition{topic, base::PartitionId(number)};
    const auto next = MH_TRY(log.bounds(partition)).next;
    const auto from = number < options.from.size() ? options.from[number] : std::nullopt;
    if (from && *from <= next) {
      tail->cursors_.push_back(MH_TRY(log.open(partition, *from)));
      continue;
    }
    auto cursor = MH_TRY(log.open(partition, base::Timestamp(now - options.look_back)));
    if (next.value - std::min(next, cursor->position()).value > most) cursor->seek(base::Offset(next.value - most));
    tail->cursors_.push_back(std::move(cursor));
  }
  return tail;
}

bool FleetTail::read(base::Timestamp now, base::Timestamp complete) {
  bool more = false;
  for (std::uint32_t number = 0; number < cursors_.size(); ++number) {
    const auto batch = cursors_[number]->next(kBlockBytes);
    if (!batch) {
      // Retention was faster: the position is now the first that is left.
      skipped_.add();
      continue;
    }
    more = take_in(base::PartitionId(number), *batch, now, complete) > kBlockBytes / 2 || more;
  }
  return more;
}

std::size_t FleetTail::take_in(base::PartitionId partition, const log::Batch& batch, base::Timestamp now,
                               base::Timestamp complete) {
  std::size_t bytes = 0;
  std::span records(batch.records);
  while (!records.empty()) {
    const auto part = records.first(std::min(records.size(), kRecordsOfView));
    records = records.subspan(part.size());
    const auto view = directory_.view();
    for (std::size_t n = 0; n < part.size(); ++n) {
      const auto& record = part[n];
      if (log::is_replay(record.properties)) continue;  // it was heard when it came
      if (n + kAhead < part.size()) fleet_.prefetch(part[n + kAhead].properties.meter);
      bytes += record.key.size() + record.sections.size() + record.body.size();
      if (const auto* const meter = view.meter(record.properties.meter)) take_record(partition, record, {*meter, view}, now, complete);
    }
  }
  return bytes;
}

void FleetTail::take_record(base::PartitionId partition, const log::RecordView& record, const Known& known,
                            base::Timestamp now, base::Timestamp complete) {
  const auto& meter = known.meter;
  const auto at = heard_at(record);
  const auto before = fleet_.conditions(meter.number);
  const auto limits = listener_.limits_of(meter, known.view);
  const auto* const reading = reader_.read(record);
  const bool is_late = reading != nullptr && !fleet_.put(meter.number, *reading, at, now, limits);
  if (limits.days != nullptr) count(partition, record, known, limits, at);
  fleet_.heard(meter.number, at);
  // Silence is judged as of this record, not of now: after a start the log tells of hours ago.
  fleet_.judge(meter.number, limits, std::min(complete, record.enqueued));
  const auto after = fleet_.conditions(meter.number);
  if (before != after || (after != 0 && !is_late)) listener_.conditions_seen({partition, record.offset, meter, before, after, at});
  if (!record.properties.late && !record.properties.stale && !record.properties.redo)
    listener_.gateway_heard(record.properties.gateway, at);
}

void FleetTail::count(base::PartitionId partition, const log::RecordView& record, const Known& known,
                      const MeterLimits& limits, base::Timestamp at) {
  const auto gateway = fleet_.gateways().number(record.properties.gateway);
  const auto change = fleet_.count(known.meter.number, counted(record, at, gateway),
                                   {*limits.days, listener_.outages(), limits.open_day});
  if (change && change->day < limits.open_day)
    listener_.came_after_closing({partition, record.offset, known.meter, *change});
}

void FleetTail::sweep(std::size_t most, base::Timestamp complete) {
  const auto end = std::max(directory_.highest_meter().value + 1, fleet_.end());
  for (std::size_t left = std::min<std::size_t>(most, end); left > 0;) {
    const auto view = directory_.view();
    for (std::size_t n = std::min(left, kMetersOfView); n > 0; --n, --left) {
      if (sweep_next_ >= end) sweep_next_ = 1;
      const base::MeterNumber number(sweep_next_++);
      if (const auto* const meter = view.meter(number)) {
        sweep_meter({*meter, view}, complete);
      } else {
        fleet_.forget(number);
      }
    }
  }
}

void FleetTail::sweep_meter(const Known& known, base::Timestamp complete) {
  const auto& meter = known.meter;
  const auto before = fleet_.conditions(meter.number);
  fleet_.judge(meter.number, listener_.limits_of(meter, known.view), complete);
  const auto after = fleet_.conditions(meter.number);
  if (before == after) return;
  const auto partition = base::partition_of(base::shard_of(meter.number), partitions());
  listener_.conditions_seen({partition, std::nullopt, meter, before, after, complete});
}

}  // namespace meterhub::fleet
