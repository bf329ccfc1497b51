// Where messages about episodes go, and which go there: channels and routes. Plain values; what rules and
// severities mean is module notify's, here they are names.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>

namespace meterhub::registry {

using ChannelNumber = base::Id<struct ChannelTag, std::uint32_t>;  // never given twice
using RouteNumber = base::Id<struct RouteTag, std::uint32_t>;      // never given twice

// E-mail; a web server's own endpoint; a robot of a WeCom group; a robot of a DingTalk group.
enum class ChannelKind : std::uint8_t { kSmtp, kWebhook, kWecom, kDingtalk };
std::string_view channel_kind_name(ChannelKind kind);
// kInvalidArgument with the names there are.
base::Result<ChannelKind> parse_channel_kind(std::string_view name);

inline constexpr std::size_t kChannelsMax = 256;
inline constexpr std::size_t kRoutesMax = 1024;
inline constexpr std::size_t kRecipientsMax = 50;
inline constexpr std::size_t kChannelTextMax = 2048;  // of an address, a secret

// What a user states about a channel. The fields of another kind are empty.
struct ChannelSpec {
  std::string name;           // 1 to 48 letters, digits, '-' and '_'
  std::string tenant;         // by name; empty: the platform's, for all tenants
  ChannelKind kind = ChannelKind::kSmtp;
  std::string language = "zh";  // zh | en
  bool enabled = true;
  std::vector<std::string> to;  // smtp: addresses
  std::string from;             // smtp: "a@example.org" or "Name <a@example.org>"
  std::string server;           // smtp: smtp://host:587 (STARTTLS) or smtps://host:465
  std::string user;             // smtp: empty: no sign-in
  // All others: where to post. Whoever knows a robot's URL can write to the group: it is kept as a secret.
  std::optional<std::string> url{};
  // smtp: password; webhook: key of the signature; dingtalk: secret of the robot.
  std::optional<std::string> secret{};
};

// A channel as kept, without its secrets.
struct Channel {
  ChannelNumber number;
  base::TenantNumber tenant;  // 0: the platform's
  ChannelSpec spec;           // url and secret: never here
  std::string shown;          // of the URL: scheme and host
  bool has_secret = false;
  base::Timestamp created{};
  base::Timestamp changed{};
};

struct ChannelSecrets {
  std::string url;
  std::string secret;
};

// Hours of the tenant's local day in which messages wait: from 22:00 to 07:00 is over midnight.
struct QuietHours {
  std::chrono::minutes from{};  // of the day, 0 to 1,439
  std::chrono::minutes to{};    // other than `from`
  bool operator==(const QuietHours&) const = default;
};

struct RouteSpec {
  std::string channel;             // by name
  std::string tenant;              // by name; empty: all. That of its channel, where that has one
  std::vector<std::string> rules;  // empty: all
  std::string severity = "warning";  // this and graver ones
  std::string events = "both";       // raised | cleared | both
  std::optional<QuietHours> quiet{};
  // 0: at once. Else what is still unacknowledged then is sent, once. At most a week.
  std::chrono::minutes escalate_after{};
};

struct Route {
  RouteNumber number;
  ChannelNumber channel;
  base::TenantNumber tenant;  // 0: all
  RouteSpec spec;
};

}  // namespace meterhub::registry
