#include <meterhub/registry/store.h>

#include <chrono>

#include <meterhub/base/assert.h>
#include <meterhub/crypto/secret.h>

#include "schema.h"
#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::string_view kKeyCheck = "meterhub master key";

// The first program to open the file leaves a sealed text; who cannot open it has another
// master key and must not write keys beside ours.
base::Result<void> check_master_key(Store::State& state) {
  auto stored = MH_TRY(state.query("SELECT value FROM settings WHERE name = 'key_check'"));
  if (MH_TRY(stored->step())) {
    if (state.open(stored->blob(0), kKeyCheck)) return {};
    return base::fail(Errc::kForbidden, "the registry was sealed under another master key");
  }
  const auto sealed = state.seal(base::as_bytes(kKeyCheck), kKeyCheck);
  return state.run("INSERT INTO settings(name, value) VALUES ('key_check', ?) ON CONFLICT DO NOTHING", base::BytesView(sealed));
}

base::Result<std::int64_t> ensure_named(Store::State& state, std::string_view find, std::string_view insert,
                                        std::int64_t parent, std::string_view name, bool& made) {
  {
    auto found = MH_TRY(state.query(find, parent, name));
    if (MH_TRY(found->step())) return found->integer(0);
  }
  made = true;
  MH_TRY_VOID(state.run(insert, parent, name));
  return state.connection->last_insert_id();
}

base::Result<std::int64_t> ensure_unit(Store::State& state, std::int64_t building, std::string_view floor,
                                       std::string_view name, bool& made) {
  {
    auto found = MH_TRY(state.query("SELECT number FROM units WHERE building = ? AND floor = ? AND name = ?", building, floor, name));
    if (MH_TRY(found->step())) return found->integer(0);
  }
  made = true;
  MH_TRY_VOID(state.run("INSERT INTO units(building, floor, name) VALUES (?, ?, ?)", building, floor, name));
  return state.connection->last_insert_id();
}

std::uint32_t narrow(std::int64_t value) { return static_cast<std::uint32_t>(value); }

Tenant tenant_of(db::Statement& row) {
  return {base::TenantNumber(narrow(row.integer(0))), std::string(row.text(1)), std::string(row.text(2))};
}

base::Result<void> describe(Store::State& state, std::string_view sql, std::int64_t number, std::string_view address,
                            std::string_view tags) {
  return state.run(sql, address, tags, number);
}

}  // namespace

base::Result<void> check_time_zone(std::string_view name) {
  const bool plausible = !name.empty() && name.size() <= 64 && name.find("..") == name.npos && name.front() != '/';
  std::error_code error;
  if (plausible && std::filesystem::is_regular_file("/usr/share/zoneinfo/" + std::string(name), error)) return {};
  // A machine without zone files cannot judge.
  if (plausible && !std::filesystem::exists("/usr/share/zoneinfo", error)) return {};
  return base::fail(Errc::kInvalidArgument, "unknown time zone: " + std::string(name.substr(0, 64)));
}

Store::State::~State() {
  statements.clear();
  crypto::wipe(master_key);
}

base::Result<db::Statement*> Store::State::compiled(std::string_view sql) {
  auto found = statements.find(sql);
  if (found == statements.end()) found = statements.emplace(sql, MH_TRY(connection->prepare(sql))).first;
  return &found->second;
}

base::Result<void> Store::State::note_change(Change::Kind kind, std::int64_t first, std::int64_t last) {
  return run("INSERT INTO changes(kind, first, last, time) VALUES (?, ?, ?, ?)", std::int64_t{std::to_underlying(kind)},
             first, last, clock.now());
}

base::Result<void> Store::State::note_audit(const Actor& actor, std::string_view action, std::string_view subject,
                                            std::string_view detail) {
  return run("INSERT INTO audit(time, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)", clock.now(),
             std::string_view(actor), action, subject, detail);
}

base::Bytes Store::State::seal(base::BytesView plain, std::string_view context) const {
  return crypto::seal(master_key, plain, base::as_bytes(context));
}

base::Result<base::Bytes> Store::State::open(base::BytesView sealed, std::string_view context) const {
  return crypto::open(master_key, sealed, base::as_bytes(context));
}

base::Result<std::int64_t> Store::State::tenant_number(std::string_view name) {
  auto found = MH_TRY(query("SELECT number FROM tenants WHERE name = ?", name));
  if (MH_TRY(found->step())) return found->integer(0);
  return base::fail(Errc::kNotFound, "there is no tenant '" + std::string(name) + "'");
}

