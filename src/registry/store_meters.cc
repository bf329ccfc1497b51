#include <meterhub/meter/profile.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

// LEFT JOINs: a meter need not be placed. The condition follows.
#define MH_METER_COLUMNS                                                                                              \
  "SELECT m.number, m.eui, m.tenant, m.unit, m.building, t.name, d.name, b.name, u.floor, u.name, m.profile, "        \
  "m.allow_resets, m.silence_limit_s, m.low_limit_litres, m.otaa, m.session FROM meters m "                           \
  "JOIN tenants t ON t.number = m.tenant LEFT JOIN buildings b ON b.number = m.building "                             \
  "LEFT JOIN districts d ON d.number = b.district LEFT JOIN units u ON u.number = m.unit "

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

base::Result<Meter> meter_of(db::Statement& row) {
  Meter meter;
  meter.number = base::MeterNumber(narrow(row.integer(0)));
  meter.eui = MH_TRY(base::Eui64::parse(row.text(1)));
  meter.tenant = base::TenantNumber(narrow(row.integer(2)));
  meter.unit = UnitNumber(narrow(row.integer(3)));
  meter.building = BuildingNumber(narrow(row.integer(4)));
  meter.tenant_name = row.text(5);
  meter.district_name = row.text(6);
  meter.building_name = row.text(7);
  meter.floor = row.text(8);
  meter.unit_name = row.text(9);
  meter.profile = row.text(10);
  meter.allow_resets = row.integer(11) != 0;
  meter.silence_limit = std::chrono::seconds(row.integer(12));
  if (!row.is_null(13)) meter.low_limit_litres = row.integer(13);
  meter.otaa = row.integer(14) != 0;
  meter.session = base::SessionNumber(narrow(row.integer(15)));
  return meter;
}

base::Result<Meter> read_meter(Store::State& state, std::int64_t number) {
  auto row = MH_TRY(state.query(MH_METER_COLUMNS "WHERE m.number = ?", number));
  if (MH_TRY(row->step())) return meter_of(*row);
  return base::fail(Errc::kNotFound, "there is no meter " + std::to_string(number));
}

std::unexpected<base::Error> unknown(base::Eui64 eui) {
  return base::fail(Errc::kNotFound, "there is no meter " + eui.text());
}

base::Result<void> check(const MeterSpec& spec) {
  if (spec.eui.value == 0) return base::fail(Errc::kInvalidArgument, "a meter needs an EUI");
  if (spec.profile.empty()) return base::fail(Errc::kInvalidArgument, "a meter needs a payload profile");
  if (spec.silence_limit < std::chrono::seconds(0) || spec.silence_limit > std::chrono::days(366)) {
    return base::fail(Errc::kInvalidArgument, "the silence limit lies between a second and a year, or is 0: the rules' limit counts");
  }
  if (spec.low_limit_litres && (*spec.low_limit_litres <= INT32_MIN || *spec.low_limit_litres > INT32_MAX)) {
    return base::fail(Errc::kInvalidArgument, "the low limit is out of range");
  }
  return {};
}

std::string profiles_known(Store::State& state) {
  std::string out;
  for (const auto name : meter::builtin_profile_names()) (out += out.empty() ? "" : ", ") += name;
  auto row = state.query("SELECT name FROM profiles ORDER BY name");
  while (row && (*row)->step().value_or(false)) (out += ", ") += (*row)->text(0);
  return out;
}

void bind_place(db::Statement& statement, int index, std::int64_t number) {
  if (number == 0) {
    statement.bind_null(index);
  } else {
    statement.bind(index, number);
  }
}

void bind_optional(db::Statement& statement, int index, std::optional<std::int64_t> value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind_null(index);
  }
}

std::string root_context(base::Eui64 eui) { return "root:" + eui.text(); }

