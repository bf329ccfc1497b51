#include <meterhub/fleet/snapshot.h>

#include <vector>

#include <meterhub/base/byte_io.h>

namespace meterhub::fleet {
namespace {

constexpr std::string_view kMagic = "MHFLEET2";
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

// The gateway is a number of the file's list.
void write_count(base::ByteWriter& out, const MeterCount& count, std::uint16_t gateway) {
  out.number(count.session);
  out.number(count.generation);
  out.number(count.fcnt);
  out.number(gateway);
  out.number(count.interval_ms);
  out.number(count.other_interval);
  out.number(count.others);
  out.number(count.doubtful);
  for (const auto letters : count.letters) out.number(letters);
  out.number(count.letter);
  out.number(count.day);
  for (const auto& day : count.days) {
    out.number(day.received);
    out.number(day.late);
    for (const auto missing : day.missing) out.number(missing);
  }
}

MeterCount read_count(base::ByteReader& in) {
  MeterCount count;
  count.session = in.number<std::uint32_t>();
  count.generation = in.number<std::uint16_t>();
  count.fcnt = in.number<std::uint32_t>();
  count.gateway = in.number<std::uint16_t>();
  count.interval_ms = in.number<std::uint32_t>();
  count.other_interval = in.number<std::uint16_t>();
  count.others = in.number<std::uint16_t>();
  count.doubtful = in.number<std::uint16_t>();
  for (auto& letters : count.letters) letters = in.number<std::uint16_t>();
  count.letter = in.number<std::uint16_t>();
  count.day = in.number<std::uint16_t>();
  for (auto& day : count.days) {
    day.received = in.number<std::uint16_t>();
    day.late = in.number<std::uint16_t>();
    for (auto& missing : day.missing) missing = in.number<std::uint16_t>();
  }
  return count;
}

struct Saved {
  base::MeterNumber meter;
  base::Timestamp heard{};
  bool has_reading = false;
  Reading last;
  MeterWatch watch;
  MeterCount count;
};

Saved read_meter(base::ByteReader& in) {
  Saved out;
  out.meter = base::MeterNumber(in.number<std::uint32_t>());
  out.heard = timestamp(in.number<std::int64_t>());
  out.has_reading = in.number<std::uint8_t>() != 0;
  if (out.has_reading) out.last = read_reading(in);
  out.watch = read_watch(in);
  out.count = read_count(in);
  return out;
}

base::Result<SnapshotHead> corrupt(std::string_view what) {
  return base::fail(base::Errc::kCorrupt, "snapshot of the fleet: " + std::string(what));
}

// The gateways of a partition's meters, in a list that the file begins with.
class GatewayList {
 public:
  explicit GatewayList(const GatewayNumbers& numbers) : numbers_(numbers), places_(numbers.end()) {}

  std::uint16_t place(std::uint16_t number) {
    if (number == 0 || number >= places_.size()) return 0;
    if (places_[number] == 0) {
      ids_.push_back(numbers_.id(number));
      places_[number] = static_cast<std::uint16_t>(ids_.size());
    }
    return places_[number];
  }
  const std::vector<std::string>& ids() const { return ids_; }

 private:
  const GatewayNumbers& numbers_;
  std::vector<std::uint16_t> places_;  // by number; 0: not in the list yet
  std::vector<std::string> ids_;
};

std::string encode_meters(const FleetState& fleet, SnapshotHead& head, GatewayList& gateways) {
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
    const auto& count = fleet.counted(meter);
    write_count(out, count, gateways.place(count.gateway));
  }
  return meters;
}

SnapshotHead read_head(base::ByteReader& in) {
  SnapshotHead head;
  head.partition = base::PartitionId(in.number<std::uint32_t>());
  head.partitions = in.number<std::uint32_t>();
  head.next = base::Offset(in.number<std::uint64_t>());
  head.taken = timestamp(in.number<std::int64_t>());
  head.letters.resize(in.number<std::uint16_t>());
  for (auto& next : head.letters) next = base::Offset(in.number<std::uint64_t>());
  return head;
}

}  // namespace

std::string encode_snapshot(const FleetState& fleet, SnapshotHead head) {
  GatewayList gateways(fleet.gateways());
  const auto meters = encode_meters(fleet, head, gateways);
  std::string bytes(kMagic);
  base::ByteWriter front(bytes);
  front.number(head.partition.value);
  front.number(head.partitions);
  front.number(head.next.value);
  front.number(micros(head.taken));
  front.number(static_cast<std::uint16_t>(head.letters.size()));
  for (const auto next : head.letters) front.number(next.value);
  front.number(static_cast<std::uint16_t>(gateways.ids().size()));
  for (const auto& id : gateways.ids()) front.text(id);
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
  auto head = read_head(in);
  if (!in.ok() || head.partitions == 0 || head.partition.value >= head.partitions) return corrupt("head");
  std::vector<std::string_view> gateways(in.number<std::uint16_t>());
  for (auto& id : gateways) id = in.text();
  head.meters = in.number<std::uint32_t>();
  std::vector<Saved> meters;
  meters.reserve(std::min<std::size_t>(head.meters, in.remaining() / 64));
  for (std::uint32_t n = 0; n < head.meters && in.ok(); ++n) meters.push_back(read_meter(in));
  if (!in.ok() || in.remaining() != 0) return corrupt("length");
  for (const auto& saved : meters) {
    if (saved.meter.value == 0 || saved.meter.value > (1u << 27)) return corrupt("meter number");
    if (saved.count.gateway > gateways.size()) return corrupt("gateway");
  }
  std::vector<std::uint16_t> numbers{0};
  for (const auto id : gateways) numbers.push_back(fleet.gateways().number(id));
  for (auto& saved : meters) {
    saved.count.gateway = numbers[saved.count.gateway];
    fleet.restore(saved.meter, saved.has_reading ? &saved.last : nullptr, saved.heard, saved.watch, saved.count);
  }
  return head;
}

}  // namespace meterhub::fleet
