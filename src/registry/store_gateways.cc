#include <algorithm>
#include <array>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kNewKeyBytes = 32;
constexpr std::size_t kMinKeyBytes = 16;
constexpr std::size_t kMaxKeyBytes = 64;

constexpr std::string_view kById =
    "SELECT number, id, eui, tenant, enabled, status_reason, ns_plugin, authentication, primary_key, secondary_key, "
    "generation_id, etag, created, status_updated, primary_thumbprint, secondary_thumbprint FROM gateways WHERE id = ?";
constexpr std::string_view kByRow =
    "SELECT number, id, eui, tenant, enabled, status_reason, ns_plugin, authentication, primary_key, secondary_key, "
    "generation_id, etag, created, status_updated, primary_thumbprint, secondary_thumbprint FROM gateways WHERE number > ? AND number <= ? ORDER BY number LIMIT ?";

// What a device id may hold: spec/azure-amqp.md section 12.
bool valid_id(std::string_view id) {
  constexpr std::string_view kSpecial = "-:.+%_#*?!(),=@;$'";
  return !id.empty() && id.size() <= kMaxGatewayIdLength && std::ranges::all_of(id, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || kSpecial.contains(c);
  });
}

bool valid_key(const base::Bytes& key) {
  return key.empty() || (key.size() >= kMinKeyBytes && key.size() <= kMaxKeyBytes);
}

bool valid_thumbprint(std::string_view text) {
  return text.empty() || ((text.size() == 40 || text.size() == 64) && base::hex_decode(text));
}

base::Result<void> check_authentication(const GatewaySpec& spec) {
  constexpr std::array<std::string_view, 5> kKinds{"", kSasAuthentication, kThumbprintAuthentication, kAuthorityAuthentication,
                                                   kNoAuthentication};
  if (std::ranges::find(kKinds, spec.authentication) == kKinds.end()) {
    return base::fail(Errc::kInvalidArgument, "authentication is sas, selfSigned, certificateAuthority or none");
  }
  if (spec.thumbprints && !(valid_thumbprint(spec.thumbprints->primary) && valid_thumbprint(spec.thumbprints->secondary))) {
    return base::fail(Errc::kInvalidArgument, "a thumbprint is SHA-1 or SHA-256 of a certificate: 40 or 64 hex digits");
  }
  return {};
}

base::Result<void> check(const GatewaySpec& spec) {
  if (!valid_id(spec.id)) return base::fail(Errc::kInvalidArgument, "a gateway id has 1 to 128 ASCII letters, digits or -:.+%_#*?!(),=@;$'");
  if (!valid_key(spec.keys.primary) || !valid_key(spec.keys.secondary)) {
    return base::fail(Errc::kInvalidArgument, "a gateway key has 16 to 64 bytes");
  }
  return check_authentication(spec);
}

// What an update leaves out stays as it is.
base::Result<GatewaySpec> completed(GatewaySpec spec, const Gateway* old) {
  if (spec.authentication.empty()) spec.authentication = old == nullptr ? kSasAuthentication : std::string_view(old->authentication);
  if (!spec.thumbprints) spec.thumbprints = old == nullptr ? Thumbprints() : old->thumbprints;
  const bool has_thumbprint = !spec.thumbprints->primary.empty() || !spec.thumbprints->secondary.empty();
  if (spec.authentication == kThumbprintAuthentication && !has_thumbprint) {
    return base::fail(Errc::kInvalidArgument, "authentication selfSigned needs a thumbprint");
  }
  return spec;
}

std::string key_context(std::string_view id, std::string_view which) {
  return "gateway:" + std::string(id) + ":" + std::string(which);
}

std::string new_etag() { return base::hex_encode(crypto::random_array<8>()); }

base::Result<GatewayRow> gateway_of(const Store::State& state, db::Statement& row) {
  GatewayRow out;
  out.row = row.integer(0);
  Gateway& gateway = out.gateway;
  gateway.id = row.text(1);
  if (!row.is_null(2)) gateway.eui = MH_TRY(base::Eui64::parse(row.text(2)));
  gateway.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(3)));
  gateway.enabled = row.integer(4) != 0;
  gateway.status_reason = row.text(5);
  gateway.ns_plugin = row.text(6);
  gateway.authentication = row.text(7);
  gateway.keys.primary = MH_TRY(state.open(row.blob(8), key_context(gateway.id, "primary")));
  gateway.keys.secondary = MH_TRY(state.open(row.blob(9), key_context(gateway.id, "secondary")));
  gateway.generation_id = static_cast<std::uint64_t>(row.integer(10));
  gateway.etag = row.text(11);
  gateway.created = row.time(12);
  gateway.status_updated = row.time(13);
  gateway.thumbprints = {std::string(row.text(14)), std::string(row.text(15))};
  return out;
}

