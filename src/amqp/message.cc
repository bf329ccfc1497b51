#include <meterhub/amqp/message.h>

#include <iterator>
#include <utility>

namespace meterhub::amqp {
namespace {

enum Section : std::uint64_t {
  kHeader = 0x70, kDeliveryAnnotations, kMessageAnnotations, kProperties, kApplicationProperties,
  kData, kSequence, kValue, kFooter,
};
constexpr std::string_view kSectionNames[] = {
    "amqp:header:list", "amqp:delivery-annotations:map", "amqp:message-annotations:map", "amqp:properties:list",
    "amqp:application-properties:map", "amqp:data:binary", "amqp:amqp-sequence:list", "amqp:amqp-value:*",
    "amqp:footer:map",
};

std::uint64_t section_of(const Value& value) {
  const auto descriptor = value.descriptor();
  if (!descriptor) return 0;
  if (const auto code = descriptor->unsigned_integer()) return *code;
  for (std::uint64_t i = 0; i < std::size(kSectionNames); ++i) {
    if (descriptor->symbol() == kSectionNames[i]) return kHeader + i;
  }
  return 0;
}

bool may_follow(std::uint64_t before, std::uint64_t section) {
  const bool repeats = section == before && (section == kData || section == kSequence);
  const bool mixes = before >= kData && before < kFooter && section != kFooter;
  return repeats || (section > before && !mixes);
}

bool has_type_of(std::uint64_t section, Type type) {
  switch (section) {
    case kHeader: case kProperties: case kSequence: return type == Type::kList;
    case kData: return type == Type::kBinary;
    case kValue: return true;
    default: return type == Type::kMap;
  }
}

void extend(base::BytesView& range, base::BytesView by) {
  range = range.empty() ? by : base::BytesView(range.data(), range.size() + by.size());
}

void place(Message& m, std::uint64_t section, base::BytesView bytes, const Value& content) {
  switch (section) {
    case kHeader: m.header_section = bytes; break;
    case kDeliveryAnnotations: m.delivery_annotations_section = bytes; m.delivery_annotations = content; break;
    case kMessageAnnotations: m.message_annotations_section = bytes; m.message_annotations = content; break;
    case kProperties: m.properties_section = bytes; break;
    case kApplicationProperties: m.application_properties_section = bytes; m.application_properties = content; break;
    case kData:
      m.body = Body::kData;
      if (m.data_count++ == 0) m.data = *content.binary();
      extend(m.body_sections, bytes);
      break;
    case kSequence: m.body = Body::kSequence; extend(m.body_sections, bytes); break;
    case kValue: m.body = Body::kValue; m.value = content; m.body_sections = bytes; break;
    default: m.footer_section = bytes;
  }
}

}  // namespace

base::Result<Message> Message::parse(base::BytesView bytes) {
  Message message;
  std::uint64_t before = 0;
  while (!bytes.empty()) {
    const base::BytesView start = bytes;
    const Value value = MH_TRY(Value::read(bytes));
    const std::uint64_t section = section_of(value);
    if (section < kHeader || section > kFooter) {
      return base::fail(base::Errc::kInvalidArgument, "not a message section");
    }
    if (!may_follow(before, section)) {
      return base::fail(base::Errc::kInvalidArgument, "message sections are out of order");
    }
    const Value content = *value.described();
    if (!has_type_of(section, content.type())) {
      return base::fail(base::Errc::kInvalidArgument, "a message section has a wrong type");
    }
    place(message, section, start.first(start.size() - bytes.size()), content);
    before = section;
  }
  return message;
}

base::Result<Properties> Message::properties() const {
  if (properties_section.empty()) return Properties{};
  base::BytesView in = properties_section;
  return decode<Properties>(in);
}

DataSections::DataSections(const Message& message)
    : rest_(message.body == Body::kData ? message.body_sections : base::BytesView{}) {}

std::optional<base::BytesView> DataSections::next() {
  if (rest_.empty()) return std::nullopt;
  return Value::read(rest_)->described()->binary();  // read once already by Message::parse
}

base::Result<Events> Events::of(base::BytesView payload, std::uint32_t message_format) {
  if (message_format != kBatchFormat) return Events(payload);
  const Message envelope = MH_TRY(Message::parse(payload));
  if (envelope.body != Body::kData) {
    return base::fail(base::Errc::kInvalidArgument, "a batch without data sections");
  }
  return Events(DataSections(envelope));
}

std::optional<base::BytesView> Events::next() {
  if (batch_) return batch_->next();
  return std::exchange(single_, std::nullopt);
}

void MessageWriter::data(base::BytesView bytes) {
  writer_.descriptor(kData);
  writer_.binary(bytes);
}

void MessageWriter::begin(std::uint64_t section) {
  writer_.descriptor(section);
  writer_.begin_map();
}

}  // namespace meterhub::amqp
