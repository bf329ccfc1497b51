// The records of log `devicebound` (docs/formats/devicebound.md). Pure.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/log/record.h>

#include "feedback_queue.h"

namespace meterhub::hub {

// A message on its way to its device: number and enqueue time come from the log.
log::NewRecord record_of(const DeviceboundMessage& message);
// How a message ended.
log::NewRecord record_of(const EndedMessage& ended);
// Feedback records that a service has heard of, or that were dropped; at most FeedbackLimits::records_max.
log::NewRecord record_of_heard(std::span<const base::Offset> feedback);

// An end as it stands in the log, with its own place in it.
struct LoggedEnd {
  base::Offset message;
  bool feedback = false;  // the service wants to hear of it
  Feedback record;
};
struct LoggedHeard {
  std::vector<base::Offset> feedback;
};
using LoggedDevicebound = std::variant<DeviceboundMessage, LoggedEnd, LoggedHeard>;
// kCorrupt: it is none of them, or of a later version.
base::Result<LoggedDevicebound> read_record(const log::RecordView& record);

}  // namespace meterhub::hub
