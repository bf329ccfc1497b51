#include <meterhub/log/record_format.h>

#include <lz4.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <meterhub/base/assert.h>

#include "crc32c.h"
#include "varint.h"

namespace meterhub::log {
namespace {

// Flags of a record: truths, and which fields follow. docs/formats/record.md.
enum Flag : std::uint32_t {
  kLate = 1u << 0,
  kStale = 1u << 1,
  kRedo = 1u << 2,
  kUndecoded = 1u << 3,
  kSince = 1u << 4,
  kKey = 1u << 5,
  kSections = 1u << 6,
  kGateway = 1u << 7,
  kOrigin = 1u << 8,
  kTime = 1u << 9,
  kMeter = 1u << 10,
  kTenant = 1u << 11,
  kSession = 1u << 12,
  kGeneration = 1u << 13,
  kFcnt = 1u << 14,
  kMic = 1u << 15,
  kReason = 1u << 16,
  kUnproven = 1u << 17,
  kHeartbeat = 1u << 18,
  kKnown = (1u << 19) - 1,
};

enum class Codec : std::uint8_t { kPlain = 0, kLz4 = 1 };

constexpr std::size_t kChecksum = 4;              // of all that follows it
constexpr std::size_t kHeader = kChecksum + 2;    // then version and codec
constexpr std::array<std::uint8_t, 4> kNoMic{};
constexpr std::size_t kBesideRecord = 48;  // bytes of memory a record costs beside its own

std::uint32_t bit(bool present, Flag flag) { return present ? flag : 0u; }

std::uint32_t flags_of(const RecordParts& record) {
  const auto& p = record.properties;
  return bit(p.late, kLate) | bit(p.stale, kStale) | bit(p.redo, kRedo) | bit(p.undecoded, kUndecoded) |
         bit(p.unproven, kUnproven) | bit(p.heartbeat, kHeartbeat) | bit(!record.key.empty(), kKey) |
         bit(!record.sections.empty(), kSections) | bit(!p.gateway.empty(), kGateway) |
         bit(p.origin != Origin{}, kOrigin) | bit(p.time != base::Timestamp{}, kTime) |
         bit(p.meter.value != 0, kMeter) | bit(p.tenant.value != 0, kTenant) | bit(p.session.value != 0, kSession) |
         bit(p.generation.value != 0, kGeneration) | bit(p.fcnt != 0, kFcnt) | bit(p.mic != kNoMic, kMic) |
         bit(!p.reason.empty(), kReason);
}

// Times may lie before 1970 in a gateway's wrong clock: zigzag keeps them short.
void put_time(std::string& out, base::Timestamp time) {
  const auto value = time.time_since_epoch().count();
  put_varint(out, static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
}

base::Timestamp get_time(Reader& in) {
  const auto value = in.varint();
  return base::Timestamp(base::Duration(static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1))));
}

void put_origin(std::string& out, const Origin& origin) {
  put_text(out, origin.log);
  put_varint(out, origin.partition.value);
  put_varint(out, origin.offset.value);
  put_varint(out, origin.index);
  put_time(out, origin.enqueued);
}

void get_origin(Reader& in, Origin& out) {
  out.log = in.text();
  out.partition = base::PartitionId(in.small());
  out.offset = base::Offset(in.varint());
  out.index = in.small();
  out.enqueued = get_time(in);
}

void put_numbers(std::string& out, std::uint32_t flags, const Properties& p) {
  if (flags & kMeter) put_varint(out, p.meter.value);
  if (flags & kTenant) put_varint(out, p.tenant.value);
  if (flags & kSession) put_varint(out, p.session.value);
  if (flags & kGeneration) put_varint(out, p.generation.value);
  if (flags & kFcnt) put_varint(out, p.fcnt);
  if (flags & kMic) out.append(reinterpret_cast<const char*>(p.mic.data()), p.mic.size());
}

void get_numbers(Reader& in, std::uint32_t flags, Properties& p) {
  p.meter = base::MeterNumber(flags & kMeter ? in.small() : 0);
  p.tenant = base::TenantNumber(flags & kTenant ? in.small() : 0);
  p.session = base::SessionNumber(flags & kSession ? in.small() : 0);
  p.generation = base::Generation(flags & kGeneration ? in.small() : 0);
  p.fcnt = flags & kFcnt ? in.small() : 0;
  p.mic = kNoMic;
  if (flags & kMic) std::ranges::copy(in.bytes(p.mic.size()), p.mic.begin());
}

struct Header {
  Codec codec{};
  std::uint32_t checksum = 0;
  std::uint32_t count = 0;
  base::Timestamp base{};
  base::Timestamp newest{};
  std::size_t raw_size = 0;
  std::string_view payload;
};

std::unexpected<base::Error> corrupt(std::string_view what) {
  return base::fail(base::Errc::kCorrupt, "stored records: " + std::string(what));
}

// `base` and so many microseconds more: no more than can be taken off again, also from a base before 1970.
base::Result<base::Timestamp> time_behind(base::Timestamp base, std::uint64_t more) {
  std::int64_t sum = 0;
  const bool fits = std::in_range<std::int64_t>(more);
  if (!fits || __builtin_add_overflow(base.time_since_epoch().count(), more, &sum))
    return corrupt("a time that no clock shows");
  return base::Timestamp(base::Duration(sum));
}

base::Result<Header> parse_header(std::string_view stored) {
  if (stored.size() < kHeader) return corrupt("shorter than a header");
  if (static_cast<std::uint8_t>(stored[kChecksum]) != kBlockVersion) return corrupt("unknown version");
  Header out;
  out.codec = Codec{static_cast<std::uint8_t>(stored[kChecksum + 1])};
  std::memcpy(&out.checksum, stored.data(), kChecksum);
  Reader in(stored.substr(kHeader));
  out.count = in.small();
  out.base = get_time(in);
  out.newest = MH_TRY(time_behind(out.base, in.varint()));
  out.raw_size = in.varint();
  out.payload = in.rest();
  if (!in.ok() || out.raw_size > kBlockLimit) return corrupt("header");
  return out;
}

base::Result<std::string> unpack(const Header& header) {
  if (header.codec == Codec::kPlain) {
    if (header.payload.size() != header.raw_size) return corrupt("length");
    return std::string(header.payload);
  }
  if (header.codec != Codec::kLz4 || header.payload.size() > kBlockLimit) return corrupt("unknown compression");
  std::string raw(header.raw_size, '\0');
  const int size = LZ4_decompress_safe(header.payload.data(), raw.data(), static_cast<int>(header.payload.size()),
                                       static_cast<int>(raw.size()));
  if (size < 0 || static_cast<std::size_t>(size) != raw.size()) return corrupt("compressed bytes");
  return raw;
}

// Appends the records compressed; false when that would not be smaller.
bool append_compressed(std::string& out, std::string_view raw) {
  const std::size_t at = out.size();
  int size = 0;
  out.resize_and_overwrite(at + raw.size(), [&](char* bytes, std::size_t) {
    size = LZ4_compress_default(raw.data(), bytes + at, static_cast<int>(raw.size()), static_cast<int>(raw.size()));
    return at + static_cast<std::size_t>(std::max(size, 0));
  });
  return size > 0;
}

// What a record is but for flags and enqueue time.
void put_fields(std::string& out, std::uint32_t flags, const RecordParts& record) {
  const auto& p = record.properties;
  if (flags & kKey) put_text(out, record.key);
  if (flags & kSections) put_text(out, record.sections);
  if (flags & kGateway) put_text(out, p.gateway);
  if (flags & kOrigin) put_origin(out, p.origin);
  if (flags & kTime) put_time(out, p.time);
  put_numbers(out, flags, p);
  if (flags & kReason) put_text(out, p.reason);
  put_text(out, record.body);
}

void put_head(std::string& out, std::uint32_t flags, base::Duration since) {
  MH_ASSERT(since.count() >= 0);
  put_varint(out, flags | bit(since.count() != 0, kSince));
  if (since.count() != 0) put_varint(out, static_cast<std::uint64_t>(since.count()));
}

}  // namespace

