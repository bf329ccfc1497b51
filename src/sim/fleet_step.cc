// One step: truth first, then frames, then messages.
#include <algorithm>

#include <fmt/format.h>

#include <meterhub/base/assert.h>
#include <meterhub/lorawan/frame.h>
#include <meterhub/lorawan/gwmp.h>
#include <meterhub/lorawan/join.h>
#include <meterhub/meter/reading.h>

#include "draw.h"
#include "fields.h"
#include "fleet_state.h"
#include "vendor_body.h"

namespace meterhub::sim {
namespace {

constexpr std::string_view kVersion = "v1.0";
constexpr std::uint8_t kPort = 1;
constexpr std::chrono::seconds kJoinEvery{15};
constexpr std::chrono::years kWrongBy{10};
constexpr std::uint32_t kFallLitres = 3;
constexpr std::uint32_t kCreditOfOthers = 1'000'000;  // litres: a meter without prepayment never closes its valve

// No profile allows it: it is too short.
base::Bytes garbage_of(const meter::Profile* profile) {
  base::Bytes out{0xDE, 0xAD, 0xBE, 0xEF};
  if (profile != nullptr) out.resize(std::min(out.size(), profile->length_min - 1));
  return out;
}

base::Bytes payload_of(const Planned& planned, const meter::Profile* profile) {
  const auto& truth = planned.truth;
  if (truth.undecodable) return garbage_of(profile);
  if (profile != nullptr) {
    auto bytes = meter::encode(*profile, planned.reading);
    MH_ASSERT(bytes.has_value());  // report() gives what fits
    return std::move(*bytes);
  }
  meter::MeterState state;
  state.bought_litres = truth.bought_litres;
  state.left_litres = truth.left_litres;
  state.used_litres = truth.used_litres;
  state.status = truth.status;
  state.version = kVersion;
  const auto bytes = meter::encode_v1(state);
  return {bytes.begin(), bytes.end()};
}

// What the payload says is the truth, to its resolution; what it does not say stays the simulator's own.
SentFields say(const meter::Reading& reading, SentPacket& truth) {
  using meter::Role;
  SentFields out{truth.number, 0, reading.numbers};
  const auto carry = [&](std::uint8_t column, std::optional<std::int64_t> value, auto& to) {
    if (!value) return;
    out.columns |= column;
    to = static_cast<std::remove_reference_t<decltype(to)>>(*value);
  };
  carry(kSentBought, reading.litres(Role::kBought), truth.bought_litres);
  carry(kSentLeft, reading.litres(Role::kLeft), truth.left_litres);
  carry(kSentUsed, reading.litres(Role::kUsed), truth.used_litres);
  carry(kSentStatus, reading.number(Role::kStatus), truth.status);
  truth.version = {};
  if (reading.profile->field(Role::kVersion) == nullptr) return out;
  out.columns |= kSentVersion;
  std::ranges::copy(reading.version().substr(0, truth.version.size()), truth.version.begin());
  return out;
}

// A frame of somebody else's device: no session here knows it.
base::Bytes foreign_frame(Draw& draw) {
  const auto noise = draw.bytes<24>();
  base::Bytes frame{0x40};
  frame.insert(frame.end(), noise.begin(), noise.end());
  frame[4] |= 0x80;  // an address of another network
  frame[5] &= 0xF0;  // no options
  return frame;
}

std::uint16_t status_of(const MeterState& meter) {
  const auto bits = meter.household.status(meter.figures);
  if (!meter.trouble) return bits;
  switch (meter.trouble->kind) {
    case Trouble::kValveClosed: return static_cast<std::uint16_t>((bits & ~status::kValveOpen) | status::kValveClosed);
    case Trouble::kCaseOpened: return bits | status::kTamper;
    case Trouble::kFlowSensor: return bits | status::kFlowSensor;
    default: return bits;
  }
}

bool is_quiet(const MeterState& meter) {
  if (meter.silent) return true;
  if (!meter.trouble) return false;
  return meter.trouble->kind == Trouble::kNeverSends ||
         (meter.trouble->kind == Trouble::kFallsSilent && meter.packets >= meter.trouble->amount);
}

}  // namespace

base::Timestamp Fleet::State::clock_of(std::uint32_t gateway, base::Timestamp at) const {
  return at < gateways[gateway].wrong_clock_until ? at + std::chrono::duration_cast<base::Duration>(kWrongBy) : at;
}

// A meter of another profile than v1 says what its fields say.
Planned Fleet::State::plan_packet(std::uint32_t index, base::Timestamp at) {
  const auto& profile = town.meters[index].profile;
  if (!profile) {
    Planned out{index, truth_of(index, at)};
    writer.add(out.truth);
    return out;
  }
  auto& figures = meters[index].figures;
  if (profile->field(meter::Role::kLeft) == nullptr) figures.bought = figures.used + kCreditOfOthers;
  const auto before = figures.used;
  Planned out{index, truth_of(index, at)};
  out.reading = report(*profile, {town.options.seed, index, out.truth.number, figures, figures.used - before, options.interval, out.truth.status});
  if (profile->length_min == 1) out.truth.undecodable = false;
  const auto fields = say(out.reading, out.truth);
  writer.add(out.truth);
  writer.add(fields);
  return out;
}

SentPacket Fleet::State::truth_of(std::uint32_t index, base::Timestamp at) {
  auto& meter = meters[index];
  SentPacket truth;
  truth.number = next_packet++;
  live(meter, at, truth.number);
  truth.meter = town.meters[index].eui;
  truth.session = meter.session;
  truth.generation = meter.generation;
  truth.fcnt = meter.next_fcnt++;
  truth.time = at;
  truth.bought_litres = meter.figures.bought;
  truth.left_litres = meter.figures.left();
  truth.used_litres = meter.figures.used;
  truth.status = status_of(meter);
  std::ranges::copy(kVersion, truth.version.begin());
  truth.undecodable = std::exchange(meter.garbage_next, false);
  if (Draw(town.options.seed, Purpose::kAir, index, ~truth.number).chance(options.lost_on_air)) return truth;
  truth.heard_by = hearers(town, index, truth.number);
  truth.time_certain = speaks_lorawan() && std::ranges::all_of(truth.heard_by, [&](std::uint32_t g) {
    return town.gateways[g].clock == GatewayClock::kGps && clock_of(g, at) == at;
  });
  return truth;
}

// What happened in the flat since the packet before.
void Fleet::State::live(MeterState& meter, base::Timestamp at, std::uint64_t turn) {
  ++meter.packets;
  const auto kind = meter.trouble ? std::optional(meter.trouble->kind) : std::nullopt;
  if (kind == Trouble::kValveClosed) return;
  meter.household.live(meter.figures, at + options.local_time, options.interval, turn);
  if (kind == Trouble::kLeak) {
    meter.leaked += std::chrono::duration<double, std::ratio<3600>>(options.interval).count() * meter.trouble->amount;
    const auto whole = static_cast<std::uint32_t>(meter.leaked);
    meter.leaked -= whole;
    meter.figures.used += whole;
  }
  if (kind == Trouble::kBackwards && meter.packets > meter.trouble->amount) {
    meter.figures.used -= kFallLitres;
    meter.figures.bought -= kFallLitres;  // the balance stays what was paid for
  }
}

void Fleet::State::plan_meter(std::uint32_t index, base::Timestamp at, std::vector<Planned>& planned) {
  auto& meter = meters[index];
  if (is_quiet(meter)) return;
  if (meter.session.value == 0) meter.joining = true;
  if (meter.joining) return request_join(index, at);
  planned.push_back(plan_packet(index, at));
}

// Its receptions wait in the gateways until the truth is in the file, as all do.
void Fleet::State::request_join(std::uint32_t index, base::Timestamp at) {
  auto& meter = meters[index];
  if (at < meter.last_request + kJoinEvery) return;
  meter.last_request = at;
  const auto& device = town.meters[index];
  const auto nonce = meter.next_nonce++;
  writer.add(SentJoinRequest{device.eui, nonce});
  const auto frame = lorawan::build_join_request(device.app_key, device.join_eui, device.eui, nonce);
  hear(index, nonce, at, frame, hearers(town, index, nonce), std::nullopt);
}

void Fleet::State::encode(const Planned& planned) {
  if (!speaks_lorawan()) return encode_for_vendor(planned);
  const auto& meter = meters[planned.meter];
  const auto payload = payload_of(planned, town.meters[planned.meter].profile.get());
  lorawan::DataFrameSpec spec;
  spec.dev_addr = meter.dev_addr;
  spec.fcnt = planned.truth.fcnt;
  spec.adr = true;
  spec.port = kPort;
  spec.payload = payload;
  const auto frame = lorawan::build_data_frame(spec, meter.nwk_skey, meter.app_skey);
  MH_ASSERT(frame.has_value());
  hear(planned.meter, planned.truth.number, planned.truth.time, *frame, planned.truth.heard_by, planned.truth.number);
  add_noise(planned, *frame);
}

// The same reading in every gateway that heard it: the vendor's bodies say nothing of the radio.
void Fleet::State::encode_for_vendor(const Planned& planned) {
  const auto& truth = planned.truth;
  const auto reading = xor_reading(truth.meter, truth.fcnt, payload_of(planned, town.meters[planned.meter].profile.get()), options.xor_key);
  for (const auto gateway : truth.heard_by) keep(gateway, {reading, truth.number});
  counts.receptions += truth.heard_by.size();
}

void Fleet::State::hear(std::uint32_t meter, std::uint64_t number, base::Timestamp at, base::BytesView frame,
                        const std::vector<std::uint32_t>& by, std::optional<std::uint64_t> packet) {
  for (std::uint32_t rank = 0; rank < by.size(); ++rank) {
    const Heard heard{by[rank], meter, rank, number, at, clock_of(by[rank], at), true};
    keep(by[rank], {rxpk_json(town, heard, frame), packet});
    counts.receptions += packet ? 1 : 0;
  }
}

// Damaged copies of this frame and frames of neighbours' devices, heard by some gateway.
void Fleet::State::add_noise(const Planned& planned, base::BytesView frame) {
  Draw draw(town.options.seed, Purpose::kNoise, planned.truth.number);
  const auto gateway = draw.below(static_cast<std::uint32_t>(gateways.size()));
  const auto time = planned.truth.time;
  Heard heard{gateway, planned.meter, 3, planned.truth.number, time, clock_of(gateway, time), true};
  if (draw.chance(options.foreign_frames)) keep(gateway, {rxpk_json(town, heard, foreign_frame(draw)), std::nullopt});
  if (!draw.chance(options.crc_errors)) return;
  base::Bytes damaged(frame.begin(), frame.end());
  damaged[draw.below(static_cast<std::uint32_t>(damaged.size()))] ^= 0x55;
  heard.crc_ok = false;
  gateways[gateway].totals.crc_ok -= 1;
  keep(gateway, {rxpk_json(town, heard, damaged), std::nullopt});
}

void Fleet::State::keep(std::uint32_t index, Pending pending) {
  auto& gateway = gateways[index];
  gateway.totals.received += 1;
  gateway.totals.crc_ok += 1;
  gateway.totals.forwarded += 1;
  if (gateway.pending.size() >= kGatewayStoreMax) {
    gateway.pending.pop_front();
    counts.dropped += 1;
  }
  gateway.pending.push_back(std::move(pending));
}

Uplink Fleet::State::message(std::uint32_t index, std::string body, std::vector<std::uint64_t> packets) {
  const auto delivery = next_delivery++;
  writer.add(SentDelivery{delivery, index, std::move(packets)});
  counts.deliveries += 1;
  return {index, delivery, std::move(body)};
}

std::string Fleet::State::report_body(std::uint32_t index, std::string json) {
  const auto& gateway = town.gateways[index];
  if (!gateway.sends_datagrams && !options.datagrams_only) return json;
  const auto token = gateways[index].token++;
  return lorawan::build_push_data({static_cast<std::uint8_t>(token >> 8), static_cast<std::uint8_t>(token)}, gateway.eui, json);
}

std::string Fleet::State::body_of(std::uint32_t index, const std::vector<std::string>& pieces) {
  if (!speaks_lorawan()) return xor_body(town.gateways[index].eui, fmt::to_string(fmt::join(pieces, "")));
  return report_body(index, fmt::format(R"({{"rxpk":[{}]}})", fmt::join(pieces, ",")));
}

void Fleet::State::send_pending(std::uint32_t index, base::Timestamp now, std::vector<Uplink>& out) {
  auto& gateway = gateways[index];
  if (now < gateway.cut_off_until) return;
  while (!gateway.pending.empty()) {
    std::vector<std::string> pieces;
    std::vector<std::uint64_t> packets;
    while (pieces.size() < options.packets_per_message && !gateway.pending.empty()) {
      auto& pending = gateway.pending.front();
      pieces.push_back(std::move(pending.piece));
      if (pending.packet) packets.push_back(*pending.packet);
      gateway.pending.pop_front();
    }
    out.push_back(message(index, body_of(index, pieces), std::move(packets)));
  }
}

void Fleet::State::send_stat(std::uint32_t index, base::Timestamp now, std::vector<Uplink>& out) {
  auto& gateway = gateways[index];
  if (!speaks_lorawan() || options.stat_interval.count() == 0 || now < gateway.next_stat || now < gateway.cut_off_until) return;
  const double phase = Draw(town.options.seed, Purpose::kGateway, index, 1).unit();
  const bool first = gateway.next_stat == base::Timestamp{};
  const auto wait = first ? std::chrono::duration_cast<base::Duration>(options.stat_interval * phase)
                          : base::Duration(options.stat_interval);
  gateway.next_stat = now + wait;
  if (!first) out.push_back(message(index, report_body(index, stat_json(clock_of(index, now), gateway.totals)), {}));
}

base::Result<std::vector<Uplink>> Fleet::step(base::Timestamp now) {
  auto& s = *state_;
  s.run_faults(now);
  if (s.due() + s.options.interval < now) s.cycle = now - s.turns[s.position].first;  // it slept: rounds are left out
  std::vector<Planned> planned;
  for (; s.due() <= now; s.next_turn()) s.plan_meter(s.turns[s.position].second, s.due(), planned);
  MH_TRY_VOID(s.writer.flush());  // the truth stands before anything of it can be seen
  for (const auto& packet : planned) s.encode(packet);
  s.counts.packets += planned.size();
  s.counts.lost_on_air += static_cast<std::uint64_t>(
      std::ranges::count_if(planned, [](const Planned& p) { return p.truth.heard_by.empty(); }));
  std::vector<Uplink> out;
  for (std::uint32_t gateway = 0; gateway < s.gateways.size(); ++gateway) {
    s.send_pending(gateway, now, out);
    s.send_stat(gateway, now, out);
  }
  MH_TRY_VOID(s.writer.flush());
  return out;
}

}  // namespace meterhub::sim
