// Shared access policies: a name, what it may do and where, and two keys, as Azure's IoT Hub and Event Hubs have them
// (spec/azure-amqp.md 3.4). Plain values.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

namespace meterhub::registry {

// The first four are rights of the hub, the others of event hubs.
enum class PolicyRight : std::uint8_t {
  kRegistryRead = 1,
  kRegistryWrite = 2,  // includes kRegistryRead
  kServiceConnect = 4,
  kDeviceConnect = 8,
  kListen = 16,
  kSend = 32,
  kManage = 64  // includes kListen and kSend
};

// A set of rights, closed: whoever has one has those that it includes.
class PolicyRights {
 public:
  constexpr PolicyRights() = default;
  constexpr PolicyRights(std::initializer_list<PolicyRight> rights) {
    for (const auto right : rights) add(right);
  }
  constexpr bool has(PolicyRight right) const { return (bits_ & static_cast<std::uint8_t>(right)) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool of_hub() const { return (bits_ & 0x0f) != 0; }
  constexpr bool of_event_hub() const { return (bits_ & 0x70) != 0; }
  constexpr void add(PolicyRight right) {
    bits_ |= static_cast<std::uint8_t>(right);
    if (right == PolicyRight::kRegistryWrite) add(PolicyRight::kRegistryRead);
    if (right == PolicyRight::kManage) bits_ |= 0x30;
  }
  constexpr std::uint8_t bits() const { return bits_; }
  // Unknown bits are dropped: a right that this program does not know is none.
  static PolicyRights of_bits(std::uint8_t bits);
  bool operator==(const PolicyRights&) const = default;

 private:
  std::uint8_t bits_ = 0;
};

// "registry-read,registry-write", in the order of the enumeration.
std::string rights_text(PolicyRights rights);
// Names separated by commas. kInvalidArgument names those there are, or says that both kinds were mixed.
base::Result<PolicyRights> parse_rights(std::string_view text);

// Where a policy holds: the hub; one event hub by its name, lower case; or all event hubs.
inline constexpr std::string_view kHubScope{};
inline constexpr std::string_view kAllEventHubs = "*";

struct Policy {
  std::string name;
  std::string scope;
  PolicyRights rights;
  // Base64 text. An IoT Hub client signs with its bytes, an Event Hubs client with the text itself. Secrets: never logged.
  std::string primary_key;
  std::string secondary_key;
  base::Timestamp created{};
  base::Timestamp changed{};
  bool operator==(const Policy&) const = default;
};
// Immutable, in order of scope and name.
using Policies = std::shared_ptr<const std::vector<Policy>>;
// Null when there is none of exactly this scope and name. Scopes are compared without regard to case.
const Policy* find_policy(const std::vector<Policy>& policies, std::string_view scope, std::string_view name);

// Keys that are left empty are made.
struct PolicySpec {
  std::string name;   // 1 to 64 letters, digits, '-', '_' and '.'
  std::string scope;  // empty, "*", or an event hub's name: 1 to 64 of the same, any case
  PolicyRights rights;
  std::string primary_key;  // base64 of 16 to 64 bytes
  std::string secondary_key;
};
inline constexpr std::size_t kPoliciesMax = 1000;

enum class PolicyKey : std::uint8_t { kPrimary, kSecondary };

}  // namespace meterhub::registry
