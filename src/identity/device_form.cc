#include "device_form.h"

#include <algorithm>
#include <array>
#include <utility>

#include <meterhub/base/ascii.h>
#include <meterhub/base/encoding.h>

namespace meterhub::identity {
namespace {

using base::Errc;
using base::Result;
using nlohmann::json;

constexpr int kDepthMax = 16;
constexpr std::size_t kKeyTextMax = 128;

std::unexpected<base::Error> wrong(std::string text) { return base::fail(Errc::kInvalidArgument, std::move(text)); }

// Null when it is absent or null.
const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<const json*> object_member(const json& object, const char* name) {
  const auto* const found = member(object, name);
  if (found != nullptr && !found->is_object()) return wrong(std::string(name) + " is an object");
  return found;
}

Result<std::optional<std::string>> text_member(const json& object, const char* name) {
  const auto* const found = member(object, name);
  if (found == nullptr) return std::nullopt;
  if (!found->is_string()) return wrong(std::string(name) + " is a text");
  return found->get<std::string>();
}

Result<base::Bytes> key_member(const json& keys, const char* name) {
  const auto text = MH_TRY(text_member(keys, name));
  if (!text || text->empty()) return base::Bytes();
  auto key = text->size() <= kKeyTextMax ? base::base64_decode(*text) : wrong({});
  if (!key || key->size() < 16 || key->size() > 64) return wrong(std::string(name) + " is base64 of 16 to 64 bytes");
  return std::move(*key);
}

// Both or none: a client that forgets one would find a key it never saw.
Result<void> read_keys(const json& authentication, DeviceForm& out) {
  const auto* const keys = MH_TRY(object_member(authentication, "symmetricKey"));
  if (keys == nullptr) return {};
  out.keys.primary = MH_TRY(key_member(*keys, "primaryKey"));
  out.keys.secondary = MH_TRY(key_member(*keys, "secondaryKey"));
  if (out.keys.primary.empty() != out.keys.secondary.empty()) return wrong("symmetricKey has both keys or none");
  return {};
}

bool is_thumbprint(std::string_view text) {
  const bool sha1_or_sha256 = text.size() == 40 || text.size() == 64;
  return sha1_or_sha256 && base::hex_decode(text).has_value();
}

Result<std::optional<std::string>> thumbprint_member(const json& thumbprints, const char* name) {
  auto text = MH_TRY(text_member(thumbprints, name));
  if (text && !text->empty() && !is_thumbprint(*text))
    return wrong(std::string(name) + " is SHA-1 or SHA-256 of a certificate, in hex");
  return text;
}

Result<void> read_thumbprints(const json& authentication, DeviceForm& out) {
  const auto* const thumbprints = MH_TRY(object_member(authentication, "x509Thumbprint"));
  if (thumbprints == nullptr) return {};
  out.primary_thumbprint = MH_TRY(thumbprint_member(*thumbprints, "primaryThumbprint"));
  out.secondary_thumbprint = MH_TRY(thumbprint_member(*thumbprints, "secondaryThumbprint"));
  return {};
}

// Without a type, what is there says it, as the SDK has it too.
Result<void> read_authentication(const json& body, DeviceForm& out) {
  const auto* const authentication = MH_TRY(object_member(body, "authentication"));
  if (authentication == nullptr) return {};
  MH_TRY_VOID(read_keys(*authentication, out));
  MH_TRY_VOID(read_thumbprints(*authentication, out));
  const auto type = MH_TRY(text_member(*authentication, "type"));
  const auto given = [](const std::optional<std::string>& text) { return text && !text->empty(); };
  const bool has_thumbprint = given(out.primary_thumbprint) || given(out.secondary_thumbprint);
  out.authentication = type ? *type : has_thumbprint ? "selfSigned" : "sas";
  constexpr std::array<std::string_view, 4> kTypes{"sas", "selfSigned", "certificateAuthority", "none"};
  if (std::ranges::find(kTypes, *out.authentication) == kTypes.end()) {
    return wrong("authentication.type is sas, selfSigned, certificateAuthority or none");
  }
  return {};
}

Result<void> read_status(const json& body, DeviceForm& out) {
  if (const auto status = MH_TRY(text_member(body, "status"))) {
    if (*status != "enabled" && *status != "disabled") return wrong("status is enabled or disabled");
    out.enabled = *status == "enabled";
  }
  out.status_reason = MH_TRY(text_member(body, "statusReason"));
  if (out.status_reason && out.status_reason->size() > kStatusReasonMax) {
    return wrong("statusReason has at most " + std::to_string(kStatusReasonMax) + " bytes");
  }
  if (body.contains("statusReason") && !out.status_reason) out.status_reason = "";
  return {};
}

Result<void> read_capabilities(const json& body) {
  const auto* const capabilities = MH_TRY(object_member(body, "capabilities"));
  const auto* const edge = capabilities == nullptr ? nullptr : member(*capabilities, "iotEdge");
  if (edge == nullptr || *edge == false) return {};
  return wrong("capabilities.iotEdge: this hub has no edge devices");
}

Result<DeviceForm> form_with_id(const json& body, const char* id_name) {
  if (!body.is_object()) return wrong("a device is an object");
  DeviceForm out;
  if (auto id = MH_TRY(text_member(body, id_name))) out.id = std::move(*id);
  MH_TRY_VOID(read_status(body, out));
  MH_TRY_VOID(read_capabilities(body));
  MH_TRY_VOID(read_authentication(body, out));
  return out;
}

Result<ImportMode> import_mode(const json& item) {
  using enum ImportMode;
  constexpr std::array<std::pair<std::string_view, ImportMode>, 7> kModes{
      {{"create", kCreate},
       {"update", kUpdate},
       {"updateIfMatchETag", kUpdateIfMatch},
       {"delete", kDelete},
       {"deleteIfMatchETag", kDeleteIfMatch},
       {"createOrUpdate", kCreateOrUpdate},
       {"createOrUpdateIfMatchETag", kCreateOrUpdateIfMatch}}};
  const auto text = MH_TRY(text_member(item, "importMode"));
  if (!text) return kCreateOrUpdate;  // as IoT Hub has it
  const auto found =
      std::ranges::find_if(kModes, [&](const auto& mode) { return base::same_ignoring_case(mode.first, *text); });
  if (found != kModes.end()) return found->second;
  return wrong("importMode " + text->substr(0, 64) + " is not offered");
}

bool needs_etag(ImportMode mode) {
  return mode == ImportMode::kUpdateIfMatch || mode == ImportMode::kDeleteIfMatch ||
         mode == ImportMode::kCreateOrUpdateIfMatch;
}

}  // namespace

Result<json> parse_body(std::string_view body) {
  bool too_deep = false;
  auto out = json::parse(
      body, [&](int depth, json::parse_event_t, json&) { return !(too_deep = too_deep || depth > kDepthMax); }, false);
  if (too_deep) return wrong("the body is nested more than " + std::to_string(kDepthMax) + " deep");
  if (out.is_discarded()) return wrong("the body is no JSON");
  return out;
}

Result<DeviceForm> device_form(const json& body) { return form_with_id(body, "deviceId"); }

Result<BulkItem> bulk_item(const json& item) {
  BulkItem out;
  out.device = MH_TRY(form_with_id(item, "id"));
  out.mode = MH_TRY(import_mode(item));
  for (const auto* const name : {"etag", "eTag"}) {
    if (auto etag = MH_TRY(text_member(item, name))) out.etag = std::move(*etag);
  }
  if (needs_etag(out.mode) && out.etag.empty()) return wrong("this importMode needs eTag");
  return out;
}

}  // namespace meterhub::identity
