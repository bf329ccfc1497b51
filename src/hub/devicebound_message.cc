#include "devicebound_message.h"

#include <algorithm>

#include <meterhub/base/encoding.h>
#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>
#include <meterhub/hub/hub.h>
#include <meterhub/sas/token.h>

#include "link_address.h"

namespace meterhub::hub {
namespace {

constexpr std::size_t kMessageIdMax = 128;  // Azure's limit
constexpr std::string_view kFeedbackType = "application/vnd.microsoft.iothub.feedback.json";

std::string uuid_text(base::BytesView bytes) {
  auto out = base::hex_encode(bytes);
  for (const std::size_t at : {20, 16, 12, 8}) out.insert(at, "-");
  return out;
}

// A message-id is a string, a uuid, an unsigned number or bytes (AMQP 1.0 part 3, 2.11).
std::string id_text(const amqp::Value& id) {
  if (const auto text = id.string()) return std::string(*text);
  if (const auto uuid = id.uuid()) return uuid_text(*uuid);
  if (const auto number = id.unsigned_integer()) return std::to_string(*number);
  if (const auto bytes = id.binary()) return base::hex_encode(*bytes);
  return {};
}

base::Result<Ack> read_ack(const amqp::Value& application_properties) {
  const auto value = application_properties.find("iothub-ack");
  const auto text = value ? value->text().value_or("") : std::string_view("none");
  if (text == "none") return Ack::kNone;
  if (text == "positive") return Ack::kPositive;
  if (text == "negative") return Ack::kNegative;
  if (text == "full") return Ack::kFull;
  return base::fail(base::Errc::kInvalidArgument, "iothub-ack must be none, positive, negative or full");
}

base::Timestamp expiry_of(const amqp::Properties& properties, base::Timestamp now, std::chrono::seconds expiry) {
  if (!properties.absolute_expiry_time) return now + expiry;
  // Far numbers of a peer must not overflow.
  const auto latest = now + kDeviceboundExpiryMax;
  const auto ms = std::clamp(properties.absolute_expiry_time->ms, std::int64_t{0},
                             std::chrono::duration_cast<std::chrono::milliseconds>(latest.time_since_epoch()).count());
  return base::Timestamp(std::chrono::milliseconds(ms));
}

void append(std::string& out, base::BytesView bytes) { out += base::as_text(bytes); }

std::int64_t ms(base::Timestamp at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ',';
  base::append_json_string(out, name);
  out += ':';
  base::append_json_string(out, value);
}

void append_record(std::string& out, const Feedback& record) {
  out += '{';
  append_member(out, "originalMessageId", record.message_id);
  append_member(out, "description", fate_text(record.fate));
  append_member(out, "statusCode", fate_text(record.fate));
  append_member(out, "deviceId", record.device);
  append_member(out, "enqueuedTimeUtc", base::rfc3339(record.at));
  out += '}';
}

}  // namespace

std::string device_of_address(std::string_view to) {
  const auto address = parse_link_address(to);
  if (address.node != Node::kDevicebound) return {};
  const auto decoded = sas::percent_decode(address.gateway);
  return decoded ? *decoded : std::string();
}

base::Result<DeviceboundMessage> read_devicebound(base::BytesView payload, base::Timestamp now,
                                                  std::chrono::seconds expiry) {
  const auto message = MH_TRY(amqp::Message::parse(payload));
  const auto properties = MH_TRY(message.properties());
  DeviceboundMessage out;
  out.device = device_of_address(properties.to.string().value_or(""));
  if (out.device.empty())
    return base::fail(base::Errc::kInvalidArgument, "properties.to must be /devices/{id}/messages/devicebound");
  out.id = id_text(properties.message_id);
  if (out.id.size() > kMessageIdMax)
    return base::fail(base::Errc::kInvalidArgument, "the message-id is longer than 128 bytes");
  out.ack = MH_TRY(read_ack(message.application_properties));
  out.expires = expiry_of(properties, now, expiry);
  append(out.payload, message.properties_section);
  append(out.payload, message.application_properties_section);
  append(out.payload, message.body_sections);
  return out;
}

LockToken lock_token(base::Offset number, DeliveryLock lock) {
  LockToken out{};
  for (std::size_t i = 0; i < 8; ++i) {
    out[i] = static_cast<std::uint8_t>(number.value >> (8 * (7 - i)));
    out[8 + i] = static_cast<std::uint8_t>(lock.value >> (8 * (7 - i)));
  }
  return out;
}

base::Bytes devicebound_head(const DeviceboundQueues::Taken& taken, const LockToken& token) {
  base::Bytes out;
  amqp::MessageWriter writer(out);
  amqp::Header header;
  header.durable = true;
  header.delivery_count = taken.deliveries_before;
  writer.header(header);
  writer.begin_message_annotations();
  auto& annotations = writer.writer();
  annotations.symbol("x-opt-sequence-number");
  annotations.int64(static_cast<std::int64_t>(taken.message->number.value));
  annotations.symbol("x-opt-enqueued-time");
  annotations.timestamp_ms(ms(taken.message->enqueued));
  annotations.symbol("x-opt-delivery-count");
  annotations.uint32(taken.deliveries_before);
  annotations.symbol("x-opt-lock-token");
  annotations.uuid(token);
  writer.end();
  return out;
}

base::Bytes feedback_message(const std::vector<const Feedback*>& records, base::Timestamp now) {
  std::string body = "[";
  for (const auto* record : records) {
    if (body.size() > 1) body += ',';
    append_record(body, *record);
  }
  body += ']';
  base::Bytes out;
  amqp::MessageWriter writer(out);
  writer.begin_message_annotations();
  writer.writer().symbol("x-opt-enqueued-time");
  writer.writer().timestamp_ms(ms(now));
  writer.end();
  amqp::Properties properties;
  properties.content_type = amqp::Symbol{kFeedbackType};
  properties.content_encoding = amqp::Symbol{"utf-8"};
  properties.creation_time = amqp::WireTime{ms(now)};
  writer.properties(properties);
  writer.data(base::as_bytes(body));
  return out;
}

}  // namespace meterhub::hub
