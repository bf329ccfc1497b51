// Devices as clients write them, in JSON, and as they are shown (spec/azure-amqp.md 12). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <meterhub/base/result.h>
#include <meterhub/identity/device_registry.h>
#include <meterhub/registry/store.h>

namespace meterhub::identity {

inline constexpr std::size_t kStatusReasonMax = 128;  // characters
inline constexpr std::size_t kBulkMax = 100;          // devices of one request

// What a client states about a device. What it leaves out stays as it is, or is the usual at creation.
struct DeviceForm {
  std::string id{};
  std::optional<bool> enabled{};
  std::optional<std::string> status_reason{};
  std::optional<std::string> authentication{};  // sas, selfSigned, certificateAuthority, none
  registry::GatewayKeys keys{};                 // an empty one: made at creation, kept later
  std::optional<std::string> primary_thumbprint{};
  std::optional<std::string> secondary_thumbprint{};
};

enum class ImportMode : std::uint8_t {
  kCreate,
  kUpdate,
  kUpdateIfMatch,
  kDelete,
  kDeleteIfMatch,
  kCreateOrUpdate,
  kCreateOrUpdateIfMatch
};

struct BulkItem {
  DeviceForm device;
  ImportMode mode = ImportMode::kCreate;
  std::string etag{};
};

// JSON of any kind nested at most 16 deep. kInvalidArgument.
base::Result<nlohmann::json> parse_body(std::string_view body);
// Unknown members are passed over, as clients send back what they were shown. kInvalidArgument names the member.
base::Result<DeviceForm> device_form(const nlohmann::json& body);
// An item of a bulk request; its id is called `id`. kInvalidArgument.
base::Result<BulkItem> bulk_item(const nlohmann::json& item);

// What the registry keeps once `form` was written over `old` (null: a new device).
registry::GatewaySpec spec_of(const DeviceForm& form, const registry::Gateway* old);

// `state` of before the device's creation is another device's and does not count.
nlohmann::json device_json(const registry::Gateway& gateway, const DeviceState& state);
// The form of a query's rows. There are no twins here: no tags and no properties.
nlohmann::json twin_json(const registry::Gateway& gateway, const DeviceState& state);

// "Connected" or "Disconnected"; "enabled" or "disabled".
std::string_view connection_text(const DeviceState& state);
std::string_view status_text(const registry::Gateway& gateway);
DeviceState state_since_creation(const registry::Gateway& gateway, const DeviceState& state);

}  // namespace meterhub::identity