base::Result<std::optional<OtaaKeys>> read_root_key(Store::State& state, std::int64_t meter, base::Eui64 eui) {
  auto row = MH_TRY(state.query("SELECT join_eui, app_key FROM root_keys WHERE meter = ?", meter));
  if (!MH_TRY(row->step())) return std::nullopt;
  OtaaKeys keys{MH_TRY(base::Eui64::parse(row->text(0))), {}};
  const auto opened = MH_TRY(state.open(row->blob(1), root_context(eui)));
  if (opened.size() != keys.app_key.size()) return base::fail(Errc::kCorrupt, "a root key has another length");
  std::ranges::copy(opened, keys.app_key.begin());
  return keys;
}

base::Result<void> put_root_key(Store::State& state, std::int64_t meter, base::Eui64 eui, const OtaaKeys& keys) {
  const auto old = MH_TRY(read_root_key(state, meter, eui));
  if (old && old->join_eui == keys.join_eui && old->app_key == keys.app_key) return {};
  const auto sealed = state.seal(keys.app_key, root_context(eui));
  // The accept counter goes on; nonces used under another key mean nothing.
  MH_TRY_VOID(state.run("DELETE FROM dev_nonces WHERE meter = ?", meter));
  return state.run("INSERT INTO root_keys(meter, join_eui, app_key) VALUES (?, ?, ?) ON CONFLICT(meter) DO UPDATE SET "
                   "join_eui = excluded.join_eui, app_key = excluded.app_key",
                   meter, std::string_view(keys.join_eui.text()), base::BytesView(sealed));
}

bool same_keys(const std::optional<lorawan::Session>& session, const AbpKeys& keys) {
  return session && session->dev_addr == keys.dev_addr && session->nwk_skey == keys.nwk_skey && session->app_skey == keys.app_skey;
}

// A re-enrolment with other keys begins the next session.
base::Result<void> put_abp_keys(Store::State& state, std::int64_t meter, base::Eui64 eui, const AbpKeys& keys, bool made) {
  lorawan::Session next{keys.dev_addr, eui, base::MeterNumber(narrow(meter)), base::SessionNumber(1), keys.nwk_skey, keys.app_skey};
  if (!made) {
    if (same_keys(MH_TRY(newest_session(state, next.meter)), keys)) return {};
    auto stored = MH_TRY(state.query("SELECT session FROM meters WHERE number = ?", meter));
    MH_TRY_VOID(stored->step());
    next.number = base::SessionNumber(narrow(stored->integer(0)) + 1);
  }
  return insert_session(state, next);
}

base::Result<void> put_keys(Store::State& state, std::int64_t meter, const MeterSpec& spec, bool made) {
  if (const auto* abp = std::get_if<AbpKeys>(&spec.keys)) return put_abp_keys(state, meter, spec.eui, *abp, made);
  if (const auto* otaa = std::get_if<OtaaKeys>(&spec.keys)) return put_root_key(state, meter, spec.eui, *otaa);
  return {};
}

base::Result<std::int64_t> insert_meter(Store::State& state, const MeterSpec& spec, std::int64_t tenant, const Place& place) {
  // An ABP meter's first session is written right behind; its number is known.
  const std::int64_t session = std::holds_alternative<AbpKeys>(spec.keys) ? 1 : 0;
  auto insert = MH_TRY(state.query(
      "INSERT INTO meters(eui, tenant, profile, allow_resets, silence_limit_s, otaa, created, session, building, unit, low_limit_litres) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      std::string_view(spec.eui.text()), tenant, std::string_view(spec.profile), std::int64_t{spec.allow_resets},
      std::int64_t{spec.silence_limit.count()}, std::int64_t{std::holds_alternative<OtaaKeys>(spec.keys)}, state.clock.now(), session));
  bind_place(*insert, 9, place.building);
  bind_place(*insert, 10, place.unit);
  bind_optional(*insert, 11, spec.low_limit_litres);
  MH_TRY_VOID(insert->run());
  const auto number = state.connection->last_insert_id();
  if (number > UINT32_MAX) return base::fail(Errc::kResourceExhausted, "all meter numbers are given");
  return number;
}

