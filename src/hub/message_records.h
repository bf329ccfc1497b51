// From one AMQP delivery to the records of the log. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/amqp/message.h>
#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>
#include <meterhub/log/record.h>

namespace meterhub::hub {

// Reads delivery after delivery into memory that it keeps. One thread.
class MessageRecords {
 public:
  // One record for a plain message, one per event of Microsoft's batch; all or an error
  // (kInvalidArgument). Keeps the sections as docs/formats/event-hub.md has them.
  // The records are views of the payload, of this object until its next call, and of
  // `properties`, which they all have; their key is the gateway.
  base::Result<std::span<const log::RecordParts>> read(base::BytesView payload, std::uint32_t message_format,
                                                       const log::Properties& properties);

 private:
  base::Result<std::string_view> body_of(const amqp::Message& message);
  std::string_view body_head(const amqp::Message& message, std::string_view body);
  std::string_view joined(std::string_view first, std::string_view second);

  std::vector<log::RecordParts> records_;
  std::deque<std::string> texts_;  // what does not stand in one piece in the payload
};

}  // namespace meterhub::hub
