// From a record of the log to the message that a reader of events gets (spec/azure-amqp.md 9).
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include <meterhub/base/bytes.h>
#include <meterhub/hub/gateway_directory.h>
#include <meterhub/log/record.h>

namespace meterhub::hub {

// Whether events tell of the device that sent them, as those of the built-in event hub do.
enum class DeviceAnnotations : bool { kNo, kYes };

// One thread. The gateways outlive it.
class EventEncoder {
 public:
  EventEncoder(const GatewayDirectory& gateways, DeviceAnnotations devices) : gateways_(gateways), devices_(devices) {}

  // Appends message annotations, properties, application properties and body: all but header and delivery annotations.
  void encode(const log::RecordView& record, base::Bytes& out);
  // Devices may have changed since.
  void forget_devices() { generations_.clear(); }

 private:
  const std::string& generation_of(const std::string& gateway);

  const GatewayDirectory& gateways_;
  const DeviceAnnotations devices_;
  std::unordered_map<std::string, std::string> generations_;  // of a block's devices
};

}  // namespace meterhub::hub