base::Result<void> change_meter(Store::State& state, std::int64_t number, const MeterSpec& spec, std::int64_t tenant, const Place& place) {
  auto update = MH_TRY(state.query(
      "UPDATE meters SET tenant = ?, profile = ?, allow_resets = ?, silence_limit_s = ?, building = ?, unit = ?, low_limit_litres = ? WHERE number = ?",
      tenant, std::string_view(spec.profile), std::int64_t{spec.allow_resets}, std::int64_t{spec.silence_limit.count()}));
  bind_place(*update, 5, place.building);
  bind_place(*update, 6, place.unit);
  bind_optional(*update, 7, spec.low_limit_litres);
  update->bind(8, number);
  MH_TRY_VOID(update->run());
  if (std::holds_alternative<std::monostate>(spec.keys)) return {};
  return state.run("UPDATE meters SET otaa = ? WHERE number = ?", std::int64_t{std::holds_alternative<OtaaKeys>(spec.keys)}, number);
}

base::Result<Meter> put_one(Store::State& state, const Actor& actor, const MeterSpec& spec, IfExists mode) {
  return edited(state, [&]() -> base::Result<Meter> {
    const auto tenant = MH_TRY(state.tenant_or_only(spec.tenant));
    MH_TRY_VOID(check_profile(state, spec.profile));
    const auto place = MH_TRY(ensure_place(state, tenant, spec.district, spec.building, spec.floor, spec.unit));
    const auto put = MH_TRY(put_meter(state, spec, tenant, place, mode));
    if (place.made) MH_TRY_VOID(state.note_change(Change::Kind::kPlace, place.building, place.building));
    MH_TRY_VOID(state.note_change(Change::Kind::kMeter, put.number, put.number));
    MH_TRY_VOID(state.note_audit(actor, put.made ? "meter.add" : "meter.update", spec.eui.text()));
    return read_meter(state, put.number);
  });
}

}  // namespace

base::Result<void> check_profile(Store::State& state, std::string_view name) {
  if (meter::builtin_profile(name) != nullptr) return {};
  {
    auto row = MH_TRY(state.query("SELECT 1 FROM profiles WHERE name = ?", name));
    if (MH_TRY(row->step())) return {};
  }
  return base::fail(Errc::kNotFound, "profile: there is no \"" + std::string(name.substr(0, 40)) + "\", there are " + profiles_known(state) +
                                         "; import its file first (--profiles)");
}

base::Result<std::int64_t> find_meter(Store::State& state, base::Eui64 eui) {
  auto row = MH_TRY(state.query("SELECT number FROM meters WHERE eui = ?", std::string_view(eui.text())));
  return MH_TRY(row->step()) ? row->integer(0) : std::int64_t{0};
}

base::Result<PutMeter> put_meter(Store::State& state, const MeterSpec& spec, std::int64_t tenant, const Place& place, IfExists mode) {
  MH_TRY_VOID(check(spec));
  PutMeter put{MH_TRY(find_meter(state, spec.eui)), false};
  if (put.number != 0 && mode == IfExists::kRefuse) return base::fail(Errc::kAlreadyExists, "there is a meter " + spec.eui.text() + " already");
  if (put.number == 0 && mode == IfExists::kRequire) return unknown(spec.eui);
  if (put.number == 0) {
    put = {MH_TRY(insert_meter(state, spec, tenant, place)), true};
  } else {
    MH_TRY_VOID(change_meter(state, put.number, spec, tenant, place));
  }
  MH_TRY_VOID(put_keys(state, put.number, spec, put.made));
  return put;
}

base::Result<Meter> Store::add_meter(const Actor& actor, const MeterSpec& spec) {
  return put_one(*state_, actor, spec, IfExists::kRefuse);
}

base::Result<Meter> Store::update_meter(const Actor& actor, const MeterSpec& spec) {
  return put_one(*state_, actor, spec, IfExists::kRequire);
}

