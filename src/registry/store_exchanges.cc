#include <utility>

#include <meterhub/base/time_text.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

#define MH_EXCHANGE_COLUMNS                                                                                            \
  "SELECT e.number, e.at, e.old_number, e.new_number, e.old_eui, e.new_eui, e.building, e.unit, e.final_litres, "      \
  "e.initial_litres, d.name, b.name, u.floor, u.name FROM exchanges e LEFT JOIN buildings b ON b.number = e.building " \
  "LEFT JOIN districts d ON d.number = b.district LEFT JOIN units u ON u.number = e.unit "

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

std::unexpected<base::Error> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }
std::unexpected<base::Error> not_now(std::string text) { return base::fail(Errc::kPrecondition, std::move(text)); }

base::Result<NamedExchange> exchange_of(db::Statement& row) {
  Exchange out;
  out.number = ExchangeNumber(narrow(row.integer(0)));
  out.at = row.time(1);
  out.old_number = base::MeterNumber(narrow(row.integer(2)));
  out.new_number = base::MeterNumber(narrow(row.integer(3)));
  out.old_meter = MH_TRY(base::Eui64::parse(row.text(4)));
  out.new_meter = MH_TRY(base::Eui64::parse(row.text(5)));
  out.building = BuildingNumber(narrow(row.integer(6)));
  out.unit = UnitNumber(narrow(row.integer(7)));
  if (!row.is_null(8)) out.final_litres = row.integer(8);
  if (!row.is_null(9)) out.initial_litres = row.integer(9);
  return NamedExchange{
      out,
      {std::string(row.text(10)), std::string(row.text(11)), std::string(row.text(12)), std::string(row.text(13))}};
}

// One of the two, and the newest exchange in which it came or went.
struct Party {
  Meter meter;
  std::optional<Exchange> last;
  bool was_taken_out() const { return last && last->old_number == meter.number; }
};

base::Result<std::optional<Exchange>> last_exchange(Store::State& state, base::MeterNumber meter) {
  auto row = MH_TRY(state.query(MH_EXCHANGE_COLUMNS
                                "WHERE e.old_number = ? OR e.new_number = ? ORDER BY e.number DESC LIMIT 1",
                                std::int64_t{meter.value}, std::int64_t{meter.value}));
  if (!MH_TRY(row->step())) return std::nullopt;
  return MH_TRY(exchange_of(*row)).exchange;
}

base::Result<Party> party(Store::State& state, base::Eui64 eui) {
  auto meter = MH_TRY(meter_with(state, eui));
  auto last = MH_TRY(last_exchange(state, meter.number));
  return Party{std::move(meter), last};
}

std::string place_text(const Meter& meter) {
  std::string out = meter.building_name;
  for (const auto& part : {meter.floor, meter.unit_name}) {
    if (!part.empty()) out += ", " + part;
  }
  return out;
}

base::Result<void> check(const ExchangeSpec& spec, base::Timestamp at, base::Timestamp now) {
  if (spec.old_meter == spec.new_meter)
    return wrong("a meter is not exchanged for itself: both are " + spec.old_meter.text());
  if (at > now) return wrong(base::rfc3339(at) + " is in the future: note an exchange when it has been done");
  for (const auto& counter : {spec.final_litres, spec.initial_litres}) {
    if (counter && (*counter < 0 || *counter > kExchangeLitresMax))
      return wrong("a counter lies between 0 and 1000000000 m3");
  }
  return {};
}

// Times of a meter's exchanges rise: it cannot hang in two places.
base::Result<void> check_follows(const Party& party, base::Timestamp at) {
  if (!party.last || at > party.last->at) return {};
  return not_now("meter " + party.meter.eui.text() + " was " + (party.was_taken_out() ? "taken out" : "put in") +
                 " itself at " + base::rfc3339(party.last->at) + ": " + base::rfc3339(at) + " must be later");
}

