// The sections of an AMQP 1.0 message (part 3.2), read as views and written.
#pragma once

#include <optional>
#include <string_view>

#include <meterhub/amqp/performatives.h>

namespace meterhub::amqp {

// Microsoft's batch: an envelope whose data sections are complete messages.
constexpr std::uint32_t kBatchFormat = 0x80013700;

enum class Body : std::uint8_t { kNone, kData, kSequence, kValue };

// A message taken apart; all members are views of its bytes. Each `…_section` is the
// complete encoding with its descriptor, empty when absent: it may be stored and sent
// again unchanged.
struct Message {
  base::BytesView header_section;
  base::BytesView delivery_annotations_section;
  base::BytesView message_annotations_section;
  base::BytesView properties_section;
  base::BytesView application_properties_section;
  base::BytesView body_sections;  // all data or sequence sections, or the value
  base::BytesView footer_section;
  Value delivery_annotations, message_annotations;  // maps, or null
  Value application_properties;                     // a map, or null
  Body body = Body::kNone;
  base::BytesView data;           // bytes of the first data section
  std::uint32_t data_count = 0;   // data sections
  Value value;                    // of an amqp-value body

  // kInvalidArgument: unknown section, wrong order, or not AMQP.
  static base::Result<Message> parse(base::BytesView bytes);
  // The properties section's fields; defaults when it is absent.
  base::Result<Properties> properties() const;
};

// The data sections of a message, one after another.
class DataSections {
 public:
  explicit DataSections(const Message& message);
  std::optional<base::BytesView> next();

 private:
  base::BytesView rest_;
};

// Events of one transfer: the message itself in format 0, else each message in the batch.
// Each is yet to be parsed and may turn out not to be a message.
class Events {
 public:
  // kInvalidArgument: the envelope is no message, or a batch without a data section.
  static base::Result<Events> of(base::BytesView payload, std::uint32_t message_format);
  std::optional<base::BytesView> next();

 private:
  explicit Events(base::BytesView single) : single_(single) {}
  explicit Events(DataSections batch) : batch_(batch) {}
  std::optional<base::BytesView> single_;
  std::optional<DataSections> batch_;
};

// Appends sections; call in the order below. The maps are filled through writer():
//   w.begin_application_properties(); w.writer().string("k"); w.writer().int32(1); w.end();
class MessageWriter {
 public:
  explicit MessageWriter(base::Bytes& out) : out_(out), writer_(out) {}

  void header(const Header& header) { encode(out_, header); }
  void begin_delivery_annotations() { begin(0x71); }
  void begin_message_annotations() { begin(0x72); }
  void properties(const Properties& properties) { encode(out_, properties); }
  void begin_application_properties() { begin(0x74); }
  void end() { writer_.end(); }
  void data(base::BytesView bytes);
  void begin_value() { writer_.descriptor(0x77); }  // then exactly one value through writer()
  Writer& writer() { return writer_; }

 private:
  void begin(std::uint64_t section);
  base::Bytes& out_;
  Writer writer_;
};

}  // namespace meterhub::amqp
