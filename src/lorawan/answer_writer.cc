#include <meterhub/base/encoding.h>
#include <meterhub/base/json_text.h>
#include <meterhub/lorawan/answer.h>

#include "hex_text.h"

namespace meterhub::lorawan {
namespace {

using base::append_json_number;
using base::append_json_string;

void append_time(std::string& out, base::PreciseTime time) {
  out += '"';
  base::append_rfc3339(out, time);
  out += '"';
}

void append_optional(std::string& out, const std::optional<double>& value) {
  if (value) {
    append_json_number(out, *value);
  } else {
    out += "null";
  }
}

void append_text_or_null(std::string& out, std::string_view text) {
  if (text.empty()) {
    out += "null";
  } else {
    append_json_string(out, text);
  }
}

void append_bytes(std::string& out, base::BytesView bytes) {
  out += '"';
  base::append_base64(out, bytes, base::Padding::kNone);
  out += '"';
}

void append_motetx(std::string& out, const Transmission& tx, ModulationName name) {
  out += R"("motetx":{"freq":)";
  append_optional(out, tx.freq);
  if (name == ModulationName::kModu) {
    out += R"(,"modu":)";
    append_text_or_null(out, tx.modu);
  } else {
    out += R"(,"mode":null)";
  }
  out += R"(,"datr":)";
  if (tx.datr.empty()) {
    append_optional(out, tx.datr_number);
  } else {
    append_json_string(out, tx.datr);
  }
  out += R"(,"codr":)";
  append_text_or_null(out, tx.codr);
  out += tx.adr ? R"(,"adr":true})" : R"(,"adr":false})";
}

void append_reception(std::string& out, const Reception& reception) {
  out += R"({"eui":)";
  append_eui(out, reception.gateway);
  out += R"(,"time":)";
  append_time(out, reception.time);
  out += reception.time_from_gateway ? R"(,"timefromgateway":true,"chan":)" : R"(,"timefromgateway":false,"chan":)";
  append_optional(out, reception.chan);
  out += R"(,"rfch":)";
  append_optional(out, reception.rfch);
  out += R"(,"rssi":)";
  append_optional(out, reception.rssi);
  out += R"(,"lsnr":)";
  append_optional(out, reception.lsnr);
  out += '}';
}

void append_radio(std::string& out, const Answer& answer, ModulationName name) {
  append_motetx(out, answer.tx, name);
  out += R"(,"gwrx":[)";
  for (std::size_t i = 0; i < answer.receptions.size(); ++i) {
    if (i > 0) out += ',';
    append_reception(out, answer.receptions[i]);
  }
  out += "]}";
}

void append_port(std::string& out, const std::optional<std::uint8_t>& port) {
  if (port) {
    append_json_number(out, std::uint64_t{*port});
  } else {
    out += "null";
  }
}

void append_app(std::string& out, const Answer& answer, ModulationName name) {
  out += R"({"moteeui":)";
  append_eui(out, answer.device);
  out += R"(,"dir":"up","userdata":{"seqno":)";
  append_json_number(out, std::uint64_t{answer.fcnt});
  out += R"(,"port":)";
  append_port(out, answer.port);
  out += R"(,"payload":)";
  append_bytes(out, answer.payload);
  out += "},";
  append_radio(out, answer, name);
}

void append_mote(std::string& out, const Answer& answer, ModulationName name) {
  out += R"({"moteeui":)";
  append_eui(out, answer.device);
  out += R"(,"dir":"up","seqno":)";
  append_json_number(out, std::uint64_t{answer.fcnt});
  out += R"(,"port":)";
  append_port(out, answer.port);
  out += R"(,"maccmd":)";
  append_bytes(out, answer.payload);
  out += ',';
  append_radio(out, answer, name);
}

void append_gateway(std::string& out, const Answer& answer) {
  out += R"({"eui":)";
  append_eui(out, answer.gateway);
  out += R"(,"time":)";
  append_time(out, answer.time);
  out += R"(,"stat":)";
  out += answer.stat;
  out += '}';
}

// Everything of originData but its closing brace.
void append_members(std::string& out, const Answer& answer, ModulationName name) {
  out += R"({"gw":)";
  if (answer.kind == AnswerKind::kGateway) {
    append_gateway(out, answer);
  } else {
    out += "null";
  }
  out += R"(,"mote":)";
  if (answer.kind == AnswerKind::kMote) {
    append_mote(out, answer, name);
  } else {
    out += "null";
  }
  out += R"(,"app":)";
  if (answer.kind == AnswerKind::kApp) {
    append_app(out, answer, name);
  } else {
    out += "null";
  }
}

void append_proof(std::string& out, const Answer& answer) {
  out += R"(,"devaddr":)";
  append_address(out, answer.dev_addr.value_or(base::DevAddr()));
  out += R"(,"session":)";
  append_json_number(out, std::uint64_t{answer.session.value});
  out += R"(,"fcnt":)";
  append_json_number(out, std::uint64_t{answer.fcnt});
  out += answer.confirmed ? R"(,"confirmed":true,"mic":)" : R"(,"confirmed":false,"mic":)";
  append_quoted_hex(out, answer.mic);
}

void append_error(std::string& out, const Answer& answer, const AnswerEnvelope& envelope) {
  out += R"(,"err":)";
  append_json_string(out, text(answer.error));
  out += R"(,"gweui":)";
  append_eui(out, answer.gateway);
  if (answer.dev_addr) {
    out += R"(,"devaddr":)";
    append_address(out, *answer.dev_addr);
    out += R"(,"fcnt16":)";
    append_json_number(out, std::uint64_t{answer.fcnt16});
  }
  if (envelope.snapshot) {
    out += R"(,"snap":)";
    append_time(out, *envelope.snapshot);
  }
}

void append_join(std::string& out, const Answer& answer) {
  out += R"(,"join":)";
  append_quoted_hex(out, answer.join);
  out += R"(,"gweui":)";
  append_eui(out, answer.gateway);
}

void append_ns(std::string& out, const Answer& answer, const AnswerEnvelope& envelope) {
  out += R"(,"ns":{)";
  if (!envelope.rid.empty()) {
    out += R"("rid":)";
    append_json_string(out, envelope.rid);
    out += ',';
  }
  out += R"("k":)";
  append_json_number(out, std::uint64_t{envelope.k});
  out += R"(,"n":)";
  append_json_number(out, std::uint64_t{envelope.n});
  if (answer.index) {
    out += R"(,"i":)";
    append_json_number(out, std::uint64_t{*answer.index});
  }
  switch (answer.kind) {
    case AnswerKind::kApp:
    case AnswerKind::kMote:
      if (answer.proven) append_proof(out, answer);
      break;
    case AnswerKind::kError: append_error(out, answer, envelope); break;
    case AnswerKind::kJoin: append_join(out, answer); break;
    case AnswerKind::kGateway:
    case AnswerKind::kNothing: break;
  }
  out += '}';
}

}  // namespace

void append_origin(std::string& out, const Answer& answer, ModulationName name) {
  append_members(out, answer, name);
  out += '}';
}

void append_line(std::string& out, const Answer& answer, const AnswerEnvelope& envelope) {
  append_members(out, answer, ModulationName::kModu);
  append_ns(out, answer, envelope);
  out += "}\n";
}

void append_lines(std::string& out, std::span<const Answer> answers, AnswerEnvelope envelope) {
  envelope.n = static_cast<std::uint32_t>(answers.size());
  envelope.k = 0;
  if (answers.empty() && !envelope.rid.empty()) append_line(out, Answer{}, envelope);
  for (const Answer& answer : answers) {
    append_line(out, answer, envelope);
    ++envelope.k;
  }
}

}  // namespace meterhub::lorawan
