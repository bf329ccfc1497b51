// Devices as they are shown.
#include <meterhub/base/encoding.h>
#include <meterhub/base/time_text.h>

#include "device_form.h"

namespace meterhub::identity {
namespace {

using nlohmann::json;

std::string time_text(base::Timestamp time) {
  return time == base::Timestamp() ? std::string("0001-01-01T00:00:00Z") : base::rfc3339(time);
}

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

json thumbprints_json(const registry::Gateway& gateway) {
  return {{"primaryThumbprint", text_or_null(gateway.thumbprints.primary)},
          {"secondaryThumbprint", text_or_null(gateway.thumbprints.secondary)}};
}

// A device that shows a certificate has no keys to show.
json authentication_json(const registry::Gateway& gateway) {
  const bool has_keys = gateway.authentication == registry::kSasAuthentication;
  const auto key = [&](const base::Bytes& bytes) { return has_keys ? json(base::base64_encode(bytes)) : json(); };
  return {{"type", gateway.authentication},
          {"symmetricKey", {{"primaryKey", key(gateway.keys.primary)}, {"secondaryKey", key(gateway.keys.secondary)}}},
          {"x509Thumbprint", thumbprints_json(gateway)}};
}

}  // namespace

std::string_view connection_text(const DeviceState& state) { return state.connected ? "Connected" : "Disconnected"; }
std::string_view status_text(const registry::Gateway& gateway) { return gateway.enabled ? "enabled" : "disabled"; }

DeviceState state_since_creation(const registry::Gateway& gateway, const DeviceState& state) {
  return state.connected || state.changed >= gateway.created ? state : DeviceState();
}

nlohmann::json device_json(const registry::Gateway& gateway, const DeviceState& state) {
  return {{"deviceId", gateway.id},
          {"generationId", std::to_string(gateway.generation_id)},
          {"etag", gateway.etag},
          {"connectionState", connection_text(state)},
          {"status", status_text(gateway)},
          {"statusReason", text_or_null(gateway.status_reason)},
          {"connectionStateUpdatedTime", time_text(state.changed)},
          {"statusUpdatedTime", time_text(gateway.status_updated)},
          {"lastActivityTime", time_text(state.active)},
          {"cloudToDeviceMessageCount", 0},
          {"authentication", authentication_json(gateway)},
          {"capabilities", {{"iotEdge", false}}}};
}

nlohmann::json twin_json(const registry::Gateway& gateway, const DeviceState& state) {
  return {{"deviceId", gateway.id},
          {"etag", gateway.etag},
          {"status", status_text(gateway)},
          {"statusReason", text_or_null(gateway.status_reason)},
          {"statusUpdateTime", time_text(gateway.status_updated)},
          {"connectionState", connection_text(state)},
          {"lastActivityTime", time_text(state.active)},
          {"cloudToDeviceMessageCount", 0},
          {"authenticationType", gateway.authentication},
          {"x509Thumbprint", thumbprints_json(gateway)},
          {"capabilities", {{"iotEdge", false}}}};
}

registry::GatewaySpec spec_of(const DeviceForm& form, const registry::Gateway* old) {
  registry::GatewaySpec out;
  out.id = form.id;
  if (old != nullptr) {
    out.eui = old->eui;
    out.enabled = old->enabled;
    out.status_reason = old->status_reason;
    out.ns_plugin = old->ns_plugin;
  }
  out.enabled = form.enabled.value_or(out.enabled);
  out.status_reason = form.status_reason.value_or(out.status_reason);
  out.authentication = form.authentication.value_or(std::string());
  out.keys = form.keys;
  if (form.primary_thumbprint || form.secondary_thumbprint) {
    out.thumbprints = registry::Thumbprints{form.primary_thumbprint.value_or(std::string()),
                                            form.secondary_thumbprint.value_or(std::string())};
  }
  return out;
}

}  // namespace meterhub::identity
