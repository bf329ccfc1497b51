#include "message_records.h"

#include <meterhub/amqp/message.h>

namespace meterhub::hub {
namespace {

base::Result<std::string> body_of(const amqp::Message& message) {
  std::string out;
  if (message.body == amqp::Body::kData) {
    amqp::DataSections sections(message);
    while (const auto part = sections.next()) out += base::as_text(*part);
    return out;
  }
  if (message.body == amqp::Body::kSequence) return base::fail(base::Errc::kInvalidArgument, "the body must not be a sequence");
  if (message.body == amqp::Body::kNone || message.value.is_null()) return out;  // the connector says what is wrong
  if (const auto bytes = message.value.binary()) return std::string(base::as_text(*bytes));
  if (const auto text = message.value.string()) return std::string(*text);
  return base::fail(base::Errc::kInvalidArgument, "the body must be data, a string or binary");
}

base::Result<log::NewRecord> record_of(base::BytesView event, const std::string& gateway) {
  const auto message = MH_TRY(amqp::Message::parse(event));
  log::NewRecord out;
  out.key = gateway;
  out.properties.gateway = gateway;
  out.sections = base::as_text(message.properties_section);
  out.sections += base::as_text(message.application_properties_section);
  out.body = MH_TRY(body_of(message));
  return out;
}

}  // namespace

base::Result<std::vector<log::NewRecord>> records_of(base::BytesView payload, std::uint32_t message_format,
                                                     const std::string& gateway) {
  auto events = MH_TRY(amqp::Events::of(payload, message_format));
  std::vector<log::NewRecord> out;
  while (const auto event = events.next()) out.push_back(MH_TRY(record_of(*event, gateway)));
  return out;
}

}  // namespace meterhub::hub
