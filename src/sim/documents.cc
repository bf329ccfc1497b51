#include <meterhub/sim/documents.h>

#include <map>
#include <string>

#include <fmt/format.h>

#include <meterhub/lorawan/answer.h>
#include <meterhub/meter/reading.h>

#include "document_fleet.h"

namespace meterhub::sim {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;
constexpr std::uint8_t kPort = 1;

// A file that is written in blocks.
class BlockFile {
 public:
  static base::Result<BlockFile> create(base::Disk& disk, const std::string& path) {
    MH_TRY_VOID(disk.write(path, {}));
    return BlockFile(disk, path);
  }
  base::Result<void> add(std::string_view text) {
    block_ += text;
    return block_.size() < kBlockBytes ? base::Result<void>() : flush();
  }
  base::Result<void> flush() {
    const auto done = disk_->append(path_, block_);
    block_.clear();
    return done;
  }

 private:
  BlockFile(base::Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}

  base::Disk* disk_;
  std::string path_;
  std::string block_;
};

// Documents that wait until nothing can arrive before them.
class InOrder {
 public:
  explicit InOrder(BlockFile file) : file_(std::move(file)) {}

  void add(base::Timestamp arrival, std::string document) { waiting_.emplace(arrival, std::move(document)); }
  base::Result<void> give(base::Timestamp until) {
    while (!waiting_.empty() && waiting_.begin()->first < until) {
      MH_TRY_VOID(file_.add(waiting_.begin()->second));
      waiting_.erase(waiting_.begin());
    }
    return {};
  }
  base::Result<void> finish() {
    MH_TRY_VOID(give(base::Timestamp::max()));
    return file_.flush();
  }

 private:
  BlockFile file_;
  std::multimap<base::Timestamp, std::string> waiting_;
};

base::Bytes payload_of(const DocumentPacket& packet) {
  if (!packet.decodable) return {0xDE, 0xAD, 0xBE, 0xEF};
  meter::MeterState state;
  state.bought_litres = packet.bought;
  state.left_litres = packet.left;
  state.used_litres = packet.used;
  state.status = packet.status;
  state.version = packet.version;
  const auto bytes = meter::encode_v1(state);
  return {bytes.begin(), bytes.end()};
}

class Writer {
 public:
  Writer(const DocumentFleet& fleet, BlockFile readings, BlockFile decoded, BlockFile truth)
      : fleet_(fleet), readings_(std::move(readings)), decoded_(std::move(decoded)), truth_(std::move(truth)) {}

  base::Result<void> add(const DocumentPacket& packet);
  base::Result<void> finish(const DocumentOptions& options);
  const DocumentCounts& counts() const { return counts_; }

 private:
  void fill(const DocumentPacket& packet);
  std::string document(const DocumentPacket& packet, const DocumentCopy& copy);
  std::string truth_of(const DocumentPacket& packet) const;
  base::Result<void> add_incidents();