base::Result<std::int64_t> Store::State::tenant_or_only(std::string_view name) {
  if (!name.empty()) return tenant_number(name);
  auto only = MH_TRY(query("SELECT min(number), count(*) FROM tenants"));
  MH_TRY_VOID(only->step());
  if (only->integer(1) == 1) return only->integer(0);
  return base::fail(Errc::kInvalidArgument, only->integer(1) == 0 ? "there is no tenant yet: add one first (meterhub registry add tenant NAME)"
                                                                  : "there are several tenants: name one");
}

base::Result<Place> ensure_place(Store::State& state, std::int64_t tenant, std::string_view district,
                                 std::string_view building, std::string_view floor, std::string_view unit) {
  Place place;
  if (building.empty() && unit.empty() && district.empty()) return place;
  if (building.empty() && !unit.empty()) return base::fail(Errc::kInvalidArgument, "a unit needs a building");
  place.district = MH_TRY(ensure_named(state, "SELECT number FROM districts WHERE tenant = ? AND name = ?",
                                       "INSERT INTO districts(tenant, name) VALUES (?, ?)", tenant, district, place.made));
  if (building.empty()) return place;
  place.building = MH_TRY(ensure_named(state, "SELECT number FROM buildings WHERE district = ? AND name = ?",
                                       "INSERT INTO buildings(district, name) VALUES (?, ?)", place.district, building, place.made));
  if (unit.empty() && floor.empty()) return place;
  bool made = false;  // units are not in the directory: they are read with their meters
  place.unit = MH_TRY(ensure_unit(state, place.building, floor, unit, made));
  return place;
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

base::Result<std::unique_ptr<Store>> Store::open(const Options& options, const base::Clock& clock) {
  auto connection = MH_TRY(db::Connection::open(options.file, {.busy_timeout = options.busy_timeout}));
  MH_TRY_VOID(db::migrate(*connection, schema(), clock.now()));
  auto state = std::make_unique<State>(std::move(connection), options.master_key, clock);
  MH_TRY_VOID(check_master_key(*state));
  MH_TRY_VOID(make_builtin_policies(*state));
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

base::Result<base::Timestamp> Store::created() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT min(applied_at) FROM schema_migrations"));
  MH_TRY_VOID(row->step());
  return row->time(0);
}

base::Result<Tenant> Store::add_tenant(const Actor& actor, std::string_view name, std::string_view time_zone) {
  if (name.empty()) return base::fail(Errc::kInvalidArgument, "a tenant needs a name");
  MH_TRY_VOID(check_time_zone(time_zone));
  return edited(*state_, [&]() -> base::Result<Tenant> {
    auto added = state_->run("INSERT INTO tenants(name, time_zone) VALUES (?, ?)", name, time_zone);
    if (!added && added.error().code == Errc::kAlreadyExists) {
      return base::fail(Errc::kAlreadyExists, "there is a tenant '" + std::string(name) + "' already");
    }
    MH_TRY_VOID(std::move(added));
    const auto number = state_->connection->last_insert_id();
    MH_TRY_VOID(state_->note_change(Change::Kind::kPlace, number, number));
    MH_TRY_VOID(state_->note_audit(actor, "tenant.add", name, time_zone));
    return Tenant{base::TenantNumber(narrow(number)), std::string(name), std::string(time_zone)};
  });
}

base::Result<Tenant> Store::tenant(std::string_view name) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, name, time_zone FROM tenants WHERE name = ?", name));
  if (!MH_TRY(row->step())) return base::fail(Errc::kNotFound, "there is no tenant '" + std::string(name) + "'");
  return tenant_of(*row);
}

base::Result<std::vector<Tenant>> Store::tenants() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, name, time_zone FROM tenants ORDER BY number"));
  std::vector<Tenant> out;
  while (MH_TRY(row->step())) out.push_back(tenant_of(*row));
  return out;
}

base::Result<std::vector<District>> Store::districts() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, tenant, name FROM districts ORDER BY number"));
  std::vector<District> out;
  while (MH_TRY(row->step())) {
    out.push_back({DistrictNumber(narrow(row->integer(0))), base::TenantNumber(narrow(row->integer(1))), std::string(row->text(2))});
  }
  return out;
}

base::Result<std::vector<Building>> Store::buildings() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(
      "SELECT b.number, b.district, d.tenant, b.name, b.address, b.tags FROM buildings b "
      "JOIN districts d ON d.number = b.district ORDER BY b.number"));
  std::vector<Building> out;
  while (MH_TRY(row->step())) {
    out.push_back({BuildingNumber(narrow(row->integer(0))), DistrictNumber(narrow(row->integer(1))),
                   base::TenantNumber(narrow(row->integer(2))), std::string(row->text(3)), std::string(row->text(4)),
                   std::string(row->text(5))});
  }
  return out;
}

