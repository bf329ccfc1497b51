#include <meterhub/base/encoding.h>
#include <meterhub/base/json_text.h>
#include <meterhub/lorawan/report.h>

#include "hex_text.h"

namespace meterhub::lorawan {
namespace {

void append_text(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  base::append_json_string(out, text);
}

void append_if(std::string& out, std::string_view name, const std::optional<double>& value) {
  if (!value) return;
  out += name;
  base::append_json_number(out, *value);
}

}  // namespace

void append_rxpk(std::string& out, const Rxpk& packet) {
  out += R"({"tmst":)";
  base::append_json_number(out, std::uint64_t{packet.tmst});
  if (packet.time) append_text(out, R"(,"time":)", base::rfc3339(*packet.time));
  append_if(out, R"(,"chan":)", packet.chan);
  append_if(out, R"(,"rfch":)", packet.rfch);
  append_if(out, R"(,"freq":)", packet.tx.freq);
  out += R"(,"stat":)";
  out += packet.error == PacketError::kCrc ? "-1" : "1";
  append_text(out, R"(,"modu":)", packet.tx.modu);
  if (!packet.tx.datr.empty()) append_text(out, R"(,"datr":)", packet.tx.datr);
  if (packet.tx.datr.empty()) append_if(out, R"(,"datr":)", packet.tx.datr_number);
  if (!packet.tx.codr.empty()) append_text(out, R"(,"codr":)", packet.tx.codr);
  append_if(out, R"(,"lsnr":)", packet.lsnr);
  append_if(out, R"(,"rssi":)", packet.rssi);
  out += R"(,"size":)";
  base::append_json_number(out, std::uint64_t{packet.phy.size()});
  out += R"(,"data":")";
  base::append_base64(out, packet.phy);
  out += "\"}";
}

void append_extra(std::string& out, const RequestExtra& extra) {
  append_text(out, R"("x":{"rid":)", extra.rid);
  if (extra.time) append_text(out, R"(,"t":)", base::rfc3339(*extra.time));
  out += R"(,"i0":)";
  base::append_json_number(out, std::uint64_t{extra.first_index});
  if (!extra.answer_to.empty()) append_text(out, R"(,"ret":)", extra.answer_to);
  if (!extra.plugin.empty()) append_text(out, R"(,"plugin":)", extra.plugin);
  if (!extra.hints.empty()) {
    out += R"(,"hint":[)";
    for (const CounterHint& hint : extra.hints) {
      out += out.back() == '[' ? R"({"a":)" : R"(,{"a":)";
      append_address(out, hint.address);
      out += R"(,"f":)";
      base::append_json_number(out, std::uint64_t{hint.fcnt});
      out += '}';
    }
    out += ']';
  }
  out += '}';
}

}  // namespace meterhub::lorawan
