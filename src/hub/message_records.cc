#include "message_records.h"

namespace meterhub::hub {

// Two sections that follow each other, as they nearly always do, are one view.
std::string_view MessageRecords::joined(base::BytesView first, base::BytesView second) {
  if (first.empty()) return base::as_text(second);
  if (second.empty()) return base::as_text(first);
  if (first.data() + first.size() == second.data()) return {base::as_text(first).data(), first.size() + second.size()};
  auto& text = texts_.emplace_back(base::as_text(first));
  return text += base::as_text(second);
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
    const auto sections = joined(message.properties_section, message.application_properties_section);
    records_.push_back({properties.gateway, properties, sections, MH_TRY(body_of(message))});
  }
  return records_;
}

}  // namespace meterhub::hub
