#include "link_address.h"

#include <algorithm>
#include <array>
#include <span>

#include <meterhub/base/ascii.h>

namespace meterhub::hub {
namespace {

constexpr std::string_view kAlias = "messages/events";
constexpr std::size_t kSegmentsMax = 6;

bool same(std::string_view a, std::string_view b) { return base::same_ignoring_case(a, b); }

std::string_view without_host(std::string_view text) {
  for (const std::string_view scheme : {"amqps://", "amqp://"}) {
    if (!text.starts_with(scheme)) continue;
    const auto slash = text.find('/', scheme.size());
    return slash == std::string_view::npos ? std::string_view() : text.substr(slash);
  }
  return text;
}

Node node_of_device(std::string_view rest) {
  if (rest == kAlias) return Node::kTelemetry;
  if (rest == "messages/devicebound") return Node::kDevicebound;
  if (rest == "twin" || rest.starts_with("methods/")) return Node::kNotOffered;
  return Node::kOtherOfDevice;
}

LinkAddress device_address(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos) return {};
  return {.node = node_of_device(text.substr(slash + 1)), .gateway = text.substr(0, slash)};
}

// At most kSegmentsMax; `count` says how many, more when there are too many.
std::array<std::string_view, kSegmentsMax> split(std::string_view text, std::size_t& count) {
  std::array<std::string_view, kSegmentsMax> out{};
  for (count = 0; count < kSegmentsMax;) {
    const auto slash = text.find('/');
    out[count++] = text.substr(0, slash);
    if (slash == std::string_view::npos) return out;
    text.remove_prefix(slash + 1);
  }
  ++count;
  return out;
}

// What follows the event hub's name, without the slash between; empty: the event hub itself.
LinkAddress below_event_hub(std::string_view event_hub, std::string_view rest) {
  std::size_t count = 0;
  const auto part = split(rest, count);
  if (std::ranges::any_of(std::span(part).first(std::min(count, kSegmentsMax)), &std::string_view::empty)) return {};
  if (count == 1 && same(part[0], "$management")) return {.node = Node::kManagement, .event_hub = event_hub};
  if (count == 2 && same(part[0], "partitions"))
    return {.node = Node::kEventHub, .event_hub = event_hub, .partition = part[1]};
  if (count == 4 && same(part[0], "consumergroups") && same(part[2], "partitions"))
    return {.node = Node::kEvents, .event_hub = event_hub, .group = part[1], .partition = part[3]};
  return {};
}

LinkAddress event_hub_address(std::string_view text) {
  const bool alias = text.size() >= kAlias.size() && same(text.substr(0, kAlias.size()), kAlias) &&
                     (text.size() == kAlias.size() || text[kAlias.size()] == '/');
  const auto end = alias ? kAlias.size() : text.find('/');
  const auto name = alias ? kBuiltInEventHub : text.substr(0, end);
  if (name.empty() || name.starts_with('$') || same(name, "devices")) return {};
  if (end == std::string_view::npos || end == text.size()) return {.node = Node::kEventHub, .event_hub = name};
  return below_event_hub(name, text.substr(end + 1));
}

}  // namespace

LinkAddress parse_link_address(std::string_view text) {
  text = without_host(text);
  if (text.starts_with('/')) text.remove_prefix(1);
  constexpr std::string_view kDevices = "devices/";
  if (text.starts_with(kDevices)) return device_address(text.substr(kDevices.size()));
  if (text == "$cbs") return {.node = Node::kCbs};
  if (same(text, "$management")) return {.node = Node::kManagement};
  if (same(text, "messages/devicebound")) return {.node = Node::kServiceSend};
  if (same(text, "messages/servicebound/feedback")) return {.node = Node::kFeedback};
  if (same(text, "messages/servicebound/filenotifications")) return {.node = Node::kNotOffered};
  return event_hub_address(text);
}

std::string canonical_path(std::string_view path) {
  auto out = base::lower_case(path);
  if (lies_below(out, kAlias)) out.replace(0, kAlias.size(), kBuiltInEventHub);
  return out;
}

std::string event_hub_path(const LinkAddress& address) {
  auto out = base::lower_case(address.event_hub);
  if (out.empty()) return out;
  if (address.node == Node::kManagement) return out + "/$management";
  if (!address.group.empty()) out += "/consumergroups/" + base::lower_case(address.group);
  if (!address.partition.empty()) out += "/partitions/" + base::lower_case(address.partition);
  return out;
}

bool lies_below(std::string_view path, std::string_view prefix) {
  if (prefix.empty() || path == prefix) return true;
  return path.starts_with(prefix) && path[prefix.size()] == '/';
}

}  // namespace meterhub::hub