base::Result<std::vector<Unit>> Store::units(BuildingNumber building) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, floor, name, address, tags FROM units WHERE building = ? ORDER BY number",
                                  std::int64_t{building.value}));
  std::vector<Unit> out;
  while (MH_TRY(row->step())) {
    out.push_back({UnitNumber(narrow(row->integer(0))), building, std::string(row->text(1)), std::string(row->text(2)),
                   std::string(row->text(3)), std::string(row->text(4))});
  }
  return out;
}

base::Result<void> Store::put_place(const Actor& actor, std::string_view tenant, std::string_view district,
                                    std::string_view building, std::string_view floor, std::string_view unit,
                                    std::string_view address, std::string_view tags) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto owner = MH_TRY(state_->tenant_or_only(tenant));
    const auto place = MH_TRY(ensure_place(*state_, owner, district, building, floor, unit));
    const bool described = !address.empty() || !tags.empty();
    if (described && place.unit != 0) {
      MH_TRY_VOID(describe(*state_, "UPDATE units SET address = ?, tags = ? WHERE number = ?", place.unit, address, tags));
    } else if (described && place.building != 0) {
      MH_TRY_VOID(describe(*state_, "UPDATE buildings SET address = ?, tags = ? WHERE number = ?", place.building, address, tags));
    }
    MH_TRY_VOID(state_->note_change(Change::Kind::kPlace, place.building, place.building));
    return state_->note_audit(actor, "place.put", building.empty() ? district : building, unit);
  });
}

base::Result<std::vector<Profile>> Store::profiles() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT name, text FROM profiles ORDER BY name"));
  std::vector<Profile> out;
  while (MH_TRY(row->step())) out.push_back({std::string(row->text(0)), std::string(row->text(1))});
  return out;
}

base::Result<std::vector<AuditEntry>> Store::audit(std::uint64_t after, std::size_t limit) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, time, actor, action, subject, detail FROM audit WHERE number > ? ORDER BY number LIMIT ?",
                                  static_cast<std::int64_t>(after), static_cast<std::int64_t>(limit)));
  std::vector<AuditEntry> out;
  while (MH_TRY(row->step())) {
    out.push_back({static_cast<std::uint64_t>(row->integer(0)), row->time(1), Actor(row->text(2)), std::string(row->text(3)),
                   std::string(row->text(4)), std::string(row->text(5))});
  }
  return out;
}

base::Result<std::uint64_t> Store::last_change() const {
  const base::Lock lock(state_->mutex);
  // The sequence, not max(number): it stands also when every change row was pruned.
  auto row = MH_TRY(state_->query("SELECT seq FROM sqlite_sequence WHERE name = 'changes'"));
  return MH_TRY(row->step()) ? static_cast<std::uint64_t>(row->integer(0)) : std::uint64_t{0};
}

base::Result<std::vector<Change>> Store::changes(std::uint64_t after, std::size_t limit) const {
  const base::Lock lock(state_->mutex);
  {
    auto pruned = MH_TRY(state_->query("SELECT CAST(value AS BIGINT) FROM settings WHERE name = 'changes_pruned_to'"));
    if (MH_TRY(pruned->step()) && static_cast<std::uint64_t>(pruned->integer(0)) > after) {
      return base::fail(Errc::kNotFound, "these changes are no longer kept");
    }
  }
  auto row = MH_TRY(state_->query("SELECT number, kind, first, last FROM changes WHERE number > ? ORDER BY number LIMIT ?",
                                  static_cast<std::int64_t>(after), static_cast<std::int64_t>(limit)));
  std::vector<Change> out;
  while (MH_TRY(row->step())) {
    out.push_back({static_cast<std::uint64_t>(row->integer(0)), static_cast<Change::Kind>(row->integer(1)), row->integer(2), row->integer(3)});
  }
  return out;
}

base::Result<void> Store::prune_changes(base::Timestamp before) {
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(state_->run(
        "INSERT INTO settings(name, value) SELECT 'changes_pruned_to', max(number) FROM changes WHERE time < ? HAVING count(*) > 0 "
        "ON CONFLICT(name) DO UPDATE SET value = excluded.value", before));
    return state_->run("DELETE FROM changes WHERE time < ?", before);
  });
}

}  // namespace meterhub::registry
