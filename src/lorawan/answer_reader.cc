#include <simdjson.h>

#include <meterhub/base/encoding.h>
#include <meterhub/lorawan/answer.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

#include "json_read.h"

namespace meterhub::lorawan {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kTextMax = 256;

std::unexpected<base::Error> refuse(const char* why) { return base::fail(base::Errc::kInvalidArgument, why); }

// A member that is there and not null.
std::optional<dom::element> member(dom::object object, std::string_view name) {
  dom::element value;
  if (object.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}
std::optional<dom::object> object_member(dom::object object, std::string_view name) {
  const auto value = member(object, name);
  dom::object out;
  if (!value || value->get(out) != simdjson::SUCCESS) return std::nullopt;
  return out;
}
std::string_view text_member(dom::object object, std::string_view name, std::size_t size_max = kTextMax) {
  const auto value = member(object, name);
  return value ? text_in(*value, size_max).value_or("") : "";
}
std::optional<double> number_member(dom::object object, std::string_view name) {
  const auto value = member(object, name);
  return value ? number_in(*value) : std::nullopt;
}
std::optional<std::uint32_t> uint_member(dom::object object, std::string_view name) {
  const auto value = member(object, name);
  return value ? uint32_in(*value) : std::nullopt;
}
bool true_member(dom::object object, std::string_view name) {
  const auto value = member(object, name);
  bool out = false;
  return value && value->get(out) == simdjson::SUCCESS && out;
}

base::Result<Reception> read_reception(dom::element element) {
  dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return refuse("a reception is not an object");
  Reception out;
  out.gateway = MH_TRY(base::Eui64::parse(text_member(object, "eui")));
  out.time = MH_TRY(base::parse_rfc3339(text_member(object, "time")));
  out.time_from_gateway = true_member(object, "timefromgateway");
  out.chan = number_member(object, "chan");
  out.rfch = number_member(object, "rfch");
  out.rssi = number_member(object, "rssi");
  out.lsnr = number_member(object, "lsnr");
  return out;
}

// An array, or one reception as an object.
base::Result<std::vector<Reception>> read_receptions(dom::object object) {
  std::vector<Reception> out;
  const auto value = member(object, "gwrx");
  if (!value) return refuse("gwrx is missing");
  dom::array entries;
  if (value->get(entries) != simdjson::SUCCESS) {
    out.push_back(MH_TRY(read_reception(*value)));
    return out;
  }
  if (entries.size() > kReportPacketsMax) return refuse("too many receptions");
  for (const dom::element entry : entries) out.push_back(MH_TRY(read_reception(entry)));
  if (out.empty()) return refuse("gwrx is empty");
  return out;
}

Transmission read_transmission(dom::object object) {
  Transmission out;
  out.freq = number_member(object, "freq");
  out.modu = text_member(object, "modu");
  if (out.modu.empty()) out.modu = text_member(object, "mode");
  out.datr = text_member(object, "datr");
  out.datr_number = number_member(object, "datr");
  out.codr = text_member(object, "codr");
  out.adr = true_member(object, "adr");
  return out;
}

// What app and mote have in common; `inner` is userdata, or the mote itself.
base::Result<void> read_device(dom::object outer, dom::object inner, Answer& out) {
  if (const auto dir = text_member(outer, "dir"); !dir.empty() && dir != "up") return refuse("not an uplink");
  out.device = MH_TRY(base::Eui64::parse(text_member(outer, "moteeui")));
  auto seqno = uint_member(inner, "seqno");
  if (!seqno) seqno = uint_member(outer, "seqno");
  if (!seqno) return refuse("seqno is missing");
  out.fcnt = *seqno;
  if (const auto port = uint_member(inner, "port"); port && *port <= 255) out.port = static_cast<std::uint8_t>(*port);
  auto motetx = object_member(outer, "motetx");
  if (!motetx) motetx = object_member(inner, "motetx");
  if (motetx) out.tx = read_transmission(*motetx);
  out.receptions = MH_TRY(read_receptions(outer));
  return {};
}

base::Result<base::Bytes> read_bytes(dom::object object, std::string_view name) {
  const auto value = member(object, name);
  const auto text = value ? text_in(*value, kBodySizeMax) : std::nullopt;
  if (!text) return refuse("the payload is missing");
  return base::base64_decode_lenient(*text);
}

base::Result<void> read_app(dom::object app, Answer& out) {
  out.kind = AnswerKind::kApp;
  const auto userdata = object_member(app, "userdata");
  if (!userdata) return refuse("userdata is missing");
  out.payload = MH_TRY(read_bytes(*userdata, "payload"));
  return read_device(app, *userdata, out);
}

base::Result<void> read_mote(dom::object mote, Answer& out) {
  out.kind = AnswerKind::kMote;
  if (member(mote, "maccmd")) out.payload = MH_TRY(read_bytes(mote, "maccmd"));
  return read_device(mote, mote, out);
}

base::Result<void> read_gateway(dom::object gateway, Answer& out) {
  out.kind = AnswerKind::kGateway;
  out.gateway = MH_TRY(base::Eui64::parse(text_member(gateway, "eui")));
  out.time = MH_TRY(base::parse_rfc3339(text_member(gateway, "time")));
  const auto stat = object_member(gateway, "stat");
  out.stat = stat ? simdjson::minify(*stat) : "{}";
  return {};
}

base::Result<void> read_envelope(dom::object ns, AnswerEnvelope& out) {
  out.rid = text_member(ns, "rid");
  out.k = uint_member(ns, "k").value_or(0);
  out.n = uint_member(ns, "n").value_or(0);
  if (member(ns, "snap")) out.snapshot = MH_TRY(base::parse_rfc3339(text_member(ns, "snap")));
  return {};
}

base::Result<base::DevAddr> read_address(dom::object ns) {
  const auto bytes = MH_TRY(base::hex_decode_array<4>(text_member(ns, "devaddr")));
  return base::DevAddr(std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3]);
}

base::Result<void> read_error(dom::object ns, Answer& out) {
  const auto error = packet_error_from(text_member(ns, "err"));
  if (!error) return refuse("an unknown error code");
  out.kind = AnswerKind::kError;
  out.error = *error;
  out.fcnt16 = static_cast<std::uint16_t>(uint_member(ns, "fcnt16").value_or(0));
  return {};
}

base::Result<void> read_proof(dom::object ns, Answer& out) {
  out.mic = MH_TRY(base::hex_decode_array<4>(text_member(ns, "mic")));
  out.confirmed = true_member(ns, "confirmed");
  out.session = base::SessionNumber(uint_member(ns, "session").value_or(0));
  const auto fcnt = uint_member(ns, "fcnt");
  if (fcnt != out.fcnt) return refuse("ns.fcnt and seqno differ");
  out.proven = true;
  return {};
}

base::Result<void> read_ns(dom::object ns, Answer& out) {
  out.index = uint_member(ns, "i");
  if (member(ns, "devaddr")) out.dev_addr = MH_TRY(read_address(ns));
  if (member(ns, "gweui")) out.gateway = MH_TRY(base::Eui64::parse(text_member(ns, "gweui")));
  if (member(ns, "err")) return read_error(ns, out);
  if (member(ns, "join")) {
    out.kind = AnswerKind::kJoin;
    out.join = MH_TRY(base::hex_decode(text_member(ns, "join")));
    return {};
  }
  return member(ns, "mic") ? read_proof(ns, out) : base::Result<void>();
}

}  // namespace

base::Result<AnswerLine> read_answer(std::string_view line) {
  thread_local dom::parser parser(kBodySizeMax);
  thread_local const bool ready = parser.allocate(16 * 1024, kReportDepthMax) == simdjson::SUCCESS;
  dom::object root;
  if (!ready || line.empty() || parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS) return refuse("not one JSON object");
  AnswerLine out;
  if (const auto app = object_member(root, "app")) MH_TRY_VOID(read_app(*app, out.answer));
  else if (const auto mote = object_member(root, "mote")) MH_TRY_VOID(read_mote(*mote, out.answer));
  else if (const auto gateway = object_member(root, "gw")) MH_TRY_VOID(read_gateway(*gateway, out.answer));
  const auto ns = object_member(root, "ns");
  if (!ns) return out;
  MH_TRY_VOID(read_envelope(*ns, out.envelope));
  MH_TRY_VOID(read_ns(*ns, out.answer));
  return out;
}

}  // namespace meterhub::lorawan
