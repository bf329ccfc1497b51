#include "event_records.h"

#include <utility>

namespace meterhub::hub {
namespace {

constexpr std::string_view kPartitionKey = "x-opt-partition-key";

// Nobody but the hub says when and where an event came in, or which device sent it.
bool is_the_hubs(std::string_view annotation) { return annotation.starts_with("x-opt-") || annotation.starts_with("iothub-"); }

// The annotations that the sender may set, as a section; empty where there are none.
void append_senders_annotations(const amqp::Value& annotations, base::Bytes& out) {
  amqp::MessageWriter writer(out);
  bool open = false;
  auto items = annotations.items();
  while (const auto key = items.next()) {
    const auto value = items.next();
    if (!value || is_the_hubs(key->text().value_or(std::string_view()))) continue;
    if (!std::exchange(open, true)) writer.begin_message_annotations();
    writer.writer().value(*key);
    writer.writer().value(*value);
  }
  if (open) writer.end();
}

bool follows(base::BytesView first, base::BytesView second) { return first.data() + first.size() == second.data(); }

}  // namespace

base::Result<EventBatch> EventRecords::read(base::BytesView payload, std::uint32_t message_format) {
  events_.clear();
  texts_.clear();
  key_ = {};
  if (message_format == amqp::kBatchFormat) {
    const auto envelope = MH_TRY(amqp::Message::parse(payload));
    MH_TRY_VOID(take_key(envelope));
  }
  auto events = MH_TRY(amqp::Events::of(payload, message_format));
  while (const auto event = events.next()) {
    const auto message = MH_TRY(amqp::Message::parse(*event));
    MH_TRY_VOID(add(message));
  }
  for (auto& event : events_) event.key = key_;
  return EventBatch{events_, key_};
}

base::Result<void> EventRecords::add(const amqp::Message& message) {
  MH_TRY_VOID(take_key(message));
  events_.push_back({{}, none_, sections_of(message), data_of(message)});
  return {};
}

// It stands in the envelope of a batch, in its events, or in both. Azure refuses a batch of several keys too.
base::Result<void> EventRecords::take_key(const amqp::Message& message) {
  const auto annotation = message.message_annotations.find(kPartitionKey);
  if (!annotation || annotation->is_null()) return {};
  const auto key = annotation->text();
  if (!key) return base::fail(base::Errc::kInvalidArgument, "the partition key must be a string");
  if (key->size() > kPartitionKeyMax) return base::fail(base::Errc::kInvalidArgument, "the partition key is longer than 512 bytes");
  if (!key_.empty() && *key != key_) return base::fail(base::Errc::kInvalidArgument, "all events of a batch have the same partition key");
  key_ = *key;
  return {};
}

// Properties and application-properties follow each other nearly always, and are then one view.
std::string_view EventRecords::sections_of(const amqp::Message& message) {
  annotations_.clear();
  append_senders_annotations(message.message_annotations, annotations_);
  const auto properties = message.properties_section;
  const auto application = message.application_properties_section;
  const auto body = message.body == amqp::Body::kData ? base::BytesView() : message.body_sections;
  const bool one_piece = properties.empty() || application.empty() || follows(properties, application);
  if (annotations_.empty() && body.empty() && one_piece) {
    const auto first = properties.empty() ? application : properties;
    return {base::as_text(first).data(), properties.size() + application.size()};
  }
  auto& text = texts_.emplace_back(base::as_text(annotations_));
  text += base::as_text(properties);
  text += base::as_text(application);
  return text += base::as_text(body);
}

std::string_view EventRecords::data_of(const amqp::Message& message) {
  if (message.body != amqp::Body::kData) return {};
  if (message.data_count == 1) return base::as_text(message.data);
  auto& text = texts_.emplace_back();
  amqp::DataSections sections(message);
  while (const auto part = sections.next()) text += base::as_text(*part);
  return text;
}

}  // namespace meterhub::hub
