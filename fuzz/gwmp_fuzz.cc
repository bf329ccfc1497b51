// Datagrams and bodies of gateways, and the JSON reports in them.
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/report.h>

#include "input.h"

namespace meterhub::lorawan {
namespace {

using fuzz::require;

void read_datagram(base::BytesView bytes) {
  const auto datagram = parse_datagram(bytes);
  if (!datagram) return;
  if (const auto answer = acknowledgement(*datagram)) {
    require((*answer)[0] == bytes[0] && (*answer)[1] == bytes[1] && (*answer)[2] == bytes[2]);
  }
  if (datagram->type != GwmpType::kPushData) return;
  const auto built = build_push_data(datagram->token, datagram->gateway, base::as_text(datagram->body), datagram->version);
  require(built == base::as_text(bytes));
  const auto own = parse_gateway_body(bytes, datagram->gateway);
  require(own && own->json.size() == datagram->body.size());
  require(parse_gateway_body(bytes, base::Eui64(datagram->gateway.value + 1)).error() == PacketError::kGwMismatch);
}

bool same(const Rxpk& a, const Rxpk& b) {
  return a.error == b.error && a.tmst == b.tmst && a.time == b.time && a.tx == b.tx && a.chan == b.chan && a.rfch == b.rfch &&
         a.rssi == b.rssi && a.lsnr == b.lsnr && a.size_differs == b.size_differs && a.phy == b.phy;
}

// A good element written as a packet forwarder would reads as the same element.
void write_again(const Rxpk& packet) {
  if (packet.error != PacketError::kNone) return;
  std::string text = R"({"rxpk":[)";
  append_rxpk(text, packet);
  text += "]}";
  ReportReader reader;
  Report again;
  require(reader.read(text, ExtraPolicy::kIgnore, again) == PacketError::kNone && again.packets.size() == 1);
  Rxpk expected = packet;
  expected.size_differs = false;
  if (!expected.tx.datr.empty()) expected.tx.datr_number.reset();
  require(same(again.packets[0], expected));
}

// The parts that a connector sends hold what the report held, each within its size.
void check_parts(std::string_view json, std::size_t part_max, PacketError error, const Report& whole) {
  const auto parts = split_report(json, part_max);
  require(parts.has_value() == (error == PacketError::kNone));
  if (!parts) return;
  ReportReader reader;
  std::size_t next = 0;
  std::string stat;
  for (const auto& part : *parts) {
    require(part.first_index == next && (part.count <= 1 || part.members.size() + 2 <= part_max));
    Report read;
    require(reader.read("{" + part.members + "}", ExtraPolicy::kHonour, read) == PacketError::kNone);
    require(read.packets.size() == part.count && next + part.count <= whole.packets.size() && !read.extra && read.raw.empty());
    for (const auto& packet : read.packets) require(same(packet, whole.packets[next++]));
    if (!read.stat.empty()) stat = read.stat;
  }
  require(next == whole.packets.size() && stat == whole.stat);
}

void write_extra_again(const RequestExtra& extra) {
  std::string text = "{";
  append_extra(text, extra);
  text += "}";
  ReportReader reader;
  Report again;
  require(reader.read(text, ExtraPolicy::kHonour, again) == PacketError::kNone && again.extra);
  require(again.extra->rid == extra.rid && again.extra->time == extra.time && again.extra->first_index == extra.first_index &&
          again.extra->answer_to == extra.answer_to && again.extra->plugin == extra.plugin && again.extra->hints.size() == extra.hints.size());
}

void read_report(std::string_view json, std::size_t part_max) {
  static ReportReader used;  // its parser has seen all the inputs before
  Report report;
  const auto error = used.read(json, ExtraPolicy::kIgnore, report);
  require(report.packets.size() <= kReportPacketsMax && !report.extra && report.raw.empty());
  Report again;
  require(ReportReader().read(json, ExtraPolicy::kIgnore, again) == error && again.packets.size() == report.packets.size());
  for (const auto& packet : report.packets) write_again(packet);
  check_parts(json, part_max, error, report);
  if (used.read(json, ExtraPolicy::kHonour, again) == PacketError::kNone && again.extra) write_extra_again(*again.extra);
}

}  // namespace
}  // namespace meterhub::lorawan

MH_FUZZER(gwmp, input) {
  using namespace meterhub::lorawan;
  const auto part_max = input.byte() * std::size_t{16};
  read_datagram(input.rest());
  if (const auto body = parse_gateway_body(input.rest(), meterhub::base::Eui64(0x0102030405060708))) {
    read_report(meterhub::base::as_text(body->json), part_max);
  }
}
