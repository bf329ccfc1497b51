// Values, composite types and messages as a peer may encode them, and as our writer does.
#include <meterhub/amqp/message.h>

#include "input.h"

namespace meterhub::amqp {
namespace {

using fuzz::require;

base::Bytes encoding_of(const Value& value) {
  base::Bytes out;
  value.append_to(out);
  return out;
}

void walk(const Value& value);

// The parts of a value are values, as many as it says.
void walk_inside(const Value& value) {
  std::uint32_t count = 0;
  Items items = value.items();
  while (const auto item = items.next()) {
    ++count;
    walk(*item);
  }
  require(count == value.size());
  if (const auto inner = value.described()) {
    walk(*value.descriptor());
    walk(*inner);
  }
}

// A value's encoding is the value.
void walk(const Value& value) {
  const base::Bytes bytes = encoding_of(value);
  const auto again = Value::parse(bytes);
  require(again && *again == value && again->type() == value.type());
  require(value.is_null() || again->size() == value.size());
  walk_inside(value);
}

void read_value(base::BytesView bytes) {
  base::BytesView rest = bytes;
  const auto value = Value::read(rest);
  if (!value) return;
  const auto used = bytes.first(bytes.size() - rest.size());
  require(std::ranges::equal(value->encoded(), used));
  walk(*value);
}

template <class T>
void read_composite(base::BytesView bytes) {
  const auto first = decode<T>(bytes);
  if (!first) return require(!first.error().text.empty());
  base::Bytes once;
  encode(once, *first);
  require(peek_descriptor(once) != 0 && is<T>(Value::parse(once).value()));
  base::BytesView rest = once;
  const auto second = decode<T>(rest);
  require(second && rest.empty());
  base::Bytes twice;
  encode(twice, *second);
  require(once == twice);
}

template <class... Types>
void read_composites(base::BytesView bytes) {
  (read_composite<Types>(bytes), ...);
}

void read_batch(base::BytesView bytes) {
  auto events = Events::of(bytes, kBatchFormat);
  if (!events) return;
  while (const auto event = events->next()) require(event->size() <= bytes.size());
}

// The sections, one after the other, are the message.
void read_message(base::BytesView bytes) {
  read_batch(bytes);
  const auto message = Message::parse(bytes);
  if (!message) return;
  base::Bytes joined;
  for (const auto section : {message->header_section, message->delivery_annotations_section, message->message_annotations_section,
                             message->properties_section, message->application_properties_section, message->body_sections,
                             message->footer_section}) {
    joined.insert(joined.end(), section.begin(), section.end());
  }
  require(std::ranges::equal(joined, bytes));
  static_cast<void>(message->properties());
  DataSections sections(*message);
  std::uint32_t count = 0;
  while (const auto data = sections.next()) {
    if (count++ == 0) require(std::ranges::equal(*data, message->data));
  }
  require(count == message->data_count);
}

void write_value(Writer& writer, fuzz::Input& input, int left);

void write_compound(Writer& writer, fuzz::Input& input, bool map, int left) {
  map ? writer.begin_map() : writer.begin_list();
  for (int items = input.byte() % 40; items > 0; --items) {
    if (map) writer.symbol(base::as_text(input.take(3)));
    write_value(writer, input, left - 1);
  }
  writer.end();
}

void write_value(Writer& writer, fuzz::Input& input, int left) {
  const auto number = input.number();
  switch (input.byte() % 14) {
    case 0: return writer.boolean(number % 2 == 0);
    case 1: return writer.uint32(number);
    case 2: return writer.uint64(std::uint64_t{number} << number % 48);
    case 3: return writer.int32(static_cast<std::int16_t>(number));
    case 4: return writer.int64(-(std::int64_t{number} << number % 40));
    case 5: return writer.float64(number / 3.0);
    case 6: return writer.timestamp_ms(number);
    case 7: return writer.string(base::as_text(input.take(number % 300)));
    case 8: return writer.binary(input.take(number % 300));
    case 9: {
      const std::string_view names[] = {base::as_text(input.take(2)), base::as_text(input.take(5))};
      return writer.array_of_symbols(names);
    }
    case 10: writer.descriptor(number); return writer.uint8(static_cast<std::uint8_t>(number));
    case 11:
    case 12: return left > 0 ? write_compound(writer, input, number % 2 == 0, left) : writer.null();
    default: return writer.null();
  }
}

// What our writer writes is one value.
void write(fuzz::Input input) {
  base::Bytes out;
  Writer writer(out);
  write_value(writer, input, Value::kMaxDepth - 2);
  const auto value = Value::parse(out);
  require(value.has_value());
  walk(*value);
}

}  // namespace
}  // namespace meterhub::amqp

MH_FUZZER(amqp_value, input) {
  using namespace meterhub::amqp;
  switch (input.byte() % 4) {
    case 0: return read_value(input.rest());
    case 1:
      return read_composites<ErrorFields, Open, Begin, Attach, Flow, Transfer, Disposition, Detach, End, Close, Received, Accepted,
                             Rejected, Released, Modified, Source, Target, Header, Properties, SaslMechanisms, SaslInit,
                             SaslChallenge, SaslResponse, SaslOutcome>(input.rest());
    case 2: return read_message(input.rest());
    default: return write(input);
  }
}
