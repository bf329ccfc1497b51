// What a sender to an event hub delivers: a message, or Microsoft's batch.
#include <hub/event_records.h>

#include "input.h"

namespace meterhub::hub {
namespace {

using fuzz::require;

bool holds_an_annotation_of_the_hub(const amqp::Message& message) {
  auto items = message.message_annotations.items();
  while (const auto key = items.next()) {
    items.next();
    const auto name = key->text().value_or(std::string_view());
    if (name.starts_with("x-opt-") || name.starts_with("iothub-")) return true;
  }
  return false;
}

void read(EventRecords& records, base::BytesView payload, std::uint32_t format) {
  const auto batch = records.read(payload, format);
  if (!batch) return require(!batch.error().text.empty());
  require(!batch->events.empty() && batch->partition_key.size() <= kPartitionKeyMax);
  for (const auto& event : batch->events) {
    require(event.key == batch->partition_key);
    // What is stored is a message again, which readers are given: its sections, and data where it has no other body.
    const auto stored = amqp::Message::parse(base::as_bytes(event.sections));
    require(stored.has_value() && !holds_an_annotation_of_the_hub(*stored) && stored->body != amqp::Body::kData);
    require(event.body.empty() || stored->body == amqp::Body::kNone);
  }
}

}  // namespace
}  // namespace meterhub::hub

MH_FUZZER(event_batch, input) {
  using namespace meterhub;
  hub::EventRecords records;
  const auto payload = base::as_bytes(input.text());
  hub::read(records, payload, 0);
  hub::read(records, payload, amqp::kBatchFormat);
}
