#include "access.h"

#include <openssl/crypto.h>

#include <algorithm>

#include <meterhub/sas/token.h>

namespace meterhub::hub {
namespace {

constexpr std::chrono::seconds kSkew{5};

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::unexpected<Refusal> refuse(int status, std::string_view reason, std::string text) {
  return std::unexpected(Refusal{status, reason, std::move(text)});
}

// The device client sends the token's `sr` as audience, still percent-encoded.
bool covers_audience(const sas::Token& token, std::string_view audience) {
  if (audience == token.resource_text) return true;
  const auto decoded = sas::percent_decode(audience);
  const auto asked = decoded ? sas::parse_resource(*decoded) : base::fail(base::Errc::kInvalidArgument, {});
  return asked && sas::covers(token.resource, *asked);
}

std::optional<std::string_view> signing_key(const sas::Token& token, const Gateway& gateway) {
  for (const std::string_view key : {std::string_view(gateway.primary_key), std::string_view(gateway.secondary_key)})
    if (!key.empty() && sas::signed_by(token, key)) return key;
  return std::nullopt;
}

}  // namespace

std::expected<Claim, Refusal> check_token(std::string_view text, std::string_view audience,
                                          const GatewayDirectory& gateways,
                                          const std::vector<std::string>& host_names, base::Timestamp now) {
  const auto token = sas::parse_token(text);
  if (!token) return refuse(401, "malformed", "the token is malformed: " + token.error().text);
  const auto& resource = token->resource;
  if (resource.kind != sas::Resource::Kind::kDevice || !resource.module_id.empty() || !token->policy.empty())
    return refuse(401, "not_a_device", "only a device's own token opens this endpoint");
  if (!host_names.empty() && std::ranges::find(host_names, resource.host) == host_names.end())
    return refuse(401, "host", "the token is for another host");
  if (!covers_audience(*token, audience)) return refuse(401, "audience", "the token does not cover the audience");
  const auto gateway = gateways.find(resource.device_id);
  if (!gateway) return refuse(404, "unknown", "there is no device of this name");
  const auto key = signing_key(*token, *gateway);
  if (!key) return refuse(401, "signature", "the token's signature is wrong");
  if (!gateway->enabled) return refuse(401, "disabled", "the device is disabled");
  if (!sas::alive(*token, now, kSkew)) return refuse(401, "expired", "the token has expired");
  return Claim{gateway->id, std::string(*key), base::Timestamp(token->expiry) + kSkew};
}

bool still_good(const Claim& claim, const Gateway* gateway) {
  if (gateway == nullptr || !gateway->enabled) return false;
  return same_secret(claim.key, gateway->primary_key) || same_secret(claim.key, gateway->secondary_key);
}

LinkAddress parse_link_address(std::string_view text) {
  for (const std::string_view scheme : {"amqps://", "amqp://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto slash = text.find('/', scheme.size());
    text = slash == std::string_view::npos ? std::string_view() : text.substr(slash);
    break;
  }
  if (text.starts_with('/')) text.remove_prefix(1);
  if (text == "$cbs") return {Node::kCbs, {}};
  constexpr std::string_view kDevices = "devices/";
  if (!text.starts_with(kDevices)) return {};
  text.remove_prefix(kDevices.size());
  const auto slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos) return {};
  const auto rest = text.substr(slash + 1);
  return {rest == "messages/events" ? Node::kTelemetry : Node::kOtherOfDevice, text.substr(0, slash)};
}

}  // namespace meterhub::hub