base::Result<void> check_places(const Party& old, const Party& now) {
  if (old.meter.building.value == 0 && old.was_taken_out()) {
    return not_now("meter " + old.meter.eui.text() + " was taken out at " + base::rfc3339(old.last->at) + ": " +
                   old.last->new_meter.text() + " came in its place, exchange that one");
  }
  if (old.meter.building.value == 0) {
    return not_now("meter " + old.meter.eui.text() +
                   " hangs nowhere: there is no place for another to take; give it its building first");
  }
  const bool is_there = now.meter.building == old.meter.building && now.meter.unit == old.meter.unit;
  if (now.meter.building.value == 0 || is_there) return {};
  return not_now("meter " + now.meter.eui.text() + " hangs in " + place_text(now.meter) +
                 " already: exchange it there first, or take its place from it");
}

// The low limit is the flat's: it goes with the place.
base::Result<void> take_place(Store::State& state, const Meter& old, const Meter& now) {
  MH_TRY_VOID(state.run(
      "UPDATE meters SET building = (SELECT o.building FROM meters o WHERE o.number = ?), unit = (SELECT o.unit FROM meters o WHERE o.number = ?), "
      "low_limit_litres = coalesce((SELECT o.low_limit_litres FROM meters o WHERE o.number = ?), low_limit_litres) WHERE number = ?",
      std::int64_t{old.number.value}, std::int64_t{old.number.value}, std::int64_t{old.number.value},
      std::int64_t{now.number.value}));
  MH_TRY_VOID(state.run("UPDATE meters SET building = NULL, unit = NULL, low_limit_litres = NULL WHERE number = ?",
                        std::int64_t{old.number.value}));
  for (const auto number : {old.number, now.number})
    MH_TRY_VOID(state.note_change(Change::Kind::kMeter, number.value, number.value));
  return {};
}

std::string detail_of(const Exchange& exchange) {
  std::string out = "for " + exchange.new_meter.text() + " at " + base::rfc3339(exchange.at);
  if (exchange.final_litres) out += ", final " + cubic_metres_text(*exchange.final_litres) + " m3";
  if (exchange.initial_litres) out += ", initial " + cubic_metres_text(*exchange.initial_litres) + " m3";
  return out;
}

base::Result<void> note(Store::State& state, const Actor& actor, const Exchange& exchange) {
  MH_TRY_VOID(state.note_change(Change::Kind::kExchange, exchange.number.value, exchange.number.value));
  return state.note_audit(actor, "meter.exchange", exchange.old_meter.text(), detail_of(exchange));
}

base::Result<Exchange> insert(Store::State& state, const Actor& actor, Exchange exchange) {
  MH_TRY_VOID(state.run(
      "INSERT INTO exchanges(at, old_number, new_number, old_eui, new_eui, building, unit, final_litres, initial_litres) "
      "VALUES (?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, -1), nullif(?, -1))",
      exchange.at, std::int64_t{exchange.old_number.value}, std::int64_t{exchange.new_number.value},
      std::string_view(exchange.old_meter.text()), std::string_view(exchange.new_meter.text()),
      std::int64_t{exchange.building.value}, std::int64_t{exchange.unit.value}, exchange.final_litres.value_or(-1),
      exchange.initial_litres.value_or(-1)));
  const auto number = state.connection->last_insert_id();
  if (number > UINT32_MAX) return base::fail(Errc::kResourceExhausted, "all numbers of exchanges are given");
  exchange.number = ExchangeNumber(narrow(number));
  MH_TRY_VOID(note(state, actor, exchange));
  return exchange;
}

base::Result<std::optional<Exchange>> same_exchange(Store::State& state, const Exchange& asked) {
  auto row = MH_TRY(state.query(MH_EXCHANGE_COLUMNS "WHERE e.old_number = ? AND e.new_number = ? AND e.at = ?",
                                std::int64_t{asked.old_number.value}, std::int64_t{asked.new_number.value}, asked.at));
  if (!MH_TRY(row->step())) return std::nullopt;
  return MH_TRY(exchange_of(*row)).exchange;
}

