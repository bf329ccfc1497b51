// Who may do what: tokens and keys against gateways and policies, links against claims
// (spec/azure-amqp.md 2.1 and 3.4). Pure, but for the two directories.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/hub/gateway_directory.h>
#include <meterhub/hub/policies.h>

#include "certificate.h"
#include "link_address.h"

namespace meterhub::hub {

// What a valid token or key proves until it expires: that its holder is a device, or may what a policy may.
struct Claim {
  std::string gateway{};      // a device's own token; of a policy's, the device that it is for, or empty: any
  std::string key{};          // with which it was signed; never logged
  base::Timestamp expires{};  // with the skew allowed
  std::string policy{};       // its name; empty: a device's own token
  std::string scope{};        // of the policy
  std::uint8_t rights = 0;    // of the policy, a sum of Right
  std::string path{};         // what it covers, canonical; empty: all that the policy covers
  std::string audience{};     // canonical: a new claim for it takes the place of this one
  // A device's that has shown this instead of a token; then there is no key.
  std::shared_ptr<const ShownCertificate> certificate{};

  bool of_device() const { return policy.empty(); }
};

// Why a token is refused, as the answer on $cbs says it.
struct Refusal {
  int status = 401;
  std::string_view reason{};  // stable, for metrics
  std::string text{};         // for people; becomes the SDK's error message
};

// True when a claim lets its holder attach this node. The one table of rights is behind it.
bool permits(const Claim& claim, const LinkAddress& address);

// Any thread. What it is given outlives it.
class Access {
 public:
  // `host_names`: those that tokens may hold; empty = any. `event_hubs`: the names there are.
  Access(const GatewayDirectory& gateways, const PolicyDirectory& policies, std::vector<std::string> host_names,
         std::vector<std::string> event_hubs);

  // `audience` = the put-token's `name`.
  std::expected<Claim, Refusal> check_token(std::string_view token, std::string_view audience, base::Timestamp now) const;
  // SASL PLAIN: a device or policy with a token, or a policy's name with its key, which may be one of several scopes.
  std::expected<std::vector<Claim>, Refusal> check_plain(std::string_view user, std::string_view password,
                                                         base::Timestamp now) const;
  // What the TLS client has shown, for a device that it says it is.
  std::expected<Claim, Refusal> check_certificate(const net::PeerCertificate& shown, std::string_view gateway,
                                                  base::Timestamp now) const;
  // True while the gateway is there and enabled, and gateway or policy still has the key or certificate of the claim and its
  // rights.
  bool still_good(const Claim& claim) const;

 private:
  struct Checked;
  std::expected<Checked, Refusal> verified(std::string_view token, base::Timestamp now) const;
  std::expected<std::vector<Claim>, Refusal> token_of_user(std::string_view user, std::string_view token, base::Timestamp now) const;
  std::expected<std::vector<Claim>, Refusal> key_of_policy(std::string_view name, std::string_view key) const;
  bool is_known_host(std::string_view host) const;

  const GatewayDirectory& gateways_;
  const PolicyDirectory& policies_;
  const std::vector<std::string> host_names_;
  const std::vector<std::string> event_hubs_;
};

// True while the gateway is there, enabled, and still has the key or certificate of a device's claim.
bool still_good(const Claim& claim, const Gateway* gateway);

}  // namespace meterhub::hub
