// Who may connect: the hub's view of the registry's gateways.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <meterhub/base/executor.h>
#include <meterhub/base/ids.h>

namespace meterhub::hub {

// How a gateway proves who it is.
enum class Proof : std::uint8_t {
  kKeys,         // a token, signed with one of its keys
  kThumbprint,   // a certificate with one of its fingerprints
  kAuthority,    // a certificate in its name, signed by an authority
  kNone,         // it cannot
};

struct Gateway {
  std::string id;             // case-sensitive, at most 128 ASCII characters
  bool enabled = true;
  std::string primary_key;    // base64 text; never logged
  std::string secondary_key;
  std::optional<base::Eui64> eui;
  base::TenantNumber tenant;
  Proof proof = Proof::kKeys;
  // SHA-1 or SHA-256 in lower-case hex; empty = none.
  std::string primary_thumbprint{};
  std::string secondary_thumbprint{};
  std::uint64_t generation_id = 0;  // new each time that a device of this id is made

  bool operator==(const Gateway&) const = default;
};
using GatewayPtr = std::shared_ptr<const Gateway>;

// Handle of a watch; destroying it (on the executor's thread) ends it.
class GatewayWatch {
 public:
  virtual ~GatewayWatch() = default;
};

// Any thread. Answers from memory and never waits.
class GatewayDirectory {
 public:
  virtual ~GatewayDirectory() = default;
  // Null when there is none.
  virtual GatewayPtr find(std::string_view id) const = 0;
  virtual GatewayPtr find(base::Eui64 eui) const = 0;
  // Calls `changed` on `call_on` with the id of a gateway that was changed, disabled or
  // removed; with "" when anything may have changed.
  virtual std::unique_ptr<GatewayWatch> watch(base::Executor& call_on,
                                              std::function<void(std::string id)> changed) = 0;
};

}  // namespace meterhub::hub
