#include "document_fleet.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "air.h"
#include "draw.h"

namespace meterhub::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// So many that they lie in several districts.
constexpr std::uint32_t kTownMetersMin = 2'500;
constexpr std::string_view kNewVersion = "v1.1";
constexpr double kGarbage = 0.000'1;      // spec/lorawan-ns.md 12
constexpr double kResends = 0.005;        // receptions that a gateway sends again
constexpr double kRepeats = 0.005;        // packets that a meter sends again, as they are
constexpr double kLostInBadSpell = 0.4;
constexpr minutes kBadSpell{10};          // on average
constexpr std::chrono::hours kGoodSpell{10};
constexpr std::uint32_t kPurchase = 50'000;  // litres

std::uint32_t low_limit_of(std::uint64_t seed, std::uint32_t meter) {
  constexpr std::array<std::uint32_t, 3> kLimits{5'000, 10'000, 20'000};
  return kLimits[Draw(seed, Purpose::kDocument, meter, ~0ULL).below(kLimits.size())];
}

base::Duration of(double seconds_part) { return base::Duration(static_cast<std::int64_t>(seconds_part * 1e6)); }

bool at_once(IncidentKind kind) {
  return kind == IncidentKind::kCounterReset || kind == IncidentKind::kExchange ||
         kind == IncidentKind::kSequenceRestart || kind == IncidentKind::kFirmware;
}

std::uint16_t status_bit(IncidentKind kind) {
  switch (kind) {
    case IncidentKind::kBattery: return status::kBatteryLow;
    case IncidentKind::kCaseOpened: return status::kTamper;
    case IncidentKind::kFlowSensor: return status::kFlowSensor;
    default: return 0;
  }
}

}  // namespace

base::Result<DocumentFleet> DocumentFleet::create(const DocumentOptions& options) {
  if (options.meters == 0 || options.meters > kDocumentMetersMax) {
    return base::fail(base::Errc::kInvalidArgument, fmt::format("a run has 1 to {} meters", kDocumentMetersMax));
  }
  if (options.interval < seconds(1))
    return base::fail(base::Errc::kInvalidArgument, "the interval is a second at least");
  TownOptions town;
  town.seed = options.seed;
  town.meters = std::max(options.meters, kTownMetersMin);
  return DocumentFleet(options, MH_TRY(make_town(town)));
}

