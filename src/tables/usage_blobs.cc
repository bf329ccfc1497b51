#include "usage_blobs.h"

#include <array>
#include <chrono>

#include <meterhub/base/byte_io.h>

namespace meterhub::tables {
namespace {

using base::Errc;

constexpr std::uint8_t kVersion = 1;
constexpr std::array<std::string_view, 3> kPeriods{"5min", "hour", "day"};

// Seven bits a byte, the low ones first; the highest bit says that more follow.
void put(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
// Small numbers of either sign become small ones.
void put_signed(std::string& out, std::int64_t value) {
  put(out, static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

class Numbers {
 public:
  explicit Numbers(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t next() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      out |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return out;
    }
    ok_ = false;
    return 0;
  }
  std::int64_t next_signed() {
    const auto value = next();
    return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  bool ok() const { return ok_; }
  bool more() const { return ok_ && !rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::int64_t seconds(base::Timestamp at) { return at.time_since_epoch() / std::chrono::seconds(1); }
base::Timestamp from_seconds(std::int64_t s) { return base::Timestamp(base::Duration(s * 1'000'000)); }

std::unexpected<base::Error> corrupt() { return base::fail(Errc::kCorrupt, "a stored roll-up is damaged"); }

}  // namespace

std::string_view period_name(UsagePeriod period) { return kPeriods[static_cast<std::size_t>(period)]; }

std::string sums_bytes(const UsageSums& sums) {
  std::string out(1, static_cast<char>(kVersion));
  for (auto it = sums.begin(); it != sums.end();) {
    const auto same = [&](const auto& other) {
      return other.period == it->first.period && other.place == it->first.place;
    };
    auto end = it;
    std::uint64_t count = 0;
    while (end != sums.end() && same(end->first)) ++end, ++count;
    put(out, static_cast<std::uint64_t>(it->first.period));
    put(out, static_cast<std::uint64_t>(it->first.place.value));
    put(out, count);
    std::int64_t before = 0;
    for (; it != end; ++it) {
      const auto& [key, values] = *it;
      put_signed(out, seconds(key.begin) - before);
      put(out, static_cast<std::uint64_t>(seconds(key.end) - seconds(key.begin)));
      put_signed(out, values.used);
      put_signed(out, values.estimated);
      put_signed(out, values.meters);
      put_signed(out, values.packets);
      before = seconds(key.end);
    }
  }
  return out;
}

base::Result<UsageSums> parse_sums(std::string_view bytes) {
  if (bytes.empty() || static_cast<std::uint8_t>(bytes.front()) != kVersion) return corrupt();
  Numbers in(bytes.substr(1));
  UsageSums out;
  while (in.more()) {
    const auto period = in.next();
    if (period >= kPeriods.size()) return corrupt();
    const UsagePlaceId place(static_cast<std::int64_t>(in.next()));
    std::int64_t before = 0;
    for (auto count = in.next(); count > 0 && in.ok(); --count) {
      const auto begin = before + in.next_signed();
      const auto end = begin + static_cast<std::int64_t>(in.next());
      UsageValues values;
      values.used = in.next_signed();
      values.estimated = in.next_signed();
      values.meters = in.next_signed();
      values.packets = in.next_signed();
      out[{static_cast<UsagePeriod>(period), place, from_seconds(begin), from_seconds(end)}] = values;
      before = end;
    }
  }
  if (!in.ok()) return corrupt();
  return out;
}

std::string spans_bytes(const MeterSpans& spans) {
  std::string out(1, static_cast<char>(kVersion));
  std::uint64_t before = 0;
  for (const auto& [meter, span] : spans) {
    put(out, meter - before);
    put_signed(out, span.first);
    put_signed(out, span.last - span.first);
    before = meter;
  }
  return out;
}

base::Result<MeterSpans> parse_spans(std::string_view bytes) {
  if (bytes.empty() || static_cast<std::uint8_t>(bytes.front()) != kVersion) return corrupt();
  Numbers in(bytes.substr(1));
  MeterSpans out;
  std::uint64_t meter = 0;
  while (in.more()) {
    meter += in.next();
    MeterSpan span;
    span.first = static_cast<std::int32_t>(in.next_signed());
    span.last = static_cast<std::int32_t>(span.first + in.next_signed());
    out.emplace_hint(out.end(), meter, span);
  }
  if (!in.ok()) return corrupt();
  return out;
}

std::string meters_bytes(const std::vector<std::uint64_t>& meters) {
  std::string out(1, static_cast<char>(kVersion));
  base::ByteWriter writer(out);
  for (const auto meter : meters) writer.number(meter);
  return out;
}

base::Result<std::vector<std::uint64_t>> parse_meters(std::string_view bytes) {
  base::ByteReader in(bytes);
  if (in.number<std::uint8_t>() != kVersion || in.remaining() % sizeof(std::uint64_t) != 0) return corrupt();
  std::vector<std::uint64_t> out;
  while (in.remaining() > 0) out.push_back(in.number<std::uint64_t>());
  return out;
}

}  // namespace meterhub::tables