std::size_t approximate_size(const NewRecord& record) {
  return record.key.size() + record.sections.size() + record.body.size() + kBesideRecord;
}

void encode_record(std::string& out, const RecordParts& record, base::Duration since) {
  const auto flags = flags_of(record);
  put_head(out, flags, since);
  put_fields(out, flags, record);
}

void encode_record(std::string& out, EncodedRecord record, base::Duration since) {
  put_head(out, record.flags, since);
  out += record.fields;
}

void Appends::add(TopicPartition to, const RecordParts& record) {
  const auto flags = flags_of(record);
  put_fields(fields_, flags, record);
  places_.push_back({to, flags, fields_.size()});
}

EncodedRecord Appends::record(std::size_t i) const {
  return {places_[i].flags, std::string_view(fields_).substr(begin(i), places_[i].end - begin(i))};
}

std::size_t Appends::bytes(std::size_t i) const { return places_[i].end - begin(i) + kBesideRecord; }
std::size_t Appends::bytes() const { return fields_.size() + places_.size() * kBesideRecord; }

void Appends::reserve(std::size_t records, std::size_t bytes) {
  places_.reserve(records);
  fields_.reserve(bytes);
}

base::Result<void> decode_record(std::string_view& bytes, base::Timestamp base, RecordView& out) {
  Reader in(bytes);
  const auto flags = in.small();
  if (flags & ~kKnown) return corrupt("unknown flags");
  auto& p = out.properties;
  p.late = flags & kLate;
  p.stale = flags & kStale;
  p.redo = flags & kRedo;
  p.undecoded = flags & kUndecoded;
  p.unproven = flags & kUnproven;
  p.heartbeat = flags & kHeartbeat;
  out.enqueued = MH_TRY(time_behind(base, flags & kSince ? in.varint() : 0));
  out.key = flags & kKey ? in.text() : std::string_view{};
  out.sections = flags & kSections ? in.text() : std::string_view{};
  p.gateway = flags & kGateway ? in.text() : std::string_view{};
  if (flags & kOrigin) get_origin(in, p.origin);
  else p.origin = {};
  p.time = flags & kTime ? get_time(in) : base::Timestamp{};
  get_numbers(in, flags, p);
  p.reason = flags & kReason ? in.text() : std::string_view{};
  out.body = in.text();
  if (!in.ok()) return corrupt("a record is cut short");
  bytes = in.rest();
  return {};
}

