#include <algorithm>

#include <meterhub/base/encoding.h>
#include <meterhub/crypto/hash.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;

constexpr std::size_t kNameMax = 64;
constexpr std::size_t kKeyBytes = 32;

// The name is part of the actor in audit rows and of lists that people read.
bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  });
}

base::Result<void> check(const ApiKeySpec& spec, base::Timestamp now) {
  if (!valid_name(spec.name)) {
    return base::fail(Errc::kInvalidArgument,
                      "a key's name has 1 to " + std::to_string(kNameMax) + " letters, digits, '-', '_' and '.'");
  }
  if (spec.right == Right::kAdmin && !spec.tenant.empty()) {
    return base::fail(Errc::kInvalidArgument, "admin is a right over the whole platform: a tenant's key has at most manage");
  }
  if (spec.expires && *spec.expires <= now) return base::fail(Errc::kInvalidArgument, "the key would have ended already");
  return {};
}

std::optional<base::Timestamp> time_or_nothing(db::Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.time(column));
}

ApiKey key_of(db::Statement& row) {
  ApiKey out;
  out.number = static_cast<std::uint32_t>(row.integer(0));
  out.name = row.text(1);
  if (!row.is_null(2)) out.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(2)));
  // A right that this program does not know is the least.
  const auto right = row.integer(3);
  if (right >= 0 && right <= std::to_underlying(Right::kAdmin)) out.right = static_cast<Right>(right);
  const auto hash = row.blob(4);
  std::ranges::copy(hash.first(std::min(hash.size(), out.hash.size())), out.hash.begin());
  out.created = row.time(5);
  out.expires = time_or_nothing(row, 6);
  out.used = time_or_nothing(row, 7);
  out.enabled = row.integer(8) != 0 && hash.size() == out.hash.size();
  return out;
}

base::Result<void> check_room(Store::State& state, std::string_view name) {
  {
    auto row = MH_TRY(state.query("SELECT 1 FROM api_keys WHERE name = ?", name));
    if (MH_TRY(row->step())) {
      return base::fail(Errc::kAlreadyExists, "there is a key '" + std::string(name) + "' already: remove it, or take another name");
    }
  }
  auto row = MH_TRY(state.query("SELECT count(*) FROM api_keys"));
  MH_TRY_VOID(row->step());
  if (static_cast<std::size_t>(row->integer(0)) < kApiKeysMax) return {};
  return base::fail(Errc::kResourceExhausted,
                    "there are " + std::to_string(kApiKeysMax) + " keys, the most there may be: remove one first");
}

// kNotFound when the last statement changed no row.
base::Result<void> note_change_of(Store::State& state, const Actor& actor, std::string_view action, std::string_view name) {
  if (state.connection->changes() == 0) {
    return base::fail(Errc::kNotFound, "there is no key '" + std::string(name.substr(0, kNameMax)) + "'");
  }
  MH_TRY_VOID(state.note_change(Change::Kind::kApiKey, 0, 0));
  return state.note_audit(actor, action, name);
}

base::Result<ApiKey> insert_key(Store::State& state, const ApiKeySpec& spec, base::BytesView hash) {
  const std::int64_t tenant = spec.tenant.empty() ? 0 : MH_TRY(state.tenant_number(spec.tenant));
  MH_TRY_VOID(state.run(
      "INSERT INTO api_keys(name, tenant, rights, hash, created, expires, enabled) VALUES (?, nullif(?, 0), ?, ?, ?, nullif(?, 0), 1)",
      std::string_view(spec.name), tenant, std::int64_t{std::to_underlying(spec.right)}, hash, state.clock.now(),
      spec.expires.value_or(base::Timestamp{})));
  auto row = MH_TRY(state.query("SELECT number, name, tenant, rights, hash, created, expires, used, enabled FROM api_keys WHERE number = ?",
                                state.connection->last_insert_id()));
  MH_TRY_VOID(row->step());
  return key_of(*row);
}

}  // namespace

base::Result<Store::NewApiKey> Store::add_api_key(const Actor& actor, const ApiKeySpec& spec) {
  MH_TRY_VOID(check(spec, state_->clock.now()));
  return edited(*state_, [&]() -> base::Result<NewApiKey> {
    MH_TRY_VOID(check_room(*state_, spec.name));
    NewApiKey out;
    out.text = std::string(kApiKeyPrefix) + base::hex_encode(crypto::random_array<kKeyBytes>());
    const auto hash = crypto::sha256(base::as_bytes(out.text));
    out.key = MH_TRY(insert_key(*state_, spec, hash));
    MH_TRY_VOID(state_->note_change(Change::Kind::kApiKey, 0, 0));
    const auto whose = spec.tenant.empty() ? std::string("the platform") : "tenant " + spec.tenant;
    MH_TRY_VOID(state_->note_audit(actor, "key.add", spec.name, std::string(right_name(spec.right)) + " of " + whose));
    return out;
  });
}

base::Result<void> Store::remove_api_key(const Actor& actor, std::string_view name) {
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(state_->run("DELETE FROM api_keys WHERE name = ?", name));
    return note_change_of(*state_, actor, "key.remove", name);
  });
}

base::Result<void> Store::set_api_key_enabled(const Actor& actor, std::string_view name, bool enabled) {
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(state_->run("UPDATE api_keys SET enabled = ? WHERE name = ?", std::int64_t{enabled}, name));
    return note_change_of(*state_, actor, enabled ? "key.enable" : "key.disable", name);
  });
}

base::Result<std::vector<ApiKey>> Store::api_keys() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query("SELECT number, name, tenant, rights, hash, created, expires, used, enabled FROM api_keys ORDER BY name"));
  std::vector<ApiKey> out;
  while (MH_TRY(row->step())) out.push_back(key_of(*row));
  return out;
}

base::Result<void> Store::note_api_keys_used(std::span<const ApiKeyUse> uses) {
  return edited(*state_, [&]() -> base::Result<void> {
    for (const auto& use : uses) {
      MH_TRY_VOID(state_->run("UPDATE api_keys SET used = max(coalesce(used, 0), ?) WHERE number = ?", use.at, std::int64_t{use.key}));
    }
    return {};
  });
}

}  // namespace meterhub::registry
