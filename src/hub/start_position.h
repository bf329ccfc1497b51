// Where a reader of events begins, from the filter of its attach (spec/azure-amqp.md 6.2). Pure.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include <meterhub/amqp/value.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/log/log.h>

namespace meterhub::hub {

struct StartPosition {
  enum class By : std::uint8_t { kEarliest, kLatest, kSequence, kTime };
  By by = By::kEarliest;
  std::int64_t value = 0;  // kSequence: a sequence number or offset, which are the same; kTime: ms since 1970
  bool inclusive = false;  // from the event that has the value; else from the next one

  bool operator==(const StartPosition&) const = default;
};

struct FilterError {
  std::string_view condition{};
  std::string text{};
};

// `filter` is the map of the source, or null: from the earliest. amqp:not-allowed: not a map of described texts;
// amqp:not-implemented: a filter or a text that is not one of those known; com.microsoft:argument-error: its value.
std::expected<StartPosition, FilterError> parse_start(const amqp::Value& filter);
// The text alone, as `amqp.annotation.x-opt-offset > '100'`.
std::expected<StartPosition, FilterError> parse_selector(std::string_view text);

// Its place in the log; may look at the disk. kInvalidArgument: beyond the end. A place that retention has passed is
// returned as it is: whoever reads from it meets the first that is left.
base::Result<base::Offset> locate(const log::Log& log, log::TopicPartition partition, const StartPosition& start);

}  // namespace meterhub::hub
