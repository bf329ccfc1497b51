#include <meterhub/sim/fleet.h>

#include <algorithm>

#include <meterhub/lorawan/join.h>

#include "draw.h"
#include "fleet_state.h"
#include "vendor_body.h"

namespace meterhub::sim {
namespace {

constexpr int kNoncesRemembered = 8;

MeterState new_meter(const Town& town, std::uint32_t index) {
  const auto& meter = town.meters[index];
  MeterState state(town.options.seed, index);
  if (meter.otaa) return state;
  Draw draw(town.options.seed, Purpose::kMeter, index, 1);
  state.session = base::SessionNumber(1);
  state.next_fcnt = 1'000 + draw.below(1'000'000);  // a year on the wall, at one per 30 s
  state.dev_addr = meter.dev_addr;
  state.nwk_skey = meter.nwk_skey;
  state.app_skey = meter.app_skey;
  return state;
}

SentTown sent_town(const Town& town, base::Timestamp begun) {
  const auto& o = town.options;
  return {o.seed, o.meters, o.meters_per_gateway, o.otaa_meters, o.tenant, begun};
}

// What a first look at the file says: does it exist, is it this town's, where does it end.
struct Found {
  std::optional<SentTown> town;
  std::uint64_t bytes = 0;
};
base::Result<Found> look(const base::Disk& disk, const std::string& path) {
  Found found;
  if (!MH_TRY(disk.exists(path))) return found;
  found.bytes = MH_TRY(read_sent(disk, path, [&](const SentRecord& record) {
    if (const auto* town = std::get_if<SentTown>(&record)) found.town = *town;
  }));
  return found;
}

}  // namespace

base::Result<std::optional<TownOptions>> continued_town(const base::Disk& disk, const std::string& sent_path) {
  const auto found = MH_TRY(look(disk, sent_path));
  if (!found.town) return std::nullopt;
  const auto& town = *found.town;
  return TownOptions{town.seed, town.meters, town.meters_per_gateway, town.otaa_meters, town.tenant};
}

Fleet::State::State(Town t, FleetOptions o, SentWriter w)
    : town(std::move(t)), options(std::move(o)), writer(std::move(w)), gateways(town.gateways.size()),
      fault_done(options.faults.size()) {
  for (std::uint32_t i = 0; i < town.meters.size(); ++i) {
    meters.push_back(new_meter(town, i));
    auto& meter = meters.back();
    meter.trouble = trouble_of(town.options.seed, i, options.troubled);
    if (meter.trouble && meter.trouble->kind == Trouble::kLowBalance) meter.figures.bought = meter.figures.used + meter.trouble->amount;
    meter_of[town.meters[i].eui.value] = i;
  }
}

std::optional<std::uint32_t> Fleet::State::index_of(base::Eui64 eui) const {
  const auto found = meter_of.find(eui.value);
  return found == meter_of.end() ? std::nullopt : std::optional(found->second);
}

void Fleet::State::set_turns(base::Timestamp now) {
  const auto interval = std::chrono::duration_cast<std::chrono::microseconds>(options.interval);
  for (std::uint32_t i = 0; i < meters.size(); ++i) {
    const double phase = Draw(town.options.seed, Purpose::kMeter, i, 2).unit();
    turns.emplace_back(static_cast<std::int64_t>(phase * static_cast<double>(interval.count())), i);
  }
  std::ranges::sort(turns);
  cycle = now;
}

void Fleet::State::next_turn() {
  if (++position < turns.size()) return;
  position = 0;
  cycle += options.interval;
}

void Fleet::State::recall(const SentRecord& record) {
  if (const auto* delivery = std::get_if<SentDelivery>(&record)) {
    next_delivery = delivery->number + 1;
  } else if (const auto* packet = std::get_if<SentPacket>(&record)) {
    next_packet = packet->number + 1;
    if (const auto index = index_of(packet->meter)) {
      auto& meter = meters[*index];
      meter.generation = packet->generation;
      meter.next_fcnt = packet->fcnt + 1;
      meter.figures = {packet->bought_litres, packet->used_litres};
    }
  } else if (const auto* request = std::get_if<SentJoinRequest>(&record)) {
    if (const auto index = index_of(request->meter)) {
      meters[*index].next_nonce = static_cast<std::uint16_t>(request->dev_nonce + 1);
    }
  } else if (const auto* joined = std::get_if<SentJoined>(&record)) {
    if (const auto index = index_of(joined->meter)) {
      auto& meter = meters[*index];
      meter.session = joined->session;
      meter.generation = base::Generation(0);
      meter.next_fcnt = 0;
      meter.dev_addr = joined->dev_addr;
      meter.nwk_skey = joined->nwk_skey;
      meter.app_skey = joined->app_skey;
      meter.joining = false;
    }
  } else if (const auto* fault = std::get_if<SentFault>(&record)) {
    apply(*fault);
  }
}

Fleet::Fleet(std::unique_ptr<State> state) : state_(std::move(state)) {}
Fleet::~Fleet() = default;

base::Result<std::unique_ptr<Fleet>> Fleet::open(Town town, const FleetOptions& options, base::Disk& disk,
                                                 const std::string& sent_path, base::Timestamp now) {
  if (options.interval <= std::chrono::milliseconds(0) || options.packets_per_message == 0) {
    return base::fail(base::Errc::kInvalidArgument, "a fleet needs an interval and packets in its messages");
  }
  if (options.xor_key.size() > kXorKeyMax || (!options.xor_key.empty() && town.options.otaa_meters > 0)) {
    return base::fail(base::Errc::kInvalidArgument, "a vendor's meters have a key of 1 to 32 bytes and do not join");
  }
  const auto found = MH_TRY(look(disk, sent_path));
  const auto begun = found.town ? found.town->begun : now;
  if (found.town && *found.town != sent_town(town, begun)) {
    return base::fail(base::Errc::kPrecondition, sent_path + " belongs to another town: use its seed and sizes, or another file");
  }
  auto writer = MH_TRY(SentWriter::open(disk, sent_path, found.town ? found.bytes : 0));
  auto state = std::make_unique<State>(std::move(town), options, std::move(writer));
  state->begun = begun;
  if (found.town) {
    MH_TRY_VOID(read_sent(disk, sent_path, [&](const SentRecord& record) { state->recall(record); }));
  } else {
    state->writer.add(sent_town(state->town, begun));
    for (const auto& gateway : state->town.gateways) state->writer.add(SentGateway{gateway.id, gateway.eui});
    MH_TRY_VOID(state->writer.flush());
  }
  state->set_turns(now);
  return std::unique_ptr<Fleet>(new Fleet(std::move(state)));
}

const Town& Fleet::town() const { return state_->town; }
base::Timestamp Fleet::next_due() const { return state_->due(); }
FleetCounts Fleet::counts() const { return state_->counts; }
base::Result<void> Fleet::flush() { return state_->writer.flush(); }

void Fleet::ended(std::uint64_t delivery, DeliveryEnd end) {
  state_->writer.add(SentEnd{delivery, end});
  auto& counts = state_->counts;
  switch (end) {
    case DeliveryEnd::kSettled: ++counts.settled; return;
    case DeliveryEnd::kRejected: ++counts.rejected; return;
    case DeliveryEnd::kDropped: ++counts.dropped; return;
  }
}

base::Result<void> Fleet::hear_join_accept(base::BytesView frame, const lorawan::Session& session) {
  const auto index = state_->index_of(session.dev_eui);
  if (!index || !state_->meters[*index].joining) {
    return base::fail(base::Errc::kNotFound, "no meter " + session.dev_eui.text() + " waits for a join-accept");
  }
  const auto& app_key = state_->town.meters[*index].app_key;
  const auto accept = MH_TRY(lorawan::open_join_accept(app_key, frame));
  const auto next_nonce = state_->meters[*index].next_nonce;
  for (int back = 1; back <= kNoncesRemembered; ++back) {  // its answer may be to an earlier request
    const auto nonce = static_cast<std::uint16_t>(next_nonce - back);
    const auto keys = lorawan::derive_session_keys(app_key, accept.app_nonce, accept.net_id, nonce);
    if (keys.nwk_skey != session.nwk_skey) continue;
    const SentJoined joined{session.dev_eui, session.number, accept.dev_addr, keys.nwk_skey, keys.app_skey};
    state_->recall(joined);
    state_->writer.add(joined);
    return state_->writer.flush();
  }
  return base::fail(base::Errc::kUnauthorized, "the join-accept answers no request of meter " + session.dev_eui.text());
}

base::Result<void> Fleet::silence(base::Eui64 meter, bool silent) {
  const auto index = state_->index_of(meter);
  if (!index) return base::fail(base::Errc::kNotFound, "no meter " + meter.text() + " in this town");
  state_->meters[*index].silent = silent;
  return {};
}

}  // namespace meterhub::sim
