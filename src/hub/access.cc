#include "access.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

#include <meterhub/base/ascii.h>
#include <meterhub/sas/token.h>

namespace meterhub::hub {
namespace {

constexpr std::chrono::seconds kSkew{5};
constexpr std::string_view kTokenScheme = "SharedAccessSignature ";

using Kind = sas::Resource::Kind;

constexpr std::uint8_t bits(std::initializer_list<Right> rights) {
  std::uint8_t out = 0;
  for (const auto right : rights) out |= static_cast<std::uint8_t>(right);
  return out;
}

// What each node asks for (spec/azure-amqp.md 3.4): a device's own token, one of these rights of the hub, one of these of
// the event hub. Rights of the hub open the built-in event hub and no other, as in Azure.
struct Needs {
  Node node;
  bool own_device;
  std::uint8_t of_hub;
  std::uint8_t of_event_hub;
};
constexpr std::array<Needs, 7> kNeeds{{
    {Node::kTelemetry, true, bits({Right::kDeviceConnect}), 0},
    {Node::kDevicebound, true, bits({Right::kDeviceConnect}), 0},
    {Node::kServiceSend, false, bits({Right::kServiceConnect}), 0},
    {Node::kFeedback, false, bits({Right::kServiceConnect}), 0},
    {Node::kEvents, false, bits({Right::kServiceConnect}), bits({Right::kListen})},
    {Node::kEventHub, false, 0, bits({Right::kSend})},
    {Node::kManagement, false, bits({Right::kServiceConnect}), bits({Right::kListen, Right::kSend})},
}};

bool same_secret(std::string_view a, std::string_view b) {
  return !a.empty() && a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::unexpected<Refusal> refuse(int status, std::string_view reason, std::string text) {
  return std::unexpected(Refusal{status, reason, std::move(text)});
}

// The device client sends the token's `sr` as audience, still percent-encoded.
std::optional<sas::Resource> resource_of(std::string_view audience) {
  const auto decoded = sas::percent_decode(audience);
  auto asked = decoded ? sas::parse_resource(*decoded) : base::fail(base::Errc::kInvalidArgument, {});
  return asked ? std::optional(std::move(*asked)) : std::nullopt;
}

std::string first_segment(std::string_view path) { return std::string(path.substr(0, path.find('/'))); }

template <class Owner>
std::optional<std::string_view> signing_key(const sas::Token& token, const Owner& owner) {
  for (const std::string_view key : {std::string_view(owner.primary_key), std::string_view(owner.secondary_key)})
    if (!key.empty() && sas::signed_by(token, key)) return key;
  return std::nullopt;
}

// Names a claim's subject, so that a renewal finds it.
std::string audience_text(const sas::Resource& resource) {
  switch (resource.kind) {
    case Kind::kDevice: return "devices/" + resource.device_id;
    case Kind::kEventHub: return "sb:" + canonical_path(resource.path);
    case Kind::kHub: break;
  }
  return "hub";
}

Claim claim_of(const Policy& policy, std::string_view key) {
  Claim out;
  out.key = key;
  out.policy = policy.name;
  out.scope = policy.scope;
  out.rights = policy.rights;
  return out;
}

// 401 and 404 as the SDKs tell them apart (spec/azure-amqp.md 4).
std::expected<Claim, Refusal> device_claim(const sas::Token& token, const GatewayDirectory& gateways) {
  const auto& resource = token.resource;
  if (resource.kind != Kind::kDevice || !resource.module_id.empty())
    return refuse(401, "not_a_device", "a token without a policy's name is for a device and what it may");
  const auto gateway = gateways.find(resource.device_id);
  if (!gateway) return refuse(404, "unknown", "there is no device of this name");
  const auto key = signing_key(token, *gateway);
  if (!key) return refuse(401, "signature", "the token's signature is wrong");
  if (!gateway->enabled) return refuse(401, "disabled", "the device is disabled");
  Claim out;
  out.gateway = gateway->id;
  out.key = *key;
  return out;
}

// An Event Hubs token's policy may be that of its event hub, of all event hubs, or the hub's.
std::expected<Claim, Refusal> policy_claim(const sas::Token& token, const PolicyDirectory& policies) {
  const auto path = token.resource.kind == Kind::kEventHub ? canonical_path(token.resource.path) : std::string();
  std::vector<std::string> scopes;
  if (!path.empty()) scopes.push_back(first_segment(path));
  if (token.resource.kind == Kind::kEventHub) scopes.emplace_back("*");
  scopes.emplace_back();
  bool known = false;
  for (const auto& scope : scopes) {
    const auto policy = policies.find(scope, token.policy);
    if (!policy) continue;
    known = true;
    const auto key = signing_key(token, *policy);
    if (!key) continue;
    auto out = claim_of(*policy, *key);
    out.path = path;
    return out;
  }
  if (!known) return refuse(401, "unknown_policy", "there is no policy of this name");
  return refuse(401, "signature", "the token's signature is wrong");
}

// A policy that acts for a device: both must be in order.
std::optional<Refusal> check_device_of(const Claim& claim, const GatewayDirectory& gateways) {
  if (claim.gateway.empty()) return std::nullopt;
  if ((claim.rights & static_cast<std::uint8_t>(Right::kDeviceConnect)) == 0)
    return Refusal{401, "rights", "the policy may not act for devices"};
  const auto gateway = gateways.find(claim.gateway);
  if (!gateway) return Refusal{404, "unknown", "there is no device of this name"};
  if (!gateway->enabled) return Refusal{401, "disabled", "the device is disabled"};
  return std::nullopt;
}

}  // namespace

bool permits(const Claim& claim, const LinkAddress& address) {
  const auto needs = std::ranges::find(kNeeds, address.node, &Needs::node);
  if (needs == kNeeds.end()) return false;
  if (claim.of_device()) return needs->own_device && address.gateway == claim.gateway;
  const auto event_hub = base::lower_case(address.event_hub);
  const bool any_hub = event_hub.empty();  // $management: its requests name one, and are looked at again
  if (claim.scope.empty()) {
    if ((claim.rights & needs->of_hub) == 0) return false;
    if (!address.gateway.empty()) return claim.gateway.empty() || claim.gateway == address.gateway;
    // A token for a device or an event hub speaks for no more than that.
    if (address.node == Node::kServiceSend || address.node == Node::kFeedback)
      return claim.gateway.empty() && claim.path.empty();
    if (!any_hub && event_hub != kBuiltInEventHub) return false;
  } else {
    if ((claim.rights & needs->of_event_hub) == 0) return false;
    if (!any_hub && claim.scope != "*" && claim.scope != event_hub) return false;
  }
  return any_hub || lies_below(event_hub_path(address), claim.path);
}

Access::Access(const GatewayDirectory& gateways, const PolicyDirectory& policies, std::vector<std::string> host_names,
               std::vector<std::string> event_hubs)
    : gateways_(gateways), policies_(policies), host_names_(std::move(host_names)), event_hubs_(std::move(event_hubs)) {}

// A token that is good by itself, and what it proves.
struct Access::Checked {
  sas::Token token;
  Claim claim;
};

bool Access::is_known_host(std::string_view host) const {
  return host_names_.empty() || std::ranges::find(host_names_, host) != host_names_.end();
}

std::expected<Access::Checked, Refusal> Access::verified(std::string_view text, base::Timestamp now) const {
  auto token = sas::parse_token(text);
  if (!token) return refuse(401, "malformed", "the token is malformed: " + token.error().text);
  if (!is_known_host(token->resource.host)) return refuse(401, "host", "the token is for another host");
  if (token->resource.kind == Kind::kDevice && !token->resource.module_id.empty())
    return refuse(401, "not_a_device", "this hub has no modules");
  auto claim = token->policy.empty() ? device_claim(*token, gateways_) : policy_claim(*token, policies_);
  if (!claim) return std::unexpected(std::move(claim).error());
  if (!sas::alive(*token, now, kSkew)) return refuse(401, "expired", "the token has expired");
  claim->expires = base::Timestamp(token->expiry) + kSkew;
  if (token->resource.kind == Kind::kDevice) claim->gateway = token->resource.device_id;
  claim->audience = audience_text(token->resource);
  return Checked{std::move(*token), std::move(*claim)};
}

std::expected<Claim, Refusal> Access::check_token(std::string_view text, std::string_view audience, base::Timestamp now) const {
  auto checked = verified(text, now);
  if (!checked) return std::unexpected(std::move(checked).error());
  auto& claim = checked->claim;
  const auto asked = resource_of(audience);
  const bool same = audience == checked->token.resource_text;
  if (!same && !(asked && sas::covers(checked->token.resource, *asked)))
    return refuse(401, "audience", "the token does not cover the audience");
  if (!same) {
    claim.audience = audience_text(*asked);
    if (asked->kind == Kind::kDevice) claim.gateway = asked->device_id;
  }
  if (claim.of_device()) return std::move(claim);
  if (auto refusal = check_device_of(claim, gateways_)) return std::unexpected(std::move(*refusal));
  return std::move(claim);
}

std::expected<std::vector<Claim>, Refusal> Access::check_plain(std::string_view user, std::string_view password,
                                                               base::Timestamp now) const {
  if (password.starts_with(kTokenScheme)) return token_of_user(user, password, now);
  return key_of_policy(user, password);
}

// {device}@sas.{hub} or {policy}@sas.root.{hub}, where the hub is a host name or its first label.
std::expected<std::vector<Claim>, Refusal> Access::token_of_user(std::string_view user, std::string_view token,
                                                                 base::Timestamp now) const {
  auto checked = verified(token, now);
  if (!checked) return std::unexpected(std::move(checked).error());
  auto& claim = checked->claim;
  if (auto refusal = claim.of_device() ? std::nullopt : check_device_of(claim, gateways_))
    return std::unexpected(std::move(*refusal));
  const auto prefix = claim.of_device() ? claim.gateway + "@sas." : claim.policy + "@sas.root.";
  const auto hub = user.starts_with(prefix) ? base::lower_case(user.substr(prefix.size())) : std::string();
  const bool ours = host_names_.empty() || std::ranges::any_of(host_names_, [&](const std::string& host) {
    return hub == host || hub == host.substr(0, host.find('.'));
  });
  if (hub.empty() || !ours) return refuse(401, "user", "the user name does not fit the token");
  std::vector<Claim> out;
  out.push_back(std::move(claim));
  return out;
}

std::expected<std::vector<Claim>, Refusal> Access::key_of_policy(std::string_view name, std::string_view key) const {
  auto scopes = event_hubs_;
  scopes.emplace_back("*");
  scopes.emplace_back();
  std::vector<Claim> out;
  for (const auto& scope : scopes) {
    const auto policy = policies_.find(scope, name);
    if (!policy || (!same_secret(key, policy->primary_key) && !same_secret(key, policy->secondary_key))) continue;
    out.push_back(claim_of(*policy, key));
    out.back().expires = base::Timestamp::max();
    out.back().audience = "plain:" + scope + "/" + policy->name;
  }
  if (out.empty()) return refuse(401, "plain", "there is no policy with this name and key");
  return out;
}

std::expected<Claim, Refusal> Access::check_certificate(const net::PeerCertificate& shown, std::string_view id,
                                                        base::Timestamp now) const {
  const auto gateway = gateways_.find(id);
  if (!gateway) return refuse(404, "unknown", "there is no device of this name");
  if (!is_of(shown, *gateway)) return refuse(401, "certificate", "the certificate is not this device's");
  if (!gateway->enabled) return refuse(401, "disabled", "the device is disabled");
  if (!in_time(shown, gateway->proof, now)) return refuse(401, "expired", "the certificate is not valid now");
  Claim out;
  out.gateway = gateway->id;
  out.expires = gateway->proof == Proof::kAuthority ? shown.until : base::Timestamp::max();
  out.audience = "certificate:" + gateway->id;
  out.certificate = std::make_shared<const ShownCertificate>(ShownCertificate{shown, gateway->proof});
  return out;
}

bool Access::still_good(const Claim& claim) const {
  if (claim.of_device()) return hub::still_good(claim, gateways_.find(claim.gateway).get());
  const auto policy = policies_.find(claim.scope, claim.policy);
  if (!policy || policy->rights != claim.rights) return false;
  if (!same_secret(claim.key, policy->primary_key) && !same_secret(claim.key, policy->secondary_key)) return false;
  return !check_device_of(claim, gateways_);
}

bool still_good(const Claim& claim, const Gateway* gateway) {
  if (gateway == nullptr || !gateway->enabled) return false;
  if (claim.certificate) return gateway->proof == claim.certificate->proof && is_of(claim.certificate->facts, *gateway);
  return same_secret(claim.key, gateway->primary_key) || same_secret(claim.key, gateway->secondary_key);
}

}  // namespace meterhub::hub
