// Cloud-to-device messages: what a service sends, and what is read back from the log. First byte even: a message; odd: the
// body of a record.
#include <hub/devicebound_message.h>
#include <hub/devicebound_records.h>
#include <meterhub/hub/hub.h>

#include "input.h"

namespace meterhub::hub {
namespace {

using fuzz::require;

constexpr base::Timestamp kNow{std::chrono::seconds(1'700'000'000)};

log::RecordView viewed(const log::NewRecord& record) {
  return {base::Offset(7), kNow, record.key, record.properties, record.sections, record.body};
}

// What was taken goes through the log unchanged, and to the device as a message with the same sections.
void send(base::BytesView bytes) {
  auto message = read_devicebound(bytes, kNow, std::chrono::hours(1));
  if (!message) return require(!message.error().text.empty());
  require(!message->device.empty() && message->id.size() <= 128 && message->payload.size() <= bytes.size());
  require(message->expires <= kNow + kDeviceboundExpiryMax);
  const auto back = read_record(viewed(record_of(*message)));
  require(back.has_value() && std::holds_alternative<DeviceboundMessage>(*back));
  const auto& same = std::get<DeviceboundMessage>(*back);
  require(same.device == message->device && same.id == message->id && same.payload == message->payload);
  require(same.ack == message->ack && same.expires == message->expires && same.bytes() == message->bytes());

  auto delivery = devicebound_head({&same, DeliveryLock(1), 3}, lock_token(same.number, DeliveryLock(1)));
  delivery.insert(delivery.end(), same.payload.begin(), same.payload.end());
  const auto parsed = amqp::Message::parse(delivery);
  require(parsed.has_value() && parsed->message_annotations.find("x-opt-sequence-number")->signed_integer() == 7);
  require(read_devicebound(delivery, kNow, std::chrono::hours(1))->payload == message->payload);
}

void read_back(std::string_view body) {
  log::NewRecord record;
  record.key = "gw-1";
  record.body = body;
  const auto logged = read_record(viewed(record));
  if (!logged) return require(logged.error().code == base::Errc::kCorrupt);
  if (const auto* end = std::get_if<LoggedEnd>(&*logged)) require(!fate_text(end->record.fate).empty());
  if (const auto* heard = std::get_if<LoggedHeard>(&*logged)) require(heard->feedback.size() <= body.size());
}

}  // namespace
}  // namespace meterhub::hub

MH_FUZZER(devicebound, input) {
  if (input.byte() % 2 == 0) return meterhub::hub::send(input.rest());
  meterhub::hub::read_back(input.text());
}
