// Which node a link's address names (spec/azure-amqp.md 5.1, 6.1, 7, 8). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace meterhub::hub {

// The hub's built-in endpoint, also reachable as `messages/events`.
inline constexpr std::string_view kBuiltInEventHub = "telemetry";
inline constexpr std::string_view kDefaultGroup = "$default";  // names of groups have no case

enum class Node : std::uint8_t {
  kUnknown,
  kCbs,
  kManagement,     // event_hub, when the address names one
  kTelemetry,      // devices/{gateway}/messages/events
  kDevicebound,    // devices/{gateway}/messages/devicebound, where a device receives
  kServiceSend,    // messages/devicebound, where a service sends
  kFeedback,       // messages/serviceBound/feedback
  kNotOffered,     // what IoT Hub has and this hub has not: twins, methods, file notifications
  kOtherOfDevice,  // anything else below devices/{gateway}
  kEvents,         // {event_hub}/ConsumerGroups/{group}/Partitions/{partition}
  kEventHub        // {event_hub} or {event_hub}/Partitions/{partition}, where events are sent to
};

// Views of the text that was parsed, in its case.
struct LinkAddress {
  Node node = Node::kUnknown;
  std::string_view gateway{};
  std::string_view event_hub{};
  std::string_view group{};
  std::string_view partition{};
};

// With or without leading '/', or with a whole amqps://host prefix. The names of segments have no case.
LinkAddress parse_link_address(std::string_view text);

// Below a host, as a token's resource states it: lower case, `messages/events` as the name that it stands for.
std::string canonical_path(std::string_view path);
// The same of an address of an event hub; empty for $management without one.
std::string event_hub_path(const LinkAddress& address);
// True when `path` is `prefix` or lies below it. Both canonical.
bool lies_below(std::string_view path, std::string_view prefix);

}  // namespace meterhub::hub