  const DocumentFleet& fleet_;
  InOrder readings_, decoded_;
  BlockFile truth_;
  DocumentCounts counts_;
  lorawan::Answer answer_;   // of the packet at hand
  meter::Reading reading_;
  bool decoded_well_ = false;
};

// What all copies of the packet have in common.
void Writer::fill(const DocumentPacket& packet) {
  const auto& meter = fleet_.meter(packet.meter);
  answer_.kind = lorawan::AnswerKind::kApp;
  answer_.device = meter.eui;
  answer_.fcnt = packet.fcnt;
  answer_.port = kPort;
  answer_.payload = payload_of(packet);
  answer_.tx.freq = 470.3 + 0.2 * (8 * (meter.building % 12));
  answer_.tx.modu = "LORA";
  answer_.tx.datr = "SF7BW125";
  answer_.tx.codr = "4/5";
  answer_.tx.adr = true;
  decoded_well_ = meter::decode(*meter::builtin_profile("v1"), answer_.payload, reading_).has_value();
}

std::string Writer::document(const DocumentPacket& packet, const DocumentCopy& copy) {
  lorawan::Reception reception;
  reception.gateway = fleet_.town().gateways[copy.gateway].eui;
  reception.time = copy.time;
  reception.time_from_gateway = fleet_.town().gateways[copy.gateway].clock == GatewayClock::kGps;
  reception.chan = 0;
  reception.rfch = 0;
  reception.rssi = -62.0 - 12 * copy.rank;
  reception.lsnr = 10.0 - 3.5 * copy.rank;
  answer_.receptions.assign(1, reception);
  std::string origin, out;
  lorawan::append_origin(origin, answer_);
  meter::append_document(out, origin, packet.decodable && decoded_well_ ? &reading_ : nullptr, copy.time);
  out.pop_back();  // the brace
  return out + fmt::format(",\"EventEnqueuedUtcTime\":\"{}\"}}\n", base::rfc3339(base::PreciseTime{copy.arrival, 6}));
}

std::string Writer::truth_of(const DocumentPacket& packet) const {
  const auto time =
      packet.copies.empty() ? std::string("null") : fmt::format("\"{}\"", base::rfc3339(packet.copies.front().time));
  return fmt::format(
      R"({{"packet":{},"meter":"{}","seq":{},"air":"{}","time":{},"receptions":{},"decodable":{},"bought":{},"left":{},"used":{},)"
      R"("status":{},"version":"{}","burnt":{}}})"
      "\n",
      packet.number, fleet_.meter(packet.meter).eui.text(), packet.fcnt,
      base::rfc3339(base::PreciseTime{packet.air, 6}), time, packet.copies.size(), packet.decodable, packet.bought,
      packet.left, packet.used, packet.status, packet.version, packet.burnt);
}

base::Result<void> Writer::add(const DocumentPacket& packet) {
  ++counts_.packets;
  MH_TRY_VOID(truth_.add(truth_of(packet)));
  if (!packet.copies.empty()) fill(packet);
  for (std::size_t i = 0; i < packet.copies.size(); ++i) {
    const auto text = document(packet, packet.copies[i]);
    const auto arrival = packet.copies[i].arrival;
    decoded_.add(arrival, text);
    if (i == 0) readings_.add(arrival, text);
  }
  counts_.heard += packet.copies.empty() ? 0 : 1;
  counts_.receptions += packet.copies.size();
  MH_TRY_VOID(decoded_.give(packet.air));
  return readings_.give(packet.air);
}

base::Result<void> Writer::add_incidents() {
  const auto line = [&](std::string_view name, std::uint32_t meter, base::Timestamp from, base::Timestamp until,
                        std::uint32_t litres) {
    ++counts_.incidents;
    return truth_.add(fmt::format(R"({{"incident":"{}","meter":"{}","from":"{}","until":"{}","litres":{}}})"
                                  "\n",
                                  name, fleet_.meter(meter).eui.text(), base::rfc3339(from), base::rfc3339(until),
                                  litres));
  };
  for (const auto& one : fleet_.incidents())
    MH_TRY_VOID(line(incident_name(one.kind), one.meter, one.from, one.until, one.litres));
  for (const auto& spell : fleet_.low_spells())
    MH_TRY_VOID(line("low", spell.meter, spell.from, spell.until, fleet_.low_limit(spell.meter)));
  return {};
}

base::Result<void> Writer::finish(const DocumentOptions& options) {
  MH_TRY_VOID(readings_.finish());
  MH_TRY_VOID(decoded_.finish());
  MH_TRY_VOID(add_incidents());
  MH_TRY_VOID(truth_.add(fmt::format(R"({{"run":{{"seed":{},"meters":{},"begin":"{}","end":"{}","interval_ms":{}}}}})"
                                     "\n",
                                     options.seed, options.meters, base::rfc3339(options.begin),
                                     base::rfc3339(options.begin + options.span), options.interval.count())));
  return truth_.flush();
}

// One meter in fifty was hung up yesterday and is in no list yet; two companies share the town.
std::string reference_csv(const DocumentFleet& fleet, std::uint32_t meters) {
  constexpr std::uint32_t kUnlisted = 50;
  std::string out = "DeviceID,Building,District,Tenant,LowLimit\n";
  for (std::uint32_t i = 0; i < meters; ++i) {
    if (i % kUnlisted == kUnlisted - 1) continue;
    const auto& meter = fleet.meter(i);
    const auto& building = fleet.town().buildings[meter.building];
    out +=
        fmt::format("{},{},{},{}{},{:.1f}\n", meter.eui.text(), building.name, building.district,
                    fleet.town().options.tenant, meter.building % 2 == 0 ? "" : " East", fleet.low_limit(i) / 1'000.0);
  }
  return out;
}

}  // namespace

base::Result<DocumentCounts> write_documents(const DocumentOptions& options, base::Disk& disk,
                                             const std::string& directory) {
  auto fleet = MH_TRY(DocumentFleet::create(options));
  MH_TRY_VOID(disk.make_directories(directory));
  MH_TRY_VOID(disk.write(base::join_path(directory, "Meters.csv"), reference_csv(fleet, options.meters)));
  const auto file = [&](std::string_view name) { return BlockFile::create(disk, base::join_path(directory, name)); };
  Writer writer(fleet, MH_TRY(file("readings.jsonl")), MH_TRY(file("decoded.jsonl")), MH_TRY(file("truth.jsonl")));
  while (const auto packet = fleet.next()) MH_TRY_VOID(writer.add(*packet));
  MH_TRY_VOID(writer.finish(options));
  return writer.counts();
}

}  // namespace meterhub::sim
