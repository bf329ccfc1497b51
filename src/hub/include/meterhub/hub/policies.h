// Shared access policies: the hub's view of the registry's (spec/azure-amqp.md 3.4).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <meterhub/base/executor.h>

namespace meterhub::hub {

enum class Right : std::uint8_t {
  kRegistryRead = 1,
  kRegistryWrite = 2,
  kServiceConnect = 4,
  kDeviceConnect = 8,
  kListen = 16,
  kSend = 32,
  kManage = 64
};

struct Policy {
  std::string name;
  std::string scope;        // empty: the hub; "*": all event hubs; else one event hub's name, lower case
  std::uint8_t rights = 0;  // a sum of Right; whoever may manage may listen and send, and has those bits too
  std::string primary_key;  // base64 text; never logged
  std::string secondary_key;

  bool may(Right right) const { return (rights & static_cast<std::uint8_t>(right)) != 0; }
  bool operator==(const Policy&) const = default;
};
using PolicyPtr = std::shared_ptr<const Policy>;

// Handle of a watch; destroying it (on the executor's thread) ends it.
class PolicyWatch {
 public:
  virtual ~PolicyWatch() = default;
};

// Any thread. Answers from memory and never waits.
class PolicyDirectory {
 public:
  virtual ~PolicyDirectory() = default;
  // The policy of exactly this scope and name; null when there is none.
  virtual PolicyPtr find(std::string_view scope, std::string_view name) const = 0;
  // Calls `changed` on `call_on` when a policy was added, removed or given another key.
  virtual std::unique_ptr<PolicyWatch> watch(base::Executor& call_on, std::function<void()> changed) = 0;
};

}  // namespace meterhub::hub
