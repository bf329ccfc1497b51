#include "message_records.h"

namespace meterhub::hub {

// Two sections that follow each other, as they nearly always do, are one view.
std::string_view MessageRecords::joined(std::string_view first, std::string_view second) {
  if (first.empty()) return second;
  if (second.empty()) return first;
  if (first.data() + first.size() == second.data()) return {first.data(), first.size() + second.size()};
  auto& text = texts_.emplace_back(first);
  return text += second;
}

// What stands before the body's bytes when the body is not data, so that a reader gets what was sent.
std::string_view MessageRecords::body_head(const amqp::Message& message, std::string_view body) {
  if (message.body != amqp::Body::kValue) return {};
  const auto section = base::as_text(message.body_sections);
  return section.substr(0, section.size() - body.size());
}

base::Result<std::string_view> MessageRecords::body_of(const amqp::Message& message) {
  if (message.body == amqp::Body::kData) {
    if (message.data_count == 1) return base::as_text(message.data);
    auto& text = texts_.emplace_back();
    amqp::DataSections sections(message);
    while (const auto part = sections.next()) text += base::as_text(*part);
    return text;
  }
  if (message.body == amqp::Body::kSequence) return base::fail(base::Errc::kInvalidArgument, "the body must not be a sequence");
  // An empty body goes on: the connector says what is wrong.
  if (message.body == amqp::Body::kNone || message.value.is_null()) return std::string_view();
  if (const auto bytes = message.value.binary()) return base::as_text(*bytes);
  if (const auto text = message.value.string()) return *text;
  return base::fail(base::Errc::kInvalidArgument, "the body must be data, a string or binary");
}

base::Result<std::span<const log::RecordParts>> MessageRecords::read(base::BytesView payload, std::uint32_t message_format,
                                                                     const log::Properties& properties) {
  records_.clear();
  texts_.clear();
  auto events = MH_TRY(amqp::Events::of(payload, message_format));
  while (const auto event = events.next()) {
    const auto message = MH_TRY(amqp::Message::parse(*event));
    const auto body = MH_TRY(body_of(message));
    auto sections = joined(base::as_text(message.message_annotations_section), base::as_text(message.properties_section));
    sections = joined(sections, base::as_text(message.application_properties_section));
    records_.push_back({properties.gateway, properties, joined(sections, body_head(message, body)), body});
  }
  return records_;
}

}  // namespace meterhub::hub
