// Cloud-to-device messages as they go over the wire, in and out. Pure.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/amqp/message.h>
#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>

#include "devicebound_queues.h"
#include "feedback_queue.h"

namespace meterhub::hub {

// The device that /devices/{id}/messages/devicebound names, percent-decoded; empty when it names none.
std::string device_of_address(std::string_view to);

// What a service has sent; number and enqueue time are not known yet. `expiry`: of a message that states none.
// kInvalidArgument: not a message, no device in properties.to, an unknown iothub-ack, or a message-id over 128 bytes.
base::Result<DeviceboundMessage> read_devicebound(base::BytesView payload, base::Timestamp now,
                                                  std::chrono::seconds expiry);

// A delivery's name, as a UUID that clients read from the delivery tag.
using LockToken = std::array<std::uint8_t, 16>;
LockToken lock_token(base::Offset number, DeliveryLock lock);

// What stands before the message's own sections: how often it was delivered, its number, its times and lock.
base::Bytes devicebound_head(const DeviceboundQueues::Taken& taken, const LockToken& token);

// A batch for the service: a JSON array of records.
base::Bytes feedback_message(const std::vector<const Feedback*>& records, base::Timestamp now);

}  // namespace meterhub::hub
