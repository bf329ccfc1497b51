#include <simdjson.h>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

#include "json_read.h"

namespace meterhub::lorawan {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kRadioTextMax = 32;   // datr, codr, modu
constexpr std::size_t kEnvelopeTextMax = 256;  // rid, ret
constexpr std::size_t kHintsMax = 4096;

// What one element said that is judged only when all its members are known.
struct Judged {
  std::optional<std::string_view> data;
  std::optional<double> size;
  bool crc_good = true;
};

void read_rate(dom::element value, Transmission& tx) {
  tx.datr = text_in(value, kRadioTextMax).value_or("");
  tx.datr_number = number_in(value);
}

// A name of four letters, as all of them are.
constexpr std::uint32_t name(std::string_view text) {
  std::uint32_t out = 0;
  for (const char c : text) out = out << 8 | static_cast<std::uint8_t>(c);
  return out;
}

void read_member(dom::key_value_pair member, Rxpk& out, Judged& judged) {
  const dom::element value = member.value;
  if (member.key.size() != 4) return;
  switch (name(member.key)) {
    case name("data"): judged.data = text_in(value, kBodySizeMax); return;
    case name("stat"): judged.crc_good = number_in(value) == 1.0; return;
    case name("size"): judged.size = number_in(value); return;
    case name("tmst"): out.tmst = uint32_in(value).value_or(0); return;
    case name("freq"): out.tx.freq = number_in(value); return;
    case name("modu"): out.tx.modu = text_in(value, kRadioTextMax).value_or(""); return;
    case name("datr"): read_rate(value, out.tx); return;
    case name("codr"): out.tx.codr = text_in(value, kRadioTextMax).value_or(""); return;
    case name("chan"): out.chan = number_in(value); return;
    case name("rfch"): out.rfch = number_in(value); return;
    case name("rssi"): out.rssi = number_in(value); return;
    case name("lsnr"): out.lsnr = number_in(value); return;
    case name("time"):
      if (const auto time = base::parse_rfc3339(text_in(value, kRadioTextMax).value_or(""))) out.time = *time;
      return;
    default: return;
  }
}

PacketError judge(const Judged& judged, Rxpk& out) {
  if (!judged.data) return PacketError::kJson;
  if (!judged.crc_good) return PacketError::kCrc;
  if (out.tx.modu != "LORA" && out.tx.modu != "FSK") return PacketError::kModulation;
  if (!base::base64_decode_lenient(*judged.data, out.phy)) return PacketError::kBase64;
  out.size_differs = judged.size && *judged.size != static_cast<double>(out.phy.size());
  return PacketError::kNone;
}

// As new, but for the frame's memory.
void clear(Rxpk& packet) {
  auto phy = std::move(packet.phy);
  phy.clear();
  packet = Rxpk{};
  packet.phy = std::move(phy);
}

void read_rxpk(dom::element element, Rxpk& out) {
  clear(out);
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) {
    out.error = PacketError::kJson;
    return;
  }
  Judged judged;
  for (const dom::key_value_pair member : object) read_member(member, out, judged);
  out.error = judge(judged, out);
}

PacketError read_packets(dom::element value, std::vector<Rxpk>& out) {
  dom::array elements;
  if (value.get(elements) != simdjson::SUCCESS) return PacketError::kJson;
  if (elements.size() > kReportPacketsMax) return PacketError::kBodySize;
  out.resize(elements.size());
  auto packet = out.begin();
  for (const dom::element element : elements) read_rxpk(element, *packet++);
  return PacketError::kNone;
}

void read_hints(dom::element value, std::vector<CounterHint>& out) {
  dom::array hints;
  if (value.get(hints) != simdjson::SUCCESS) return;
  for (const dom::element hint : hints) {
    if (out.size() == kHintsMax) return;
    dom::element address;
    dom::element fcnt;
    if (hint["a"].get(address) != simdjson::SUCCESS || hint["f"].get(fcnt) != simdjson::SUCCESS) continue;
    const auto bytes = base::hex_decode_array<4>(text_in(address, 8).value_or(""));
    const auto counter = uint32_in(fcnt);
    if (!bytes || !counter) continue;
    const auto& b = *bytes;
    out.push_back({base::DevAddr(std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3]), *counter});
  }
}

std::optional<RequestExtra> read_extra(dom::element value) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return std::nullopt;
  RequestExtra out;
  for (const dom::key_value_pair member : object) {
    if (member.key == "rid") out.rid = text_in(member.value, kEnvelopeTextMax).value_or("");
    if (member.key == "ret") out.answer_to = text_in(member.value, kEnvelopeTextMax).value_or("");
    if (member.key == "plugin") out.plugin = text_in(member.value, kEnvelopeTextMax).value_or("");
    if (member.key == "i0") out.first_index = uint32_in(member.value).value_or(0);
    if (member.key == "hint") read_hints(member.value, out.hints);
    if (member.key == "t") {
      if (const auto time = base::parse_rfc3339(text_in(member.value, kRadioTextMax).value_or(""))) out.time = *time;
    }
  }
  return out;
}

}  // namespace