base::Result<GatewayRow> read_gateway(Store::State& state, std::string_view id) {
  auto row = MH_TRY(state.query(kById, id));
  if (MH_TRY(row->step())) return gateway_of(state, *row);
  return base::fail(Errc::kNotFound, "there is no gateway '" + std::string(id) + "'");
}

base::Result<void> check_etag(const Gateway& gateway, std::optional<std::string_view> etag) {
  if (!etag || *etag == gateway.etag) return {};
  return base::fail(Errc::kPrecondition, "gateway '" + gateway.id + "' was changed by someone else");
}

void bind_eui(db::Statement& statement, int index, const std::optional<base::Eui64>& eui) {
  if (eui) {
    statement.bind(index, std::string_view(eui->text()));
  } else {
    statement.bind_null(index);
  }
}

std::unexpected<base::Error> conflict(base::Error error) {
  if (error.code == Errc::kAlreadyExists) error.text = "another gateway has this EUI already";
  return std::unexpected(std::move(error));
}

base::Result<std::int64_t> insert_gateway(Store::State& state, const GatewaySpec& spec, std::int64_t tenant) {
  auto keys = spec.keys;
  if (keys.primary.empty()) keys.primary = crypto::random_bytes(kNewKeyBytes);
  if (keys.secondary.empty()) keys.secondary = crypto::random_bytes(kNewKeyBytes);
  const auto primary = state.seal(keys.primary, key_context(spec.id, "primary"));
  const auto secondary = state.seal(keys.secondary, key_context(spec.id, "secondary"));
  const auto now = state.clock.now();
  auto insert = MH_TRY(state.query(
      "INSERT INTO gateways(tenant, enabled, status_reason, ns_plugin, authentication, primary_key, secondary_key, "
      "generation_id, etag, created, status_updated, primary_thumbprint, secondary_thumbprint, id, eui) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      tenant, std::int64_t{spec.enabled}, std::string_view(spec.status_reason), std::string_view(spec.ns_plugin),
      std::string_view(spec.authentication), base::BytesView(primary), base::BytesView(secondary),
      std::int64_t{now.time_since_epoch().count()}, std::string_view(new_etag()), now, now,
      std::string_view(spec.thumbprints->primary), std::string_view(spec.thumbprints->secondary), std::string_view(spec.id)));
  bind_eui(*insert, 15, spec.eui);
  if (auto done = insert->run(); !done) return conflict(std::move(done).error());
  return state.connection->last_insert_id();
}

base::Result<std::int64_t> replace_gateway(Store::State& state, const GatewaySpec& spec, std::int64_t tenant, const GatewayRow& old) {
  const auto& primary_key = spec.keys.primary.empty() ? old.gateway.keys.primary : spec.keys.primary;
  const auto& secondary_key = spec.keys.secondary.empty() ? old.gateway.keys.secondary : spec.keys.secondary;
  const auto primary = state.seal(primary_key, key_context(spec.id, "primary"));
  const auto secondary = state.seal(secondary_key, key_context(spec.id, "secondary"));
  const bool same_status = spec.enabled == old.gateway.enabled;
  auto update = MH_TRY(state.query(
      "UPDATE gateways SET tenant = ?, enabled = ?, status_reason = ?, ns_plugin = ?, authentication = ?, primary_key = ?, "
      "secondary_key = ?, etag = ?, status_updated = ?, primary_thumbprint = ?, secondary_thumbprint = ?, eui = ? WHERE number = ?",
      tenant, std::int64_t{spec.enabled}, std::string_view(spec.status_reason), std::string_view(spec.ns_plugin),
      std::string_view(spec.authentication), base::BytesView(primary), base::BytesView(secondary),
      std::string_view(new_etag()), same_status ? old.gateway.status_updated : state.clock.now(),
      std::string_view(spec.thumbprints->primary), std::string_view(spec.thumbprints->secondary)));
  bind_eui(*update, 12, spec.eui);
  update->bind(13, old.row);
  if (auto done = update->run(); !done) return conflict(std::move(done).error());
  return old.row;
}

}  // namespace

