#include "authority.h"

#include <algorithm>

#include <meterhub/sas/token.h>

namespace meterhub::identity {
namespace {

constexpr std::chrono::seconds kSkew{5};

std::unexpected<base::Error> refuse(std::string text) { return base::fail(base::Errc::kUnauthorized, std::move(text)); }

// Every key is tried, whatever came of the one before.
bool is_signed(const sas::Token& token, const registry::Policy& policy) {
  bool good = false;
  for (const auto* const key : {&policy.primary_key, &policy.secondary_key}) {
    if (!key->empty() && sas::signed_by(token, *key)) good = true;
  }
  return good;
}

// A token for the whole hub, or for just this device.
bool covers_target(const sas::Resource& have, std::string_view target) {
  if (have.kind == sas::Resource::Kind::kHub) return have.path.empty();
  if (have.kind != sas::Resource::Kind::kDevice) return false;
  const auto path = sas::percent_decode(target.substr(0, target.find('?')));
  const auto asked = path ? sas::parse_resource(have.host + *path) : base::fail(base::Errc::kInvalidArgument, {});
  return asked && sas::covers(have, *asked);
}

}  // namespace

base::Result<Asker> check_token(std::string_view text, std::string_view target,
                                const std::vector<registry::Policy>& policies,
                                const std::vector<std::string>& host_names, base::Timestamp now) {
  if (text.empty()) return refuse("a token of a policy is needed");
  const auto token = sas::parse_token(text);
  if (!token) return refuse("the token is malformed: " + token.error().text);
  if (token->policy.empty()) return refuse("a device's own token does not open the registry");
  if (!host_names.empty() && std::ranges::find(host_names, token->resource.host) == host_names.end()) {
    return refuse("the token is for another host");
  }
  if (!covers_target(token->resource, target)) return refuse("the token does not cover this path");
  const auto* const policy = registry::find_policy(policies, registry::kHubScope, token->policy);
  if (policy == nullptr || !is_signed(*token, *policy))
    return refuse("there is no such policy, or the token is not signed with its key");
  if (!sas::alive(*token, now, kSkew)) return refuse("the token has expired");
  return Asker{"policy:" + policy->name, policy->rights};
}

}  // namespace meterhub::identity
