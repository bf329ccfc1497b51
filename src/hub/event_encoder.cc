#include "event_encoder.h"

#include <array>
#include <algorithm>

#include <meterhub/amqp/message.h>

#include "event_hubs.h"
#include "stored_sections.h"

namespace meterhub::hub {
namespace {

// How a device had shown who it is is not kept with its messages.
constexpr std::string_view kAuthMethod =
    R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";

// Annotations of these names say what the hub knows: a sender's own of such a name are dropped.
constexpr std::array<std::string_view, 4> kReserved{"x-opt-", "iothub-connection-", "iothub-enqueuedtime", "iothub-message-source"};

bool is_reserved(std::string_view name) {
  return std::ranges::any_of(kReserved, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

void copy_annotations(amqp::Writer& writer, const amqp::Value& annotations) {
  auto items = annotations.items();
  while (const auto key = items.next()) {
    const auto value = items.next();
    const auto name = key->symbol();
    if (!value || !name || is_reserved(*name)) continue;
    writer.symbol(*name);
    writer.value(*value);
  }
}

std::int64_t milliseconds(base::Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

void append(base::Bytes& out, base::BytesView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

void EventEncoder::encode(const log::RecordView& record, base::Bytes& out) {
  // What cannot be taken apart was not written by the hub: the body is there all the same.
  const auto sections = parse_stored(record.sections).value_or(StoredSections());
  amqp::MessageWriter writer(out);
  writer.begin_message_annotations();
  auto& map = writer.writer();
  copy_annotations(map, sections.annotations);
  const auto sequence = sequence_number(record.offset);
  map.symbol("x-opt-sequence-number");
  map.int64(sequence);
  map.symbol("x-opt-offset");
  map.string(std::to_string(sequence));
  map.symbol("x-opt-enqueued-time");
  map.timestamp_ms(milliseconds(record.enqueued));
  if (!record.key.empty()) {
    map.symbol("x-opt-partition-key");
    map.string(record.key);
  }
  if (devices_ == DeviceAnnotations::kYes) {
    map.symbol("iothub-connection-device-id");
    map.string(record.properties.gateway);
    map.symbol("iothub-connection-auth-method");
    map.string(kAuthMethod);
    map.symbol("iothub-connection-auth-generation-id");
    map.string(generation_of(record.properties.gateway));
    map.symbol("iothub-enqueuedtime");
    map.timestamp_ms(milliseconds(record.enqueued));
    map.symbol("iothub-message-source");
    map.string("Telemetry");
  }
  writer.end();
  append(out, sections.properties);
  if (sections.body_head.empty()) return writer.data(base::as_bytes(record.body));
  append(out, sections.body_head);
  append(out, base::as_bytes(record.body));
}

const std::string& EventEncoder::generation_of(const std::string& gateway) {
  const auto [at, added] = generations_.try_emplace(gateway);
  if (added) {
    const auto known = gateways_.find(gateway);
    at->second = std::to_string(known ? known->generation_id : 0);
  }
  return at->second;
}

}  // namespace meterhub::hub
