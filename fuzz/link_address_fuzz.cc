// Addresses of links, which anybody may ask for, and the rights that they need. Input: an address, a newline, another.
#include "hub/access.h"
#include "input.h"

namespace meterhub::hub {
namespace {

using fuzz::require;

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() || part == kBuiltInEventHub || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check(std::string_view text) {
  const auto address = parse_link_address(text);
  for (const auto part : {address.gateway, address.event_hub, address.group, address.partition}) require(lies_in(part, text));
  const bool of_device = address.node == Node::kTelemetry || address.node == Node::kDevicebound || address.node == Node::kOtherOfDevice;
  require(!of_device || !address.gateway.empty());
  require(of_device || address.node == Node::kNotOffered || address.gateway.empty());
  require((address.node == Node::kEvents) == !address.group.empty());
  if (address.node == Node::kEvents) require(!address.event_hub.empty() && !address.partition.empty());
  if (address.node == Node::kEventHub) require(!address.event_hub.empty());
  // A path is canonical once it has been made so.
  const auto path = event_hub_path(address);
  require(canonical_path(path) == path);
  require(lies_below(path, path) && lies_below(path, ""));
}

// A device sends as itself, receives what is for it, and does nothing else; a listener never sends, a sender never reads.
void check_rights(std::string_view text) {
  const auto address = parse_link_address(text);
  Claim device;
  device.gateway = "gw-1";
  const bool own = address.gateway == "gw-1" && (address.node == Node::kTelemetry || address.node == Node::kDevicebound);
  require(permits(device, address) == own);
  Claim policy;
  policy.policy = "p";
  policy.scope = "*";
  policy.rights = static_cast<std::uint8_t>(Right::kListen);
  require(!permits(policy, address) || address.node == Node::kEvents || address.node == Node::kManagement);
  policy.rights = static_cast<std::uint8_t>(Right::kSend);
  require(!permits(policy, address) || address.node == Node::kEventHub || address.node == Node::kManagement);
  policy.scope = "telemetry";
  policy.rights = 0xff;
  const bool elsewhere = !address.event_hub.empty() && canonical_path(address.event_hub) != "telemetry";
  require(!permits(policy, address) || !elsewhere);
}

}  // namespace
}  // namespace meterhub::hub

MH_FUZZER(link_address, input) {
  using namespace meterhub::hub;
  const auto first = meterhub::base::as_text(input.take_until('\n'));
  check(first);
  check_rights(first);
  const auto second = input.text();
  const auto path = canonical_path(first);
  if (lies_below(canonical_path(second), path)) meterhub::fuzz::require(canonical_path(second).starts_with(path));
}
