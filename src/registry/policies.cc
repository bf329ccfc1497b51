#include <meterhub/registry/policies.h>

#include <algorithm>
#include <array>
#include <utility>

#include <meterhub/base/ascii.h>

namespace meterhub::registry {
namespace {

constexpr std::array<std::pair<PolicyRight, std::string_view>, 7> kNames{{{PolicyRight::kRegistryRead, "registry-read"},
                                                                          {PolicyRight::kRegistryWrite, "registry-write"},
                                                                          {PolicyRight::kServiceConnect, "service-connect"},
                                                                          {PolicyRight::kDeviceConnect, "device-connect"},
                                                                          {PolicyRight::kListen, "listen"},
                                                                          {PolicyRight::kSend, "send"},
                                                                          {PolicyRight::kManage, "manage"}}};

}  // namespace

PolicyRights PolicyRights::of_bits(std::uint8_t bits) {
  PolicyRights out;
  for (const auto& [right, name] : kNames)
    if ((bits & static_cast<std::uint8_t>(right)) != 0) out.add(right);
  return out;
}

std::string rights_text(PolicyRights rights) {
  std::string out;
  for (const auto& [right, name] : kNames)
    if (rights.has(right)) out += (out.empty() ? "" : ",") + std::string(name);
  return out;
}

base::Result<PolicyRights> parse_rights(std::string_view text) {
  PolicyRights out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const auto found = std::ranges::find(kNames, text.substr(0, comma), [](const auto& entry) { return entry.second; });
    if (found == kNames.end())
      return base::fail(base::Errc::kInvalidArgument,
                        "rights are registry-read, registry-write, service-connect, device-connect of the hub, or listen, send, manage of event hubs");
    out.add(found->first);
    text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
  }
  if (out.empty()) return base::fail(base::Errc::kInvalidArgument, "name at least one right");
  if (out.of_hub() && out.of_event_hub())
    return base::fail(base::Errc::kInvalidArgument, "rights of the hub and of event hubs are two policies");
  return out;
}

const Policy* find_policy(const std::vector<Policy>& policies, std::string_view scope, std::string_view name) {
  const auto found = std::ranges::find_if(policies, [&](const Policy& policy) {
    return policy.name == name && base::same_ignoring_case(policy.scope, scope);
  });
  return found == policies.end() ? nullptr : &*found;
}

}  // namespace meterhub::registry
