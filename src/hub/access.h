// Who may do what: tokens against the gateways, link addresses against claims
// (spec/azure-amqp.md 3.4 and 5.1). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/hub/gateway_directory.h>

namespace meterhub::hub {

// What a valid token proves until it expires.
struct Claim {
  std::string gateway;
  std::string key;            // with which it was signed; never logged
  base::Timestamp expires{};  // with the skew allowed
};

// Why a token is refused, as the answer on $cbs says it.
struct Refusal {
  int status = 401;
  std::string_view reason;  // stable, for metrics
  std::string text;         // for people; becomes the SDK's error message
};

// `audience` = the put-token's `name`. `host_names` empty = any host.
std::expected<Claim, Refusal> check_token(std::string_view token, std::string_view audience,
                                          const GatewayDirectory& gateways,
                                          const std::vector<std::string>& host_names, base::Timestamp now);

// True while the gateway is there, enabled, and still has the key of the claim.
bool still_good(const Claim& claim, const Gateway* gateway);

enum class Node : std::uint8_t { kCbs, kTelemetry, kOtherOfDevice, kUnknown };
struct LinkAddress {
  Node node = Node::kUnknown;
  std::string_view gateway;  // of a device's node
};
// With or without leading '/', or with a whole amqps://host prefix. Views of `text`.
LinkAddress parse_link_address(std::string_view text);

}  // namespace meterhub::hub