BlockBuilder::BlockBuilder(base::Offset first, base::Timestamp base) {
  block_.first = first;
  block_.base = base;
  block_.newest = base;
}

void BlockBuilder::add(EncodedRecord record, base::Timestamp enqueued) {
  MH_ASSERT(enqueued >= block_.newest);
  block_.newest = enqueued;
  ++block_.count;
  encode_record(block_.records, record, enqueued - block_.base);
}

void encode_block(const Block& block, std::string& out) {
  out.assign(kHeader, '\0');
  put_varint(out, block.count);
  put_time(out, block.base);
  put_varint(out, static_cast<std::uint64_t>((block.newest - block.base).count()));
  put_varint(out, block.records.size());

  auto codec = Codec::kLz4;
  if (!append_compressed(out, block.records)) {
    codec = Codec::kPlain;
    out += block.records;
  }
  out[kChecksum] = static_cast<char>(kBlockVersion);
  out[kChecksum + 1] = static_cast<char>(codec);
  const auto checksum = crc32c(std::string_view(out).substr(kChecksum));
  std::memcpy(out.data(), &checksum, kChecksum);
}

base::Result<Block> decode_block(base::Offset first, std::string_view stored) {
  const auto header = MH_TRY(parse_header(stored));
  if (crc32c(stored.substr(kChecksum)) != header.checksum) return corrupt("checksum");
  Block out;
  out.first = first;
  out.count = header.count;
  out.base = header.base;
  out.newest = header.newest;
  out.records = MH_TRY(unpack(header));
  return out;
}

base::Result<base::Timestamp> block_base_time(std::string_view stored) { return MH_TRY(parse_header(stored)).base; }

base::Result<void> BlockReader::next(RecordView& out) {
  MH_ASSERT(!at_end());
  MH_TRY_VOID(decode_record(rest_, block_->base, out));
  out.offset = next_;
  next_ = base::Offset(next_.value + 1);
  return {};
}

}  // namespace meterhub::log
