// From what a sender to an event hub delivers to the records of the log (spec/azure-amqp.md 7). Pure.
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

// A partition key has at most so many bytes: Azure's limit of 128 characters, in the longest encoding.
inline constexpr std::size_t kPartitionKeyMax = 512;

// One message of a sender: its events go to one partition, all or none.
struct EventBatch {
  std::span<const log::RecordParts> events;  // at least one
  std::string_view partition_key;            // empty: the sender gave none
};

// Reads message after message into memory that it keeps. One thread.
class EventRecords {
 public:
  // One record for a plain message, one per event of Microsoft's batch; kInvalidArgument for what is no message, an
  // empty batch, or events with different partition keys. A record's key is the partition key; `sections` hold the
  // sender's annotations, less those that only the hub may set, and properties and application-properties as sent;
  // then the body's section, unless it is data, whose bytes are `body`. Views of the payload and of this object, until its next call.
  base::Result<EventBatch> read(base::BytesView payload, std::uint32_t message_format);

 private:
  base::Result<void> add(const amqp::Message& message);
  base::Result<void> take_key(const amqp::Message& message);
  std::string_view sections_of(const amqp::Message& message);
  std::string_view data_of(const amqp::Message& message);

  std::vector<log::RecordParts> events_;
  std::deque<std::string> texts_;  // what does not stand in one piece in the payload
  base::Bytes annotations_;
  std::string_view key_;
  const log::Properties none_{};
};

}  // namespace meterhub::hub