DocumentFleet::DocumentFleet(const DocumentOptions& options, Town town)
    : options_(options), town_(std::move(town)), round_(options.begin) {
  if (options.incidents) incidents_ = plan_incidents({options.seed, options.meters, options.begin, options.span});
  for (std::uint32_t i = 0; i < options.meters; ++i) {
    meters_.push_back({Household(options.seed, i), {}, low_limit_of(options.seed, i)});
    turns_.emplace_back(
        of(Draw(options.seed, Purpose::kDocument, i, 0).unit() * static_cast<double>(options.interval.count()) / 1'000),
        i);
  }
  std::ranges::sort(turns_);
  note_batteries();
  for (const auto& incident : incidents_) {
    meters_[incident.meter].incidents.push_back(incident);
    meters_[incident.meter].happened.push_back(false);
  }
  for (std::uint32_t i = 0; i < options.meters; ++i) begin(i);
}

std::uint32_t DocumentFleet::town_index(std::uint32_t index) const {
  return static_cast<std::uint32_t>(std::uint64_t{index} * town_.meters.size() / options_.meters);
}

// Some batteries were low before: an incident from the beginning on, and nothing new may happen to them.
void DocumentFleet::note_batteries() {
  for (std::uint32_t i = 0; i < options_.meters; ++i) {
    const auto& household = meters_[i].household;
    if ((household.status(household.initial()) & status::kBatteryLow) == 0) continue;
    std::erase_if(incidents_,
                  [&](const Incident& one) { return one.meter == i && one.kind == IncidentKind::kBattery; });
    incidents_.push_back({IncidentKind::kBattery, i, options_.begin, options_.begin + options_.span, 0});
  }
}

void DocumentFleet::begin(std::uint32_t index) {
  auto& meter = meters_[index];
  meter.figures = meter.household.initial();
  meter.fcnt = 1'000 + Draw(options_.seed, Purpose::kDocument, index, 1).below(1'000'000);
  for (const auto& incident : meter.incidents) {
    if (incident.kind == IncidentKind::kLowBalance)
      meter.figures.bought = meter.figures.used + meter.low_limit + incident.litres;
  }
}

std::optional<DocumentPacket> DocumentFleet::next() {
  for (;;) {
    if (turn_ == turns_.size()) {
      turn_ = 0;
      round_ += options_.interval;
    }
    const auto [phase, index] = turns_[turn_++];
    DocumentPacket packet;
    packet.air = round_ + phase;
    if (packet.air >= options_.begin + options_.span) return std::nullopt;
    packet.meter = index;
    packet.number = next_number_;
    if (!live(index, packet)) continue;
    ++next_number_;
    send(meters_[index], packet);
    return packet;
  }
}

// An interval of a meter's life. False: it is silent.
bool DocumentFleet::live(std::uint32_t index, DocumentPacket& packet) {
  auto& meter = meters_[index];
  const auto before = meter.figures.used;
  const auto turn = static_cast<std::uint64_t>((packet.air - options_.begin) / options_.interval);
  meter.household.live(meter.figures, packet.air + options_.local_time, options_.interval, turn);
  bool silent = false;
  packet.burnt = meter.figures.used - before;
  packet.status = 0;
  meter.raised = 0;
  for (std::size_t i = 0; i < meter.incidents.size(); ++i) suffer(meter, i, packet, silent);
  note_balance(index, packet.air);
  packet.bought = meter.figures.bought;
  packet.used = meter.figures.used;
  packet.left = meter.figures.left() + static_cast<std::int32_t>(meter.raised);
  packet.status |= meter.household.status(meter.figures);
  packet.version = meter.version;
  packet.decodable = !Draw(options_.seed, Purpose::kDocument, index, turn + 2).chance(kGarbage);
  packet.burnt += std::exchange(meter.unsaid, 0);
  if (silent) meter.unsaid = packet.burnt;
  return !silent;
}

void DocumentFleet::suffer(Meter& meter, std::size_t number, DocumentPacket& packet, bool& silent) {
  const auto& incident = meter.incidents[number];
  const double intervals_an_hour = 3'600'000.0 / static_cast<double>(options_.interval.count());
  if (at_once(incident.kind)) {
    if (packet.air < incident.from || meter.happened[number]) return;
    meter.happened[number] = true;
    return happen_once(meter, incident);
  }
  if (incident.kind == IncidentKind::kLowBalance && packet.air >= incident.until && !meter.happened[number]) {
    meter.happened[number] = true;
    meter.figures.bought += kPurchase;
  }
  if (!incident.covers(packet.air)) return;
  packet.status |= status_bit(incident.kind);
  if (incident.kind == IncidentKind::kSilence || incident.kind == IncidentKind::kPause) silent = true;
  if (incident.kind == IncidentKind::kBalanceRaised) meter.raised = incident.litres;
  if (incident.kind == IncidentKind::kBackwards)
    meter.figures.used -= std::min(meter.figures.used, packet.burnt + incident.litres);
  double flowed = 0;
  if (incident.kind == IncidentKind::kLeak || incident.kind == IncidentKind::kSeepage)
    flowed = incident.litres / intervals_an_hour;
  if (incident.kind == IncidentKind::kSpike) flowed = incident.litres * 120.0 / intervals_an_hour;
  meter.leaked += flowed;
  const auto litres = static_cast<std::uint32_t>(meter.leaked);
  meter.leaked -= litres;
  meter.figures.used += litres;
  packet.burnt += litres;
}

void DocumentFleet::happen_once(Meter& meter, const Incident& incident) {
  const bool counter = incident.kind == IncidentKind::kCounterReset || incident.kind == IncidentKind::kExchange;
  if (counter) meter.figures = {static_cast<std::uint32_t>(std::max(meter.figures.left(), 0)), 0};
  if (incident.kind == IncidentKind::kExchange || incident.kind == IncidentKind::kSequenceRestart) meter.fcnt = 0;
  if (incident.kind == IncidentKind::kExchange || incident.kind == IncidentKind::kFirmware) meter.version = kNewVersion;
}

void DocumentFleet::note_balance(std::uint32_t index, base::Timestamp at) {
  auto& meter = meters_[index];
  const bool low =
      meter.figures.left() + static_cast<std::int32_t>(meter.raised) < static_cast<std::int32_t>(meter.low_limit);
  if (low && !meter.low) {
    meter.low = low_spells_.size();
    low_spells_.push_back({index, at, at});
  }
  if (meter.low) low_spells_[*meter.low].until = at;
  if (!low) meter.low.reset();
}

bool DocumentFleet::lost(Meter& meter, const DocumentPacket& packet) const {
  Draw draw(options_.seed, Purpose::kAir, packet.meter, ~packet.number);
  const double luck = draw.unit();
  if (packet.air < meter.bad_until) return luck < kLostInBadSpell;
  // Spells begin with a packet and last as long as chance will have it.
  const bool turns_bad = draw.chance(static_cast<double>(options_.interval.count()) /
                                     static_cast<double>(milliseconds(kGoodSpell).count()));
  if (turns_bad)
    meter.bad_until = packet.air + of(-std::log(1 - draw.unit()) * static_cast<double>(seconds(kBadSpell).count()));
  return luck < options_.lost_on_air;
}

void DocumentFleet::send(Meter& meter, DocumentPacket& packet) {
  packet.fcnt = meter.fcnt++;
  if (lost(meter, packet)) return;
  hear(packet, 0, packet.copies);
  if (Draw(options_.seed, Purpose::kReception, packet.meter, ~packet.number).chance(kRepeats))
    hear(packet, 1, packet.copies);
  std::ranges::stable_sort(packet.copies, {}, &DocumentCopy::arrival);
}

// `repeat`: how often the meter had sent it before.
void DocumentFleet::hear(const DocumentPacket& packet, std::uint32_t repeat, std::vector<DocumentCopy>& out) const {
  const auto air = packet.air + seconds(3) * repeat;
  const auto heard_by = hearers(town_, town_index(packet.meter), packet.number * 2 + repeat);
  for (std::uint32_t rank = 0; rank < heard_by.size(); ++rank) {
    const auto gateway = heard_by[rank];
    Draw draw(options_.seed, Purpose::kReception, std::uint64_t{gateway} << 32 | packet.meter,
              packet.number * 2 + repeat);
    const auto add = [&](base::Timestamp arrival) {
      const bool gps = town_.gateways[gateway].clock == GatewayClock::kGps;
      const base::Timestamp in_millis{std::chrono::floor<milliseconds>(arrival.time_since_epoch())};
      out.push_back({gateway, rank, gps ? base::PreciseTime{air, 6} : base::PreciseTime{in_millis, 3}, arrival});
    };
    const auto arrival = air + of(draw.between(0.08, 0.9));
    add(arrival);
    if (draw.chance(kResends)) add(arrival + of(draw.between(1, 20)));
  }
}

}  // namespace meterhub::sim
