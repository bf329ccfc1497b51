// The parts of a message that a record keeps beside its body: docs/formats/event-hub.md. Pure.
#pragma once

#include <string_view>

#include <meterhub/amqp/message.h>
#include <meterhub/base/result.h>

namespace meterhub::hub {

// Views of RecordView::sections. They stand there in this order, each may be missing.
struct StoredSections {
  amqp::Value annotations;      // the sender's message annotations, a map or null
  base::BytesView properties;   // sections properties and application-properties, as sent
  base::BytesView body_head;    // of a body that is not one data section: what stands before the record's body
};
// kInvalidArgument: they are not what the hub writes.
base::Result<StoredSections> parse_stored(std::string_view sections);

}  // namespace meterhub::hub
