#include <meterhub/fleet/snapshot.h>

#include <vector>

#include <meterhub/base/byte_io.h>

namespace meterhub::fleet {
namespace {

constexpr std::string_view kMagic = "MHFLEET1";
constexpr std::size_t kChecksum = 4;

std::int64_t micros(base::Timestamp time) { return time.time_since_epoch().count(); }
base::Timestamp timestamp(std::int64_t value) { return base::Timestamp(base::Duration(value)); }

void write_reading(base::ByteWriter& out, const Reading& r) {
  out.number(micros(r.time));
  out.number(r.bought);
  out.number(r.left);
  out.number(r.used);
  out.number(r.session);
  out.number(r.generation);
  out.number(r.fcnt);
  out.number(r.status);
  out.number(r.rssi);
  out.number(r.snr_tenths);
  out.number(r.gateways);
  out.number(static_cast<std::uint8_t>(r.has_status));
  out.raw({r.version.data(), r.version.size()});
}

Reading read_reading(base::ByteReader& in) {
  Reading r;
  r.time = timestamp(in.number<std::int64_t>());
  r.bought = in.number<std::int64_t>();
  r.left = in.number<std::int64_t>();
  r.used = in.number<std::int64_t>();
  r.session = in.number<std::uint32_t>();
  r.generation = in.number<std::uint32_t>();
  r.fcnt = in.number<std::uint32_t>();
  r.status = in.number<std::uint32_t>();
  r.rssi = in.number<std::int16_t>();
  r.snr_tenths = in.number<std::int16_t>();
  r.gateways = in.number<std::uint8_t>();
  r.has_status = in.number<std::uint8_t>() != 0;
  const auto version = in.raw(r.version.size());
  std::copy(version.begin(), version.end(), r.version.begin());
  return r;
}

void write_watch(base::ByteWriter& out, const MeterWatch& watch) {
  out.number(micros(watch.flowing_since));
  out.number(micros(watch.moved_at));
  for (const auto used : watch.used) out.number(used);
  out.number(watch.day);
  out.number(watch.flow);
  out.number(watch.conditions);
}

MeterWatch read_watch(base::ByteReader& in) {
  MeterWatch watch;
  watch.flowing_since = timestamp(in.number<std::int64_t>());
  watch.moved_at = timestamp(in.number<std::int64_t>());
  for (auto& used : watch.used) used = in.number<std::int32_t>();
  watch.day = in.number<std::int32_t>();
  watch.flow = in.number<std::uint32_t>();
  watch.conditions = in.number<std::uint16_t>();
  return watch;
}

struct Saved {
  base::MeterNumber meter;
  base::Timestamp heard{};
  bool has_reading = false;
  Reading last;
  MeterWatch watch;
};

Saved read_meter(base::ByteReader& in) {
  Saved out;
  out.meter = base::MeterNumber(in.number<std::uint32_t>());
  out.heard = timestamp(in.number<std::int64_t>());
  out.has_reading = in.number<std::uint8_t>() != 0;
  if (out.has_reading) out.last = read_reading(in);
  out.watch = read_watch(in);
  return out;
}

base::Result<SnapshotHead> corrupt(std::string_view what) {
  return base::fail(base::Errc::kCorrupt, "snapshot of the fleet: " + std::string(what));
}

}  // namespace

std::string encode_snapshot(const FleetState& fleet, SnapshotHead head) {
  std::string meters;
  base::ByteWriter out(meters);
  head.meters = 0;
  for (std::uint32_t number = 1; number < fleet.end(); ++number) {
    const base::MeterNumber meter(number);
    const auto heard = fleet.last_heard(meter);
    if (heard == base::Timestamp{} || base::partition_of(base::shard_of(meter), head.partitions) != head.partition) continue;
    ++head.meters;
    out.number(number);
    out.number(micros(heard));
    const auto* const last = fleet.last(meter);
    out.number(static_cast<std::uint8_t>(last != nullptr));
    if (last != nullptr) write_reading(out, *last);
    write_watch(out, fleet.watch(meter));
  }
  std::string bytes(kMagic);
  base::ByteWriter front(bytes);
  front.number(head.partition.value);
  front.number(head.partitions);
  front.number(head.next.value);
  front.number(micros(head.taken));
  front.number(head.meters);
  bytes += meters;
  front.number(base::crc32c(bytes));
  return bytes;
}

base::Result<SnapshotHead> decode_snapshot(std::string_view bytes, FleetState& fleet) {
  if (bytes.size() < kMagic.size() + kChecksum || !bytes.starts_with(kMagic)) return corrupt("no such file");
  const auto body = bytes.substr(0, bytes.size() - kChecksum);
  if (base::ByteReader(bytes.substr(body.size())).number<std::uint32_t>() != base::crc32c(body)) return corrupt("checksum");
  base::ByteReader in(body.substr(kMagic.size()));
  SnapshotHead head;
  head.partition = base::PartitionId(in.number<std::uint32_t>());
  head.partitions = in.number<std::uint32_t>();
  head.next = base::Offset(in.number<std::uint64_t>());
  head.taken = timestamp(in.number<std::int64_t>());
  head.meters = in.number<std::uint32_t>();
  if (!in.ok() || head.partitions == 0 || head.partition.value >= head.partitions) return corrupt("head");
  std::vector<Saved> meters;
  meters.reserve(std::min<std::size_t>(head.meters, in.remaining() / 64));
  for (std::uint32_t n = 0; n < head.meters && in.ok(); ++n) meters.push_back(read_meter(in));
  if (!in.ok() || in.remaining() != 0) return corrupt("length");
  for (const auto& saved : meters) {
    if (saved.meter.value == 0 || saved.meter.value > (1u << 27)) return corrupt("meter number");
  }
  for (const auto& saved : meters)
    fleet.restore(saved.meter, saved.has_reading ? &saved.last : nullptr, saved.heard, saved.watch);
  return head;
}

}  // namespace meterhub::fleet
