#include <meterhub/reading/reading.h>

#include <algorithm>
#include <utility>

#include <meterhub/base/time_text.h>
#include <meterhub/crypto/hash.h>

namespace meterhub::reading {
namespace {

// The application port whose payload the profiles describe (spec/lorawan-ns.md section 8).
constexpr std::uint8_t kMeterPort = 1;

// A foreign server proves nothing: a digest of the payload tells copies of one packet from
// two packets with one number (design part 4, connector).
lorawan::Mic stand_in_mic(const lorawan::Answer& answer) {
  const auto digest = crypto::sha256(answer.payload);
  lorawan::Mic mic{};
  std::copy_n(digest.begin(), mic.size(), mic.begin());
  return mic;
}

base::PreciseTime best_time(const Source& source, const lorawan::Answer& answer) {
  return answer.receptions.empty() ? base::precise(source.origin.enqueued) : answer.receptions.front().time;
}

}  // namespace

lorawan::Answer without_claims(lorawan::Answer answer) {
  if (answer.kind == lorawan::AnswerKind::kJoin) answer = lorawan::Answer{};
  answer.proven = false;
  answer.meter = {};
  answer.session = {};
  answer.index.reset();
  return answer;
}

log::Properties properties_of(const Source& source, const lorawan::Answer& answer) {
  log::Properties out;
  out.origin = source.origin;
  out.origin.index += answer.index.value_or(0);
  out.gateway = source.gateway;
  out.redo = source.redo;
  if (source.redo) out.reason = source.reason;
  out.time = best_time(source, answer).at;
  return out;
}

const registry::MeterEntry* meter_of(const registry::Directory::View& view, const lorawan::Answer& answer) {
  return answer.meter.value != 0 ? view.meter(answer.meter) : view.meter(answer.device);
}

log::Properties identified(const Source& source, const registry::MeterEntry& meter, const lorawan::Answer& answer) {
  auto out = properties_of(source, answer);
  out.meter = meter.number;
  out.tenant = meter.tenant;
  out.session = answer.proven ? answer.session : meter.session;
  out.fcnt = answer.fcnt;
  out.mic = answer.proven ? answer.mic : stand_in_mic(answer);
  out.heartbeat = answer.kind == lorawan::AnswerKind::kMote;
  out.unproven = !answer.proven;
  return out;
}

// Empty when the payload could be decoded into reading_, else the dead letter's reason.
std::string_view ReadingMaker::decode(std::string_view profile, const lorawan::Answer& answer, const meter::Profile*& found) {
  found = profiles_.find(profile);
  if (found == nullptr) return "unknown_profile";
  if (answer.port != kMeterPort) return "unknown_port";
  const auto decoded = meter::decode(*found, answer.payload, reading_);
  return decoded ? std::string_view() : meter::text(decoded.error());
}

Reading ReadingMaker::make(const registry::Directory::View& view, const registry::MeterEntry& meter, const Source& source,
                           const lorawan::Answer& answer) {
  Reading out{identified(source, meter, answer), {}, {}};
  const meter::Profile* profile = nullptr;
  if (!out.properties.heartbeat) out.trouble = decode(view.label(meter.profile), answer, profile);
  out.properties.undecoded = out.properties.heartbeat || !out.trouble.empty();

  origin_.clear();
  body_.clear();
  const bool mode_null = profile != nullptr && profile->mode_null;
  lorawan::append_origin(origin_, answer, mode_null ? lorawan::ModulationName::kModeNull : lorawan::ModulationName::kModu);
  meter::append_document(body_, origin_, out.properties.undecoded ? nullptr : &reading_, best_time(source, answer));
  out.body = body_;
  return out;
}

}  // namespace meterhub::reading
