#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include <meterhub/base/clock.h>
#include <meterhub/base/encoding.h>
#include <meterhub/base/json_text.h>
#include <meterhub/decrypt/opener.h>
#include <meterhub/lorawan/counter.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/meter/reading.h>

#include "commands.h"

namespace meterhub::app {
namespace {

using base::Errc;
using base::Result;

struct DecodeRequest {
  std::string profile = "v1";
  std::optional<std::string> payload, frame, datagram;  // one of them
  std::string nwkskey, appskey;
  std::optional<std::uint32_t> fcnt_hint;
};

Result<std::string> read_file(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) return base::fail(Errc::kIo, "cannot read " + name);
  return text.str();
}

// A built-in profile by name, or a profile file.
Result<meter::Profile> profile_of(const std::string& name) {
  if (const meter::Profile* known = meter::builtin_profile(name)) return *known;
  const auto text = read_file(name);
  if (!text) return base::fail(Errc::kNotFound, "no profile " + name + ": give v1, poc-2016 or a profile file");
  auto profile = meter::parse_profile(*text);
  if (!profile) return std::unexpected(std::move(profile.error()).in(name));
  return profile;
}

void append_member(std::string& out, std::string_view name, std::string_view text) {
  if (out.back() != '{') out += ',';
  base::append_json_string(out, name);
  out += ':';
  base::append_json_string(out, text);
}
// `json` is a value as text.
void append_json(std::string& out, std::string_view name, std::string_view json) {
  if (out.back() != '{') out += ',';
  base::append_json_string(out, name);
  out += ':';
  out += json;
}
std::string_view yes_no(bool value) { return value ? "true" : "false"; }

// Members of the payload's meaning, without "time": there is no reception.
std::string fields_of(const meter::Reading& reading) {
  std::string text;
  meter::append_user_data(text, &reading, {});
  text.resize(text.rfind(",\"time\""));
  return text + '}';
}

std::string status_of(const meter::Reading& reading) {
  std::string out = "[";
  for (const std::string_view name : reading.status_names()) {
    if (out.size() > 1) out += ',';
    base::append_json_string(out, name);
  }
  return out + ']';
}

// Explains a plaintext; a payload that does not fit the profile is part of the explanation.
void append_payload(std::string& out, const meter::Profile& profile, base::BytesView payload) {
  append_member(out, "payload", base::hex_encode(payload));
  append_member(out, "profile", profile.name);
  meter::Reading reading;
  if (const auto done = meter::decode(profile, payload, reading); !done) {
    append_member(out, "error", meter::text(done.error()));
    return;
  }
  append_json(out, "userData", fields_of(reading));
  append_json(out, "statusBits", status_of(reading));
  append_json(out, "balanced", yes_no(reading.plausibility.balanced));
  append_json(out, "withinLimits", yes_no(reading.plausibility.within_limits));
}

Result<std::string> explain_payload(const DecodeRequest& request, const meter::Profile& profile) {
  const base::Bytes payload = MH_TRY(base::base64_decode_lenient(*request.payload));
  std::string out = "{";
  append_payload(out, profile, payload);
  return out + '}';
}

void append_header(std::string& out, const lorawan::DataFrame& frame) {
  const std::string address = base::hex_encode(std::array{static_cast<std::uint8_t>(frame.dev_addr.value >> 24), static_cast<std::uint8_t>(frame.dev_addr.value >> 16),
                                        static_cast<std::uint8_t>(frame.dev_addr.value >> 8), static_cast<std::uint8_t>(frame.dev_addr.value)});
  append_member(out, "devaddr", address);
  append_member(out, "dir", frame.direction() == lorawan::Direction::kUp ? "up" : "down");
  append_json(out, "confirmed", yes_no(frame.confirmed()));
  append_json(out, "adr", yes_no(frame.adr));
  append_json(out, "fcnt16", std::to_string(frame.fcnt16));
  append_member(out, "fopts", base::hex_encode(frame.fopts));
  append_json(out, "port", frame.port ? std::to_string(*frame.port) : "null");
  append_member(out, "mic", base::hex_encode(frame.mic));
}

std::optional<std::uint32_t> proven_counter(const lorawan::DataFrame& frame, const lorawan::AesKey& nwk_skey, const DecodeRequest& request) {
  lorawan::CounterCandidates candidates(frame.fcnt16, request.fcnt_hint);
  while (const auto fcnt = candidates.next()) {
    if (lorawan::mic_matches(frame, nwk_skey, *fcnt)) return fcnt;
  }
  return std::nullopt;
}

Result<std::string> explain_frame(const DecodeRequest& request, const meter::Profile& profile) {
  const base::Bytes bytes = MH_TRY(base::hex_decode(*request.frame));
  const auto parsed = lorawan::parse_frame(bytes);
  std::string out = "{";
  if (!parsed) {
    append_member(out, "error", lorawan::text(parsed.error()));
    return out + '}';
  }
  const auto* frame = std::get_if<lorawan::DataFrame>(&*parsed);
  if (frame == nullptr) {
    const auto* join = std::get_if<lorawan::JoinRequestFrame>(&*parsed);
    append_member(out, "type", join != nullptr ? "join-request" : "join-accept");
    if (join != nullptr) append_member(out, "deveui", join->dev_eui.text());
    return out + '}';
  }
  append_header(out, *frame);
  lorawan::Session session;
  session.nwk_skey = MH_TRY(base::hex_decode_array<16>(request.nwkskey));
  session.app_skey = MH_TRY(base::hex_decode_array<16>(request.appskey));
  const auto fcnt = proven_counter(*frame, session.nwk_skey, request);
  append_json(out, "micOk", yes_no(fcnt.has_value()));
  if (!fcnt) {
    append_member(out, "error", lorawan::text(lorawan::PacketError::kMic));
    return out + '}';
  }
  append_json(out, "fcnt", std::to_string(*fcnt));
  const base::Bytes plain = lorawan::decrypt_payload(*frame, session, *fcnt);
  if (frame->port.value_or(0) == 0) {
    append_member(out, "maccmd", base::hex_encode(plain));
  } else {
    append_payload(out, profile, plain);
  }
  return out + '}';
}

// One session stands for every address of the datagram when keys are given.
Result<void> add_sessions(const DecodeRequest& request, base::BytesView json, decrypt::SessionTable& table) {
  if (request.nwkskey.empty()) return {};
  lorawan::Session session;
  session.nwk_skey = MH_TRY(base::hex_decode_array<16>(request.nwkskey));
  session.app_skey = MH_TRY(base::hex_decode_array<16>(request.appskey));
  lorawan::Report report;
  lorawan::ReportReader reader;
  if (reader.read(base::as_text(json), lorawan::ExtraPolicy::kIgnore, report) != lorawan::PacketError::kNone) return {};
  for (const lorawan::Rxpk& packet : report.packets) {
    const auto frame = lorawan::parse_frame(packet.phy);
    const auto* data = frame ? std::get_if<lorawan::DataFrame>(&*frame) : nullptr;
    if (data == nullptr) continue;
    session.dev_addr = data->dev_addr;
    MH_TRY_VOID(table.upsert(session));
  }
  return {};
}

Result<std::string> explain_datagram(const DecodeRequest& request, const meter::Profile& profile) {
  const std::string text = MH_TRY(read_file(*request.datagram));
  const base::BytesView bytes = base::as_bytes(text);
  const auto header = lorawan::parse_datagram(bytes);
  const base::Eui64 gateway = header ? header->gateway : base::Eui64();
  decrypt::SessionTable table;
  if (const auto body = lorawan::parse_gateway_body(bytes, gateway)) MH_TRY_VOID(add_sessions(request, body->json, table));
  decrypt::Opener opener(table);
  const auto hint = [&request](base::DevAddr) { return request.fcnt_hint; };
  std::string out = R"({"answers":[)";
  for (const lorawan::Answer& answer : opener.open_body({bytes, gateway, base::SystemClock().now()}, hint)) {
    if (out.back() != '[') out += ',';
    out += '{';
    std::string line;
    lorawan::append_line(line, answer, {});
    line.pop_back();
    append_json(out, "line", line);
    if (answer.kind == lorawan::AnswerKind::kApp) append_payload(out, profile, answer.payload);
    out += '}';
  }
  return out + "]}";
}

Result<std::string> explain(const DecodeRequest& request) {
  const meter::Profile profile = MH_TRY(profile_of(request.profile));
  if (request.frame) return explain_frame(request, profile);
  if (request.datagram) return explain_datagram(request, profile);
  return explain_payload(request, profile);
}

void print(const DecodeRequest& request, Exit& exit) {
  const auto text = explain(request);
  if (text) {
    std::puts(text->c_str());
    return;
  }
  std::fprintf(stderr, "meterhub decode: %s\n", text.error().text.c_str());
  exit.code = 1;
}

}  // namespace

void add_decode(CLI::App& program, Exit& exit) {
  auto request = std::make_shared<DecodeRequest>();
  CLI::App* command = program.add_subcommand("decode", "Explain a payload, frame or datagram, as JSON");
  command->add_option("--profile", request->profile, "Payload profile: v1, poc-2016 or a profile file")->capture_default_str();
  CLI::Option_group* input = command->add_option_group("input", "What to explain");
  input->add_option("--payload", request->payload, "Decrypted payload, base64");
  CLI::Option* frame = input->add_option("--frame", request->frame, "Radio frame, hex; needs both keys");
  input->add_option("--datagram", request->datagram, "File with a PUSH_DATA datagram or its JSON");
  input->require_option(1);
  CLI::Option* nwkskey = command->add_option("--nwkskey", request->nwkskey, "Network session key, 32 hex digits");
  CLI::Option* appskey = command->add_option("--appskey", request->appskey, "Application session key, 32 hex digits");
  nwkskey->needs(appskey);
  appskey->needs(nwkskey);
  frame->needs(nwkskey);
  command->add_option("--fcnt-hint", request->fcnt_hint, "Last 32-bit counter known of the device");
  command->callback([request, &exit] { print(*request, exit); });
}

}  // namespace meterhub::app
