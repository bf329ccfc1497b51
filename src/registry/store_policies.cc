#include <algorithm>
#include <array>

#include <meterhub/base/ascii.h>
#include <meterhub/base/encoding.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/registry/store.h>

#include "store_state.h"

namespace meterhub::registry {
namespace {

using base::Errc;
using Right = PolicyRight;

constexpr std::size_t kNameMax = 64;
constexpr std::size_t kNewKeyBytes = 32;
constexpr std::size_t kKeyBytesMin = 16;
constexpr std::size_t kKeyBytesMax = 64;

struct BuiltIn {
  std::string_view name;
  std::string_view scope;
  PolicyRights rights;
};
// spec/azure-amqp.md 3.4.
constexpr std::array<BuiltIn, 6> kBuiltIn{{
    {"iothubowner", kHubScope, {Right::kRegistryWrite, Right::kServiceConnect, Right::kDeviceConnect}},
    {"service", kHubScope, {Right::kServiceConnect}},
    {"device", kHubScope, {Right::kDeviceConnect}},
    {"registryRead", kHubScope, {Right::kRegistryRead}},
    {"registryReadWrite", kHubScope, {Right::kRegistryWrite}},
    {"RootManageSharedAccessKey", kAllEventHubs, {Right::kManage}},
}};

bool valid_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
  });
}

bool valid_key(std::string_view key) {
  if (key.empty()) return true;
  const auto bytes = base::base64_decode(key);
  return bytes && bytes->size() >= kKeyBytesMin && bytes->size() <= kKeyBytesMax;
}

base::Result<void> check(const PolicySpec& spec) {
  if (!valid_name(spec.name)) return base::fail(Errc::kInvalidArgument, "a policy's name has 1 to 64 letters, digits, '-', '_' and '.'");
  if (!spec.scope.empty() && spec.scope != kAllEventHubs && !valid_name(spec.scope))
    return base::fail(Errc::kInvalidArgument, "an event hub's name has 1 to 64 letters, digits, '-', '_' and '.'");
  const bool right_kind = spec.scope.empty() ? !spec.rights.of_event_hub() : !spec.rights.of_hub();
  if (spec.rights.empty() || !right_kind)
    return base::fail(Errc::kInvalidArgument, spec.scope.empty()
                                                  ? "a policy of the hub has rights of the hub; listen, send and manage need an event hub"
                                                  : "a policy of an event hub has rights listen, send, manage");
  if (!valid_key(spec.primary_key) || !valid_key(spec.secondary_key))
    return base::fail(Errc::kInvalidArgument, "a policy's key is base64 of 16 to 64 bytes");
  return {};
}

std::string key_context(std::string_view scope, std::string_view name, PolicyKey which) {
  return "policy:" + std::string(scope) + ":" + std::string(name) + (which == PolicyKey::kPrimary ? ":primary" : ":secondary");
}

std::string new_key() { return base::base64_encode(crypto::random_bytes(kNewKeyBytes)); }

std::string subject(std::string_view scope, std::string_view name) {
  return scope.empty() ? std::string(name) : std::string(scope) + "/" + std::string(name);
}

base::Result<std::string> open_key(const Store::State& state, base::BytesView sealed, const Policy& policy, PolicyKey which) {
  const auto plain = MH_TRY(state.open(sealed, key_context(policy.scope, policy.name, which)));
  return std::string(base::as_text(plain));
}

base::Result<Policy> policy_of(const Store::State& state, db::Statement& row) {
  Policy out;
  out.name = row.text(0);
  out.scope = row.text(1);
  out.rights = PolicyRights::of_bits(static_cast<std::uint8_t>(row.integer(2)));
  out.primary_key = MH_TRY(open_key(state, row.blob(3), out, PolicyKey::kPrimary));
  out.secondary_key = MH_TRY(open_key(state, row.blob(4), out, PolicyKey::kSecondary));
  out.created = row.time(5);
  out.changed = row.time(6);
  return out;
}

base::Result<Policy> read_policy(Store::State& state, std::string_view scope, std::string_view name) {
  auto row = MH_TRY(state.query(
      "SELECT name, scope, rights, primary_key, secondary_key, created, changed FROM policies WHERE scope = ? AND name = ?", scope, name));
  if (MH_TRY(row->step())) return policy_of(state, *row);
  const auto where = scope.empty() ? "of the hub" : scope == kAllEventHubs ? "of all event hubs" : "of event hub " + std::string(scope.substr(0, kNameMax));
  return base::fail(Errc::kNotFound, "there is no policy '" + std::string(name.substr(0, kNameMax)) + "' " + where);
}

