// Bytes: docs/formats/sent.md.
#include <meterhub/sim/sent_file.h>

#include <algorithm>
#include <optional>
#include <type_traits>

#include <meterhub/base/assert.h>
#include <meterhub/base/byte_io.h>

namespace meterhub::sim {
namespace {

using base::ByteReader;
using base::ByteWriter;

constexpr std::string_view kMagic = "MHSENT\n\x01";  // the last byte is the version
constexpr std::size_t kListMax = 4'096;              // packets or gateways of one record

std::int64_t count(base::Timestamp time) { return time.time_since_epoch().count(); }
base::Timestamp time(ByteReader& in) { return base::Timestamp(base::Duration(in.number<std::int64_t>())); }

template <class T>
void write_list(ByteWriter& out, const std::vector<T>& items) {
  MH_ASSERT(items.size() <= kListMax);
  out.number(static_cast<std::uint16_t>(items.size()));
  for (const auto item : items) out.number(item);
}
template <class T>
std::vector<T> read_list(ByteReader& in) {
  std::vector<T> items;
  for (auto left = in.number<std::uint16_t>(); left > 0 && in.ok(); --left) items.push_back(in.number<T>());
  return items;
}
void write_key(ByteWriter& out, const lorawan::AesKey& key) { out.raw(base::as_text(key)); }
lorawan::AesKey read_key(ByteReader& in) {
  lorawan::AesKey key{};
  const auto bytes = in.raw(key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

void write(ByteWriter& out, const SentTown& r) {
  out.number(r.seed);
  out.number(r.meters);
  out.number(r.meters_per_gateway);
  out.number(r.otaa_meters);
  out.text(r.tenant);
  out.number(count(r.begun));
}
void read(ByteReader& in, SentTown& r) {
  r.seed = in.number<std::uint64_t>();
  r.meters = in.number<std::uint32_t>();
  r.meters_per_gateway = in.number<std::uint32_t>();
  r.otaa_meters = in.number<std::uint32_t>();
  r.tenant = in.text();
  r.begun = time(in);
}

void write(ByteWriter& out, const SentGateway& r) {
  out.number(r.eui.value);
  out.text(r.id);
}
void read(ByteReader& in, SentGateway& r) {
  r.eui = base::Eui64(in.number<std::uint64_t>());
  r.id = in.text();
}

void write(ByteWriter& out, const SentPacket& r) {
  out.number(r.number);
  out.number(r.meter.value);
  out.number(r.session.value);
  out.number(r.generation.value);
  out.number(r.fcnt);
  out.number(count(r.time));
  out.number(r.bought_litres);
  out.number(r.left_litres);
  out.number(r.used_litres);
  out.number(r.status);
  out.raw({r.version.data(), r.version.size()});
  out.number(static_cast<std::uint8_t>((r.undecodable ? 1 : 0) | (r.time_certain ? 2 : 0)));
  write_list(out, r.heard_by);
}
void read(ByteReader& in, SentPacket& r) {
  r.number = in.number<std::uint64_t>();
  r.meter = base::Eui64(in.number<std::uint64_t>());
  r.session = base::SessionNumber(in.number<std::uint32_t>());
  r.generation = base::Generation(in.number<std::uint32_t>());
  r.fcnt = in.number<std::uint32_t>();
  r.time = time(in);
  r.bought_litres = in.number<std::uint32_t>();
  r.left_litres = in.number<std::int32_t>();
  r.used_litres = in.number<std::uint32_t>();
  r.status = in.number<std::uint16_t>();
  const auto version = in.raw(r.version.size());
  std::copy(version.begin(), version.end(), r.version.begin());
  const auto flags = in.number<std::uint8_t>();
  r.undecodable = (flags & 1) != 0;
  r.time_certain = (flags & 2) != 0;
  r.heard_by = read_list<std::uint32_t>(in);
}

void write(ByteWriter& out, const SentDelivery& r) {
  out.number(r.number);
  out.number(r.gateway);
  write_list(out, r.packets);
}
void read(ByteReader& in, SentDelivery& r) {
  r.number = in.number<std::uint64_t>();
  r.gateway = in.number<std::uint32_t>();
  r.packets = read_list<std::uint64_t>(in);
}

void write(ByteWriter& out, const SentEnd& r) {
  out.number(r.delivery);
  out.number(static_cast<std::uint8_t>(r.end));
}
void read(ByteReader& in, SentEnd& r) {
  r.delivery = in.number<std::uint64_t>();
  r.end = static_cast<DeliveryEnd>(in.number<std::uint8_t>());
}

void write(ByteWriter& out, const SentJoinRequest& r) {
  out.number(r.meter.value);
  out.number(r.dev_nonce);
}
void read(ByteReader& in, SentJoinRequest& r) {
  r.meter = base::Eui64(in.number<std::uint64_t>());
  r.dev_nonce = in.number<std::uint16_t>();
}

void write(ByteWriter& out, const SentJoined& r) {
  out.number(r.meter.value);
  out.number(r.session.value);
  out.number(r.dev_addr.value);
  write_key(out, r.nwk_skey);
  write_key(out, r.app_skey);
}
void read(ByteReader& in, SentJoined& r) {
  r.meter = base::Eui64(in.number<std::uint64_t>());
  r.session = base::SessionNumber(in.number<std::uint32_t>());
  r.dev_addr = base::DevAddr(in.number<std::uint32_t>());
  r.nwk_skey = read_key(in);
  r.app_skey = read_key(in);
}

void write(ByteWriter& out, const SentFault& r) {
  out.number(r.kind);
  out.number(r.subject);
  out.number(count(r.time));
}
void read(ByteReader& in, SentFault& r) {
  r.kind = in.number<std::uint8_t>();
  r.subject = in.number<std::uint32_t>();
  r.time = time(in);
}

void write(ByteWriter& out, const SentFields& r) {
  out.number(r.packet);
  out.number(r.columns);
  write_list(out, r.values);
}
void read(ByteReader& in, SentFields& r) {
  r.packet = in.number<std::uint64_t>();
  r.columns = in.number<std::uint8_t>();
  r.values = read_list<std::int64_t>(in);
}

// The variant's index is the record's type on disk.
template <std::size_t I = 0>
std::optional<SentRecord> decode(std::size_t type, std::string_view content) {
  if constexpr (I == std::variant_size_v<SentRecord>) {
    return std::nullopt;
  } else {
    if (type != I) return decode<I + 1>(type, content);
    ByteReader in(content);
    std::variant_alternative_t<I, SentRecord> record;
    read(in, record);
    if (!in.ok() || in.remaining() != 0) return std::nullopt;
    return SentRecord(std::move(record));
  }
}

// The next record of `rest`, which moves past it; nothing at the end or at damage.
std::optional<SentRecord> next_record(std::string_view& rest) {
  ByteReader in(rest);
  const auto size = in.number<std::uint16_t>();
  const auto content = in.raw(size);
  const auto checksum = in.number<std::uint32_t>();
  if (!in.ok() || content.empty() || base::crc32c(content) != checksum) return std::nullopt;
  auto record = decode(static_cast<unsigned char>(content[0]), content.substr(1));
  if (record) rest.remove_prefix(rest.size() - in.remaining());
  return record;
}

}  // namespace

base::Result<SentWriter> SentWriter::open(base::Disk& disk, std::string path, std::uint64_t valid_bytes) {
  if (valid_bytes == 0) {
    MH_TRY_VOID(disk.write(path, kMagic));
  } else if (MH_TRY(disk.size(path)) != valid_bytes) {
    auto content = MH_TRY(disk.read(path));
    content.resize(valid_bytes);
    MH_TRY_VOID(disk.replace_durably(path, content));
  }
  return SentWriter(disk, std::move(path));
}

void SentWriter::add(const SentRecord& record) {
  std::string content(1, static_cast<char>(record.index()));
  ByteWriter inner(content);
  std::visit([&](const auto& r) { write(inner, r); }, record);
  ByteWriter out(buffer_);
  out.number(static_cast<std::uint16_t>(content.size()));
  out.raw(content);
  out.number(base::crc32c(content));
}

base::Result<void> SentWriter::flush() {
  if (buffer_.empty()) return {};
  MH_TRY_VOID(disk_->append(path_, buffer_));
  buffer_.clear();
  return {};
}

base::Result<std::uint64_t> read_sent(const base::Disk& disk, const std::string& path,
                                      const std::function<void(const SentRecord&)>& visit) {
  const auto content = MH_TRY(disk.read(path));
  std::string_view rest(content);
  if (!rest.starts_with(kMagic)) return base::fail(base::Errc::kCorrupt, path + ": not a file of sent packets");
  rest.remove_prefix(kMagic.size());
  while (const auto record = next_record(rest)) visit(*record);
  return content.size() - rest.size();
}

namespace {

// Collects records into the whole truth.
class TruthLoader {
 public:
  explicit TruthLoader(SentTruth& truth) : truth_(truth) {}

  void operator()(const SentTown& r) { truth_.town = r; }
  void operator()(const SentGateway& r) { truth_.gateways.push_back(r); }
  void operator()(const SentPacket& r) {
    truth_.lost_on_air += r.heard_by.empty() ? 1 : 0;
    truth_.packets.push_back({.packet = r});
  }
  void operator()(const SentDelivery& r) {
    truth_.deliveries += 1;
    packets_of_.push_back(r.packets);
    each_packet(r.packets, [](SentOutcome& o) { ++o.deliveries; });
  }
  void operator()(const SentEnd& r) {
    if (r.end != DeliveryEnd::kSettled || r.delivery >= packets_of_.size()) return;
    truth_.settled_deliveries += 1;
    each_packet(packets_of_[r.delivery], [](SentOutcome& o) { ++o.settled; });
  }
  void operator()(const SentJoinRequest&) {}
  void operator()(const SentJoined&) {}
  void operator()(const SentFault& r) { truth_.faults.push_back(r); }
  void operator()(const SentFields& r) {
    if (r.packet < truth_.packets.size()) truth_.packets[r.packet].columns = r.columns;
  }

 private:
  template <class F>
  void each_packet(const std::vector<std::uint64_t>& numbers, F change) {
    for (const auto number : numbers) {
      if (number < truth_.packets.size()) change(truth_.packets[number]);
    }
  }
  SentTruth& truth_;
  std::vector<std::vector<std::uint64_t>> packets_of_;  // by delivery
};

}  // namespace

base::Result<SentTruth> load_sent(const base::Disk& disk, const std::string& path) {
  SentTruth truth;
  TruthLoader loader(truth);
  MH_TRY_VOID(read_sent(disk, path, [&](const SentRecord& record) { std::visit(loader, record); }));
  return truth;
}

}  // namespace meterhub::sim
