#include <meterhub/decrypt/plugin_opener.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <meterhub/crypto/hash.h>
#include <meterhub/decrypt/cipher_plugin.h>

#include "reception.h"

namespace meterhub::decrypt {

using lorawan::Answer;
using lorawan::AnswerKind;
using lorawan::PacketError;

struct PluginOpener::Instance {
  explicit Instance(const CipherPlugins::Entry& entry)
      : plugin(*entry.plugin), self(plugin.create(entry.settings_file.c_str())) {}
  ~Instance() {
    if (self != nullptr) plugin.destroy(self);
  }
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const meterhub_plugin& plugin;
  void* const self;
};

namespace {

// Times that RFC 3339 can write: years 1970 to 9999.
constexpr std::int64_t kTimeMax = 253'402'300'799'000'000;

struct Taken {
  const Body& body;
  std::size_t readings_max;
  std::vector<Answer> answers{};
  bool refused = false;
};

std::optional<double> known(double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; }

lorawan::Reception reception_from(const meterhub_reception& from, const Body& body) {
  lorawan::Reception out;
  out.gateway = base::Eui64(from.gateway_eui);
  out.time_from_gateway = from.time_us >= 0 && from.time_us <= kTimeMax;
  out.time = base::precise(out.time_from_gateway ? base::Timestamp(base::Duration(from.time_us)) : body.enqueued);
  out.rssi = known(from.rssi_dbm);
  out.lsnr = known(from.snr_db);
  return out;
}

bool is_acceptable(const meterhub_reading& reading) {
  if (reading.payload == nullptr && reading.payload_size > 0) return false;
  if (reading.receptions == nullptr && reading.reception_count > 0) return false;
  return reading.payload_size <= PluginOpener::kPayloadMax && reading.reception_count <= PluginOpener::kReceptionsMax;
}

// The registry's session number is the plug-in's proof; copies are told apart by a digest.
Answer answer_from(const meterhub_reading& reading, const Body& body) {
  Answer out;
  out.kind = AnswerKind::kApp;
  out.gateway = body.gateway;
  out.device = base::Eui64(reading.device_eui);
  out.fcnt = reading.counter;
  out.port = reading.port;
  out.payload.assign(reading.payload, reading.payload + reading.payload_size);
  out.session = base::SessionNumber(reading.session);
  out.proven = reading.session != 0;
  const auto digest = crypto::sha256(out.payload);
  std::copy_n(digest.begin(), out.mic.size(), out.mic.begin());
  for (std::size_t i = 0; i < reading.reception_count; ++i) {
    out.receptions.push_back(reception_from(reading.receptions[i], body));
  }
  if (out.receptions.empty()) {
    out.receptions.push_back({.gateway = body.gateway, .time = base::precise(body.enqueued), .time_from_gateway = false,
                              .chan = {}, .rfch = {}, .rssi = {}, .lsnr = {}});
  }
  lorawan::merge_receptions(out.receptions);
  return out;
}

// Called by the plug-in: nothing may be thrown through it.
int take(void* context, const meterhub_reading* reading) noexcept {
  auto& taken = *static_cast<Taken*>(context);
  if (reading == nullptr || taken.answers.size() == taken.readings_max || !is_acceptable(*reading)) {
    taken.refused = true;
    return 1;
  }
  taken.answers.push_back(answer_from(*reading, taken.body));
  return 0;
}

PacketError error_of(int result, bool refused) {
  if (refused) return PacketError::kPluginFailed;
  switch (result) {
    case METERHUB_OPENED: return PacketError::kNone;
    case METERHUB_MALFORMED: return PacketError::kBadLength;
    case METERHUB_UNKNOWN_DEVICE: return PacketError::kUnknownDevaddr;
    case METERHUB_NOT_AUTHENTIC: return PacketError::kMic;
    default: return PacketError::kPluginFailed;
  }
}

// A C++ plug-in that throws against its contract is a failed one.
template <class Call>
int guarded(Call&& call) {
  try {
    return call();
  } catch (...) {
    return -1;
  }
}

Answer error_answer(PacketError error, base::Eui64 gateway) {
  Answer out;
  out.kind = AnswerKind::kError;
  out.error = error;
  out.gateway = gateway;
  return out;
}

// Where LoRaWAN-shaped frames hold the address.
std::optional<base::DevAddr> address_of(base::BytesView frame) {
  if (frame.size() < 5) return std::nullopt;
  return base::DevAddr(std::uint32_t{frame[4]} << 24 | std::uint32_t{frame[3]} << 16 | std::uint32_t{frame[2]} << 8 | frame[1]);
}

}  // namespace

PluginOpener::PluginOpener(const CipherPlugins* plugins) : PluginOpener(plugins, Opener::Options()) {}
PluginOpener::PluginOpener(const CipherPlugins* plugins, Opener::Options options)
    : plugins_(plugins), options_(options) {}
PluginOpener::~PluginOpener() = default;

PluginOpener::Instance* PluginOpener::instance(std::string_view plugin) {
  if (const auto it = instances_.find(plugin); it != instances_.end()) return it->second.get();
  const auto* const entry = plugins_ == nullptr ? nullptr : plugins_->find(plugin);
  if (entry == nullptr) return nullptr;
  return instances_.emplace(std::string(plugin), std::make_unique<Instance>(*entry)).first->second.get();
}

std::vector<Answer> PluginOpener::open(std::string_view plugin, const Body& body, const HintLookup& hints) {
  Instance* const found = instance(plugin);
  if (found == nullptr) return {error_answer(PacketError::kNoPlugin, body.gateway)};
  if (found->self == nullptr) return {error_answer(PacketError::kPluginFailed, body.gateway)};
  return found->plugin.open_body != nullptr ? open_body(*found, body) : open_frames(*found, body, hints);
}

std::vector<Answer> PluginOpener::open_body(Instance& instance, const Body& body) {
  Taken taken{body, kReadingsMax};
  const meterhub_body given{body.bytes.data(), body.bytes.size(), body.gateway.value,
                            body.enqueued.time_since_epoch().count()};
  const int result = guarded([&] { return instance.plugin.open_body(instance.self, &given, &take, &taken); });
  counters_.packets += taken.answers.size();
  if (const auto error = error_of(result, taken.refused); error != PacketError::kNone) {
    taken.answers.push_back(error_answer(error, body.gateway));
  }
  return std::move(taken.answers);
}

std::vector<Answer> PluginOpener::open_frames(Instance& instance, const Body& body, const HintLookup& hints) {
  const auto parsed = lorawan::parse_gateway_body(body.bytes, body.gateway);
  lorawan::Report report;
  const auto error = parsed ? reader_.read(base::as_text(parsed->json), lorawan::ExtraPolicy::kIgnore, report) : parsed.error();
  if (error != PacketError::kNone) return {error_answer(error, body.gateway)};
  const auto time = base::precise(body.enqueued);
  std::vector<Answer> out;
  std::map<std::string_view, std::size_t> seen;  // frame bytes -> answer
  for (std::uint32_t i = 0; i < report.packets.size(); ++i) {
    const auto& packet = report.packets[i];
    ++counters_.packets;
    const bool usable = packet.error == PacketError::kNone;
    const auto known = usable ? seen.find(base::as_text(packet.phy)) : seen.end();
    const std::size_t at = known == seen.end() ? out.size() : known->second;
    if (at == out.size()) {
      out.push_back(open_frame(instance, packet, hints));
      out.back().gateway = body.gateway;
      out.back().index = i;
    }
    if (!usable) continue;
    seen.try_emplace(base::as_text(packet.phy), at);
    out[at].receptions.push_back(reception_of(packet, body.gateway, time, options_, counters_));
  }
  for (auto& answer : out) lorawan::merge_receptions(answer.receptions);
  if (report.stat.empty()) return out;
  Answer& status = out.emplace_back();
  status.kind = AnswerKind::kGateway;
  status.gateway = body.gateway;
  status.time = time;
  status.stat = std::move(report.stat);
  return out;
}

Answer PluginOpener::open_frame(Instance& instance, const lorawan::Rxpk& packet, const HintLookup& hints) {
  if (packet.error != PacketError::kNone) return error_answer(packet.error, {});
  const Body none{};
  Taken taken{none, 1};
  const auto address = address_of(packet.phy);
  const auto hint = address && hints ? hints(*address) : std::nullopt;
  const meterhub_frame given{packet.phy.data(), packet.phy.size(), hint.has_value() ? 1 : 0, hint.value_or(0)};
  const int result = guarded([&] { return instance.plugin.open_frame(instance.self, &given, &take, &taken); });
  auto error = error_of(result, taken.refused);
  if (error == PacketError::kNone && taken.answers.empty()) error = PacketError::kPluginFailed;
  Answer out = error == PacketError::kNone ? std::move(taken.answers.front()) : error_answer(error, {});
  out.dev_addr = address;
  out.receptions.clear();  // the gateway's JSON tells them
  out.tx = packet.tx;
  return out;
}

}  // namespace meterhub::decrypt