base::Result<Exchange> mend(Store::State& state, const Actor& actor, Exchange known, const ExchangeSpec& spec) {
  known.final_litres = spec.final_litres;
  known.initial_litres = spec.initial_litres;
  MH_TRY_VOID(
      state.run("UPDATE exchanges SET final_litres = nullif(?, -1), initial_litres = nullif(?, -1) WHERE number = ?",
                known.final_litres.value_or(-1), known.initial_litres.value_or(-1), std::int64_t{known.number.value}));
  MH_TRY_VOID(note(state, actor, known));
  return known;
}

// Where a past exchange was.
base::Result<void> put_place(Store::State& state, const Meter& meter, const ExchangePlace& named, Exchange& exchange) {
  const auto place =
      MH_TRY(ensure_place(state, meter.tenant.value, named.district, named.building, named.floor, named.unit));
  if (place.building == 0) return wrong("the place of an exchange needs a building");
  if (place.made) MH_TRY_VOID(state.note_change(Change::Kind::kPlace, place.building, place.building));
  exchange.building = BuildingNumber(narrow(place.building));
  exchange.unit = UnitNumber(narrow(place.unit));
  return {};
}

}  // namespace

base::Result<Exchange> put_exchange(Store::State& state, const Actor& actor, const ExchangeSpec& spec, bool replace) {
  Exchange exchange{.number = {},
                    .at = spec.at.value_or(state.clock.now()),
                    .old_number = {},
                    .new_number = {},
                    .old_meter = spec.old_meter,
                    .new_meter = spec.new_meter,
                    .building = {},
                    .unit = {},
                    .final_litres = spec.final_litres,
                    .initial_litres = spec.initial_litres};
  MH_TRY_VOID(check(spec, exchange.at, state.clock.now()));
  const auto old = MH_TRY(party(state, spec.old_meter));
  auto found = party(state, spec.new_meter);
  if (!found && found.error().code == Errc::kNotFound)
    found.error().text += ": add it first, with its keys and without a place";
  const auto now = MH_TRY(std::move(found));
  if (old.meter.tenant != now.meter.tenant) {
    return wrong("meter " + old.meter.eui.text() + " is of tenant " + old.meter.tenant_name + ", " +
                 now.meter.eui.text() + " of " + now.meter.tenant_name + ": a meter is exchanged within its tenant");
  }
  exchange.old_number = old.meter.number;
  exchange.new_number = now.meter.number;
  if (const auto known = MH_TRY(same_exchange(state, exchange))) {
    if (replace) return mend(state, actor, *known, spec);
    return base::fail(Errc::kAlreadyExists, "there is a note of this exchange already");
  }
  for (const auto& one : {old, now}) MH_TRY_VOID(check_follows(one, exchange.at));
  if (spec.place) {
    MH_TRY_VOID(put_place(state, now.meter, *spec.place, exchange));
    return insert(state, actor, exchange);
  }
  MH_TRY_VOID(check_places(old, now));
  exchange.building = old.meter.building;
  exchange.unit = old.meter.unit;
  MH_TRY_VOID(take_place(state, old.meter, now.meter));
  return insert(state, actor, exchange);
}

base::Result<Exchange> Store::exchange_meter(const Actor& actor, const ExchangeSpec& spec) {
  return edited(*state_, [&] { return put_exchange(*state_, actor, spec, false); });
}

base::Result<std::vector<NamedExchange>> Store::exchanges(ExchangeNumber after, std::size_t limit,
                                                          ExchangeNumber last) const {
  const base::Lock lock(state_->mutex);
  auto row =
      MH_TRY(state_->query(MH_EXCHANGE_COLUMNS "WHERE e.number > ? AND e.number <= ? ORDER BY e.number LIMIT ?",
                           std::int64_t{after.value}, std::int64_t{last.value}, static_cast<std::int64_t>(limit)));
  std::vector<NamedExchange> out;
  while (MH_TRY(row->step())) out.push_back(MH_TRY(exchange_of(*row)));
  return out;
}

}  // namespace meterhub::registry