base::Result<std::int64_t> put_gateway(Store::State& state, const GatewaySpec& stated, IfExists mode,
                                       std::optional<std::string_view> etag) {
  MH_TRY_VOID(check(stated));
  auto old = read_gateway(state, stated.id);
  if (!old && old.error().code != Errc::kNotFound) return std::unexpected(std::move(old).error());
  if (old && mode == IfExists::kRefuse) return base::fail(Errc::kAlreadyExists, "there is a gateway '" + stated.id + "' already");
  if (!old && mode == IfExists::kRequire) return std::unexpected(std::move(old).error());
  if (old) MH_TRY_VOID(check_etag(old->gateway, etag));
  const auto spec = MH_TRY(completed(stated, old ? &old->gateway : nullptr));
  const auto tenant = old && spec.tenant.empty() ? std::int64_t{old->gateway.tenant.value} : MH_TRY(state.tenant_or_only(spec.tenant));
  const auto row = old ? MH_TRY(replace_gateway(state, spec, tenant, *old)) : MH_TRY(insert_gateway(state, spec, tenant));
  MH_TRY_VOID(state.note_change(Change::Kind::kGateway, row, row));
  return row;
}

base::Result<Gateway> Store::add_gateway(const Actor& actor, const GatewaySpec& spec) {
  return edited(*state_, [&]() -> base::Result<Gateway> {
    MH_TRY_VOID(put_gateway(*state_, spec, IfExists::kRefuse));
    MH_TRY_VOID(state_->note_audit(actor, "gateway.add", spec.id));
    return MH_TRY(read_gateway(*state_, spec.id)).gateway;
  });
}

base::Result<Gateway> Store::update_gateway(const Actor& actor, const GatewaySpec& spec, std::optional<std::string_view> etag) {
  return edited(*state_, [&]() -> base::Result<Gateway> {
    MH_TRY_VOID(put_gateway(*state_, spec, IfExists::kRequire, etag));
    MH_TRY_VOID(state_->note_audit(actor, "gateway.update", spec.id));
    return MH_TRY(read_gateway(*state_, spec.id)).gateway;
  });
}

base::Result<void> Store::remove_gateway(const Actor& actor, std::string_view id, std::optional<std::string_view> etag) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto old = MH_TRY(read_gateway(*state_, id));
    MH_TRY_VOID(check_etag(old.gateway, etag));
    MH_TRY_VOID(state_->run("DELETE FROM gateways WHERE number = ?", old.row));
    MH_TRY_VOID(state_->note_change(Change::Kind::kGateway, old.row, old.row));
    return state_->note_audit(actor, "gateway.remove", id);
  });
}

base::Result<void> Store::set_gateway_enabled(const Actor& actor, std::string_view id, bool enabled, std::string_view reason) {
  return edited(*state_, [&]() -> base::Result<void> {
    const auto old = MH_TRY(read_gateway(*state_, id));
    MH_TRY_VOID(state_->run("UPDATE gateways SET enabled = ?, status_reason = ?, etag = ?, status_updated = ? WHERE number = ?",
                            std::int64_t{enabled}, reason, std::string_view(new_etag()), state_->clock.now(), old.row));
    MH_TRY_VOID(state_->note_change(Change::Kind::kGateway, old.row, old.row));
    return state_->note_audit(actor, enabled ? "gateway.enable" : "gateway.disable", id, reason);
  });
}

base::Result<Gateway> Store::gateway(std::string_view id) const {
  const base::Lock lock(state_->mutex);
  return MH_TRY(read_gateway(*state_, id)).gateway;
}

base::Result<std::vector<GatewayRow>> Store::gateways(std::int64_t after_row, std::size_t limit, std::int64_t last_row) const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(kByRow, after_row, last_row, static_cast<std::int64_t>(limit)));
  std::vector<GatewayRow> out;
  while (MH_TRY(row->step())) out.push_back(MH_TRY(gateway_of(*state_, *row)));
  return out;
}

base::Result<Store::GatewayCounts> Store::gateway_counts() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT count(*), coalesce(sum(enabled), 0) FROM gateways"));
  MH_TRY_VOID(row->step());
  return GatewayCounts{row->integer(0), row->integer(1)};
}

base::Result<void> Store::note_gateways_seen(std::span<const GatewaySeen> seen) {
  return edited(*state_, [&]() -> base::Result<void> {
    for (const auto& gateway : seen) {
      MH_TRY_VOID(state_->run(
          "INSERT INTO gateways_seen(gateway, changed, active) SELECT number, ?, ? FROM gateways WHERE id = ? "
          "ON CONFLICT(gateway) DO UPDATE SET changed = excluded.changed, active = excluded.active",
          gateway.changed, gateway.active, std::string_view(gateway.id)));
    }
    return {};
  });
}

base::Result<std::vector<GatewaySeen>> Store::gateways_seen() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT g.id, s.changed, s.active FROM gateways_seen s JOIN gateways g ON g.number = s.gateway"));
  std::vector<GatewaySeen> out;
  while (MH_TRY(row->step())) out.push_back({std::string(row->text(0)), row->time(1), row->time(2)});
  return out;
}

}  // namespace meterhub::registry
