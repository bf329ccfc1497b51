#include <map>
#include <mutex>
#include <string>

#include <meterhub/base/assert.h>
#include <meterhub/meter/profile.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

// Pages of a bulk load: the index on EUIs takes inserts in random order.
constexpr std::uint64_t kImportCache = 192ULL << 20;
constexpr std::uint64_t kUsualCache = 16ULL << 20;
// Names remembered; beyond it they are forgotten and looked up again.
constexpr std::size_t kNamesKept = 50'000;

}  // namespace

struct Store::Import::State {
  State(Store::State& s, std::unique_lock<base::Mutex> l, Actor who, db::Transaction t)
      : store(s), lock(std::move(l)), transaction(std::move(t)), actor(std::move(who)) {
    store.connection->set_cache_bytes(kImportCache);
  }
  ~State() {
    transaction.rollback();
    store.connection->set_cache_bytes(kUsualCache);
  }

  base::Result<std::int64_t> tenant(const std::string& name);
  base::Result<Place> place(std::int64_t owner, const MeterSpec& spec);
  base::Result<void> meter_put(const PutMeter& put);
  base::Result<void> flush_meters();

  Store::State& store;
  std::unique_lock<base::Mutex> lock;  // released last
  db::Transaction transaction;
  Actor actor;
  std::map<std::string, std::int64_t, std::less<>> tenants;
  std::map<std::string, Place, std::less<>> buildings;
  std::int64_t first_meter = 0;  // open range of changed meters; 0 = none
  std::int64_t last_meter = 0;
  std::int64_t meters = 0;
  std::int64_t gateways = 0;
  std::int64_t exchanges = 0;
  bool places_made = false;
  bool profiles_put = false;
};

base::Result<std::int64_t> Store::Import::State::tenant(const std::string& name) {
  if (const auto known = tenants.find(name); known != tenants.end()) return known->second;
  const auto number = MH_TRY(store.tenant_or_only(name));
  tenants.emplace(name, number);
  return number;
}

base::Result<Place> Store::Import::State::place(std::int64_t owner, const MeterSpec& spec) {
  if (spec.building.empty()) return ensure_place(store, owner, spec.district, spec.building, spec.floor, spec.unit);
  const auto key = std::to_string(owner) + '\n' + spec.district + '\n' + spec.building;
  auto known = buildings.find(key);
  if (known == buildings.end()) {
    if (buildings.size() >= kNamesKept) buildings.clear();
    const auto found = MH_TRY(ensure_place(store, owner, spec.district, spec.building, {}, {}));
    places_made = places_made || found.made;
    known = buildings.emplace(key, found).first;
  }
  Place out = known->second;
  if (spec.floor.empty() && spec.unit.empty()) return out;
  // One statement finds or makes the unit: a conflict changes nothing but returns the row.
  auto unit = MH_TRY(store.query("INSERT INTO units(building, floor, name) VALUES (?, ?, ?) "
                                 "ON CONFLICT(building, floor, name) DO UPDATE SET name = excluded.name RETURNING number",
                                 out.building, std::string_view(spec.floor), std::string_view(spec.unit)));
  MH_TRY_VOID(unit->step());
  out.unit = unit->integer(0);
  return out;
}

base::Result<void> Store::Import::State::flush_meters() {
  if (first_meter != 0) MH_TRY_VOID(store.note_change(Change::Kind::kMeter, first_meter, last_meter));
  first_meter = 0;
  return {};
}

base::Result<void> Store::Import::State::meter_put(const PutMeter& put) {
  ++meters;
  if (first_meter == 0 || put.number != last_meter + 1) {
    MH_TRY_VOID(flush_meters());
    first_meter = put.number;
  }
  last_meter = put.number;
  return {};
}