struct ReportReader::Parser {
  dom::parser parser{kBodySizeMax};
  bool ready = parser.allocate(16 * 1024, kReportDepthMax) == simdjson::SUCCESS;

  // The root of one JSON object; its views live until the next call.
  PacketError parse(std::string_view json, dom::object& root) {
    if (json.size() > kBodySizeMax) return PacketError::kBodySize;
    const bool good = ready && !json.empty() && parser.parse(json.data(), json.size()).get(root) == simdjson::SUCCESS;
    return good ? PacketError::kNone : PacketError::kJson;
  }
};

ReportReader::ReportReader() : parser_(std::make_unique<Parser>()) {}
ReportReader::~ReportReader() = default;
ReportReader::ReportReader(ReportReader&&) noexcept = default;
ReportReader& ReportReader::operator=(ReportReader&&) noexcept = default;

namespace {

PacketError read_root(dom::object root, ExtraPolicy policy, Report& out) {
  // Of two members of one name the first counts, as in split_report().
  dom::element member;
  if (root["rxpk"].get(member) != simdjson::SUCCESS) {
    out.packets.clear();
  } else if (const PacketError error = read_packets(member, out.packets); error != PacketError::kNone) {
    return error;
  }
  if (root["stat"].get(member) == simdjson::SUCCESS && member.is_object()) out.stat = simdjson::minify(member);
  if (policy == ExtraPolicy::kIgnore) return PacketError::kNone;
  if (root["x"].get(member) == simdjson::SUCCESS) out.extra = read_extra(member);
  const bool raw = root["raw"].get(member) == simdjson::SUCCESS;
  if (raw && !base::base64_decode_lenient(text_in(member, kBodySizeMax).value_or(""), out.raw)) return PacketError::kBase64;
  return PacketError::kNone;
}

}  // namespace

PacketError ReportReader::read(std::string_view json, ExtraPolicy policy, Report& out) {
  out.stat.clear();
  out.extra.reset();
  out.raw.clear();
  dom::object root;
  PacketError error = parser_->parse(json, root);
  if (error == PacketError::kNone) error = read_root(root, policy, out);
  if (error != PacketError::kNone) out.packets.clear();
  return error;
}

namespace {

// Collects parts; one element or the status at a time.
class PartWriter {
 public:
  explicit PartWriter(std::size_t size_max) : size_max_(size_max) {}

  void add_packet(std::string_view text) {
    constexpr std::size_t kAround = sizeof(R"({"rxpk":[],})") - 1;
    const std::size_t held = packets_.size() + (stat_.empty() ? 0 : stat_.size() + sizeof(R"("stat":)"));
    if (count_ > 0 && held + text.size() + kAround > size_max_) finish();
    if (count_ > 0) packets_ += ',';
    packets_ += text;
    ++count_;
  }
  void set_stat(std::string text) { stat_ = std::move(text); }
  std::vector<ReportPart> take() {
    if (count_ > 0 || !stat_.empty() || parts_.empty()) finish();
    return std::move(parts_);
  }

 private:
  void finish() {
    ReportPart part{.first_index = first_, .count = count_, .members = {}};
    if (count_ > 0) part.members = "\"rxpk\":[" + packets_ + "]";
    if (!stat_.empty()) part.members += (count_ > 0 ? ",\"stat\":" : "\"stat\":") + stat_;
    parts_.push_back(std::move(part));
    first_ += count_;
    count_ = 0;
    packets_.clear();
    stat_.clear();
  }
  std::size_t size_max_;
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::string packets_;
  std::string stat_;
  std::vector<ReportPart> parts_;
};

}  // namespace

std::expected<std::vector<ReportPart>, PacketError> split_report(std::string_view json, std::size_t part_max) {
  dom::parser parser(kBodySizeMax);
  dom::object root;
  if (json.size() > kBodySizeMax) return std::unexpected(PacketError::kBodySize);
  const bool good = parser.allocate(json.size() + 1, kReportDepthMax) == simdjson::SUCCESS &&
                    !json.empty() && parser.parse(json.data(), json.size()).get(root) == simdjson::SUCCESS;
  if (!good) return std::unexpected(PacketError::kJson);
  PartWriter writer(part_max);
  dom::element member;
  if (root["stat"].get(member) == simdjson::SUCCESS && member.is_object()) writer.set_stat(simdjson::minify(member));
  if (root["rxpk"].get(member) != simdjson::SUCCESS) return writer.take();
  dom::array packets;
  if (member.get(packets) != simdjson::SUCCESS) return std::unexpected(PacketError::kJson);
  if (packets.size() > kReportPacketsMax) return std::unexpected(PacketError::kBodySize);
  for (const dom::element packet : packets) writer.add_packet(simdjson::minify(packet));
  return writer.take();
}

}  // namespace meterhub::lorawan