base::Result<void> Store::remove_meter(const Actor& actor, base::Eui64 eui) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto number = MH_TRY(find_meter(*state_, eui));
    if (number == 0) return unknown(eui);
    MH_TRY_VOID(state_->run("INSERT INTO changes(kind, first, last, time) SELECT 6, meter, number, ? FROM sessions WHERE meter = ?",
                            state_->clock.now(), number));
    MH_TRY_VOID(state_->run("DELETE FROM meters WHERE number = ?", number));
    MH_TRY_VOID(state_->note_change(Change::Kind::kMeter, number, number));
    return state_->note_audit(actor, "meter.remove", eui.text());
  });
}

base::Result<Meter> meter_with(Store::State& state, base::Eui64 eui) {
  const auto number = MH_TRY(find_meter(state, eui));
  if (number == 0) return unknown(eui);
  return read_meter(state, number);
}

base::Result<Meter> Store::meter(base::Eui64 eui) const {
  const base::Lock lock(state_->mutex);
  return meter_with(*state_, eui);
}

base::Result<Meter> Store::meter(base::MeterNumber number) const {
  const base::Lock lock(state_->mutex);
  return read_meter(*state_, number.value);
}

base::Result<std::vector<Meter>> Store::meters(base::MeterNumber after, std::size_t limit, base::MeterNumber last) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(MH_METER_COLUMNS "WHERE m.number > ? AND m.number <= ? ORDER BY m.number LIMIT ?",
                                  std::int64_t{after.value}, std::int64_t{last.value}, static_cast<std::int64_t>(limit)));
  std::vector<Meter> out;
  while (MH_TRY(row->step())) out.push_back(MH_TRY(meter_of(*row)));
  return out;
}

base::Result<std::int64_t> Store::meter_count() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT count(*) FROM meters"));
  MH_TRY_VOID(row->step());
  return row->integer(0);
}

base::Result<MeterKeys> Store::meter_keys(base::MeterNumber number) const {
  const base::Lock lock(state_->mutex);
  const auto meter = MH_TRY(read_meter(*state_, number.value));
  if (meter.otaa) {
    const auto root = MH_TRY(read_root_key(*state_, number.value, meter.eui));
    return root ? MeterKeys(*root) : MeterKeys();
  }
  const auto session = MH_TRY(newest_session(*state_, number));
  return session ? MeterKeys(AbpKeys{session->dev_addr, session->nwk_skey, session->app_skey}) : MeterKeys();
}

base::Result<JoinState> Store::join_state(base::Eui64 dev_eui, std::uint16_t dev_nonce) const {
  const base::Lock lock(state_->mutex);
  const auto number = MH_TRY(find_meter(*state_, dev_eui));
  if (number == 0) return unknown(dev_eui);
  const auto meter = MH_TRY(read_meter(*state_, number));
  const auto root = meter.otaa ? MH_TRY(read_root_key(*state_, number, dev_eui)) : std::nullopt;
  if (!root) return base::fail(Errc::kNotFound, "meter " + dev_eui.text() + " does not join");
  JoinState out{.meter = meter.number, .join_eui = root->join_eui, .app_key = root->app_key, .session = meter.session};
  {
    auto row = MH_TRY(state_->query("SELECT app_nonce FROM root_keys WHERE meter = ?", number));
    if (MH_TRY(row->step())) out.app_nonce = narrow(row->integer(0));
  }
  auto used = MH_TRY(state_->query("SELECT frame, accept FROM dev_nonces WHERE meter = ? AND nonce = ?", number, std::int64_t{dev_nonce}));
  if (MH_TRY(used->step())) {
    out.same_nonce_frame.emplace(used->blob(0).begin(), used->blob(0).end());
    out.same_nonce_accept.emplace(used->blob(1).begin(), used->blob(1).end());
  }
  return out;
}

}  // namespace meterhub::registry