base::Result<std::unique_ptr<Store::Import>> Store::begin_import(const Actor& actor) {
  std::unique_lock lock(state_->mutex);
  auto transaction = MH_TRY(db::Transaction::begin(*state_->connection));
  auto state = std::make_unique<Import::State>(*state_, std::move(lock), actor, std::move(transaction));
  return std::unique_ptr<Import>(new Import(std::move(state)));
}

Store::Import::Import(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Import::~Import() = default;

base::Result<void> Store::Import::put_meter(const MeterSpec& spec, bool replace) {
  const auto tenant = MH_TRY(state_->tenant(spec.tenant));
  // Before its place is made: a refused line leaves nothing.
  if (!replace && MH_TRY(find_meter(state_->store, spec.eui)) != 0) {
    return base::fail(base::Errc::kAlreadyExists, "there is a meter " + spec.eui.text() + " already");
  }
  MH_TRY_VOID(check_profile(state_->store, spec.profile));
  const auto place = MH_TRY(state_->place(tenant, spec));
  return state_->meter_put(MH_TRY(registry::put_meter(state_->store, spec, tenant, place, replace ? IfExists::kReplace : IfExists::kRefuse)));
}

base::Result<void> Store::Import::put_exchange(const ExchangeSpec& spec, bool replace) {
  MH_TRY_VOID(registry::put_exchange(state_->store, state_->actor, spec, replace));
  ++state_->exchanges;
  return {};
}

base::Result<void> Store::Import::put_gateway(const GatewaySpec& spec, bool replace) {
  MH_TRY_VOID(registry::put_gateway(state_->store, spec, replace ? IfExists::kReplace : IfExists::kRefuse));
  ++state_->gateways;
  return {};
}

base::Result<void> Store::Import::put_tenant(std::string_view name, std::string_view time_zone) {
  if (name.empty()) return base::fail(base::Errc::kInvalidArgument, "a tenant needs a name");
  MH_TRY_VOID(check_time_zone(time_zone));
  MH_TRY_VOID(state_->store.run("INSERT INTO tenants(name, time_zone) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET time_zone = excluded.time_zone",
                                name, time_zone));
  state_->places_made = true;
  return {};
}

base::Result<PutProfile> Store::Import::put_profile(const Profile& profile, bool replace) {
  auto outcome = meter::builtin_profile(profile.name) == nullptr ? PutProfile::kAdded : PutProfile::kReplaced;
  {
    auto known = MH_TRY(state_->store.query("SELECT text FROM profiles WHERE name = ?", std::string_view(profile.name)));
    if (MH_TRY(known->step())) outcome = known->text(0) == profile.text ? PutProfile::kUnchanged : PutProfile::kReplaced;
  }
  if (outcome == PutProfile::kUnchanged) return outcome;
  if (outcome == PutProfile::kReplaced && !replace) {
    return base::fail(base::Errc::kAlreadyExists, "there is a profile " + profile.name + " already, which says something else");
  }
  MH_TRY_VOID(state_->store.run("INSERT INTO profiles(name, text) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET text = excluded.text",
                                std::string_view(profile.name), std::string_view(profile.text)));
  MH_TRY_VOID(state_->store.note_audit(state_->actor, "profile.put", profile.name));
  state_->profiles_put = true;
  return outcome;
}

base::Result<void> Store::Import::commit() {
  MH_TRY_VOID(state_->flush_meters());
  if (state_->profiles_put) MH_TRY_VOID(state_->store.note_change(Change::Kind::kProfile, 0, 0));
  if (state_->places_made) MH_TRY_VOID(state_->store.note_change(Change::Kind::kPlace, 0, 0));
  MH_TRY_VOID(state_->store.note_audit(state_->actor, "import", {},
                                       std::to_string(state_->meters) + " meters, " + std::to_string(state_->gateways) + " gateways" +
                                           (state_->exchanges > 0 ? ", " + std::to_string(state_->exchanges) + " exchanges" : "")));
  return state_->transaction.commit();
}

}  // namespace meterhub::registry