base::Result<void> insert_policy(Store::State& state, const PolicySpec& spec) {
  const auto sealed = [&](const std::string& given, PolicyKey which) {
    const auto key = given.empty() ? new_key() : given;
    return state.seal(base::as_bytes(key), key_context(spec.scope, spec.name, which));
  };
  const auto primary = sealed(spec.primary_key, PolicyKey::kPrimary);
  const auto secondary = sealed(spec.secondary_key, PolicyKey::kSecondary);
  const auto now = state.clock.now();
  MH_TRY_VOID(state.run("INSERT INTO policies(name, scope, rights, primary_key, secondary_key, created, changed) VALUES (?, ?, ?, ?, ?, ?, ?)",
                        std::string_view(spec.name), std::string_view(spec.scope), std::int64_t{spec.rights.bits()},
                        base::BytesView(primary), base::BytesView(secondary), now, now));
  const auto row = state.connection->last_insert_id();
  return state.note_change(Change::Kind::kPolicy, row, row);
}

base::Result<void> check_room(Store::State& state) {
  auto row = MH_TRY(state.query("SELECT count(*) FROM policies"));
  MH_TRY_VOID(row->step());
  if (static_cast<std::size_t>(row->integer(0)) < kPoliciesMax) return {};
  return base::fail(Errc::kResourceExhausted, "there are " + std::to_string(kPoliciesMax) + " policies, the most there may be: remove one first");
}

}  // namespace

base::Result<void> make_builtin_policies(Store::State& state) {
  const auto made = [&]() -> base::Result<bool> {
    auto row = MH_TRY(state.query("SELECT 1 FROM settings WHERE name = 'builtin_policies'"));
    return row->step();
  };
  if (MH_TRY(made())) return {};
  auto transaction = MH_TRY(db::Transaction::begin(*state.connection));
  if (MH_TRY(made())) return {};  // by another process, meanwhile
  for (const auto& one : kBuiltIn)
    MH_TRY_VOID(insert_policy(state, {std::string(one.name), std::string(one.scope), one.rights, {}, {}}));
  MH_TRY_VOID(state.run("INSERT INTO settings(name, value) VALUES ('builtin_policies', x'01')"));
  return transaction.commit();
}

base::Result<Policy> Store::add_policy(const Actor& actor, const PolicySpec& given) {
  MH_TRY_VOID(check(given));
  PolicySpec spec = given;
  spec.scope = base::lower_case(given.scope);
  return edited(*state_, [&]() -> base::Result<Policy> {
    if (read_policy(*state_, spec.scope, spec.name))
      return base::fail(Errc::kAlreadyExists, "there is a policy '" + spec.name + "' there already");
    MH_TRY_VOID(check_room(*state_));
    MH_TRY_VOID(insert_policy(*state_, spec));
    MH_TRY_VOID(state_->note_audit(actor, "policy.add", subject(spec.scope, spec.name), rights_text(spec.rights)));
    return read_policy(*state_, spec.scope, spec.name);
  });
}

base::Result<Policy> Store::rotate_policy(const Actor& actor, std::string_view any_case_scope, std::string_view name, PolicyKey which) {
  const auto scope = base::lower_case(any_case_scope);
  const std::string_view column = which == PolicyKey::kPrimary ? "UPDATE policies SET primary_key = ?, changed = ? WHERE scope = ? AND name = ?"
                                                               : "UPDATE policies SET secondary_key = ?, changed = ? WHERE scope = ? AND name = ?";
  return edited(*state_, [&]() -> base::Result<Policy> {
    MH_TRY_VOID(read_policy(*state_, scope, name));
    const auto sealed = state_->seal(base::as_bytes(new_key()), key_context(scope, name, which));
    MH_TRY_VOID(state_->run(column, base::BytesView(sealed), state_->clock.now(), std::string_view(scope), name));
    MH_TRY_VOID(state_->note_change(Change::Kind::kPolicy, 0, 0));
    MH_TRY_VOID(state_->note_audit(actor, "policy.rotate", subject(scope, name), which == PolicyKey::kPrimary ? "primary" : "secondary"));
    return read_policy(*state_, scope, name);
  });
}

base::Result<void> Store::remove_policy(const Actor& actor, std::string_view any_case_scope, std::string_view name) {
  const auto scope = base::lower_case(any_case_scope);
  return edited(*state_, [&]() -> base::Result<void> {
    MH_TRY_VOID(read_policy(*state_, scope, name));
    MH_TRY_VOID(state_->run("DELETE FROM policies WHERE scope = ? AND name = ?", std::string_view(scope), name));
    MH_TRY_VOID(state_->note_change(Change::Kind::kPolicy, 0, 0));
    return state_->note_audit(actor, "policy.remove", subject(scope, name));
  });
}

base::Result<Policy> Store::policy(std::string_view scope, std::string_view name) const {
  const base::Lock lock(state_->mutex);
  return read_policy(*state_, base::lower_case(scope), name);
}

base::Result<std::vector<Policy>> Store::policies() const {
  const base::Lock lock(state_->mutex);
  auto row = MH_TRY(state_->query(
      "SELECT name, scope, rights, primary_key, secondary_key, created, changed FROM policies ORDER BY scope, name"));
  std::vector<Policy> out;
  while (MH_TRY(row->step())) out.push_back(MH_TRY(policy_of(*state_, *row)));
  return out;
}

}  // namespace meterhub::registry
