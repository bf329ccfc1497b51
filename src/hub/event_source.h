// What reads one partition for one reader, on the readers' thread.
#pragma once

#include <memory>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/log/log.h>

#include "event_encoder.h"

namespace meterhub::hub {

// Events that are ready to be sent, in their order.
struct EventBlock {
  base::Bytes bytes{};
  std::vector<std::size_t> ends{};  // of each event in `bytes`
  std::uint64_t expired = 0;        // events before them that retention had taken
  base::Offset next{};              // of the first event behind them

  base::BytesView event(std::size_t i) const {
    const auto begin = i == 0 ? 0 : ends[i - 1];
    return base::BytesView(bytes).subspan(begin, ends[i] - begin);
  }
};

// One thread at a time; made on another. What it is given outlives it.
class EventSource {
 public:
  EventSource(log::Log& log, log::TopicPartition partition, EventEncoder encoder)
      : log_(log), partition_(partition), encoder_(std::move(encoder)) {}

  // Before the first read().
  void begin_at(base::Offset offset) { next_ = offset; }
  // At least one event if any is there, else none; stops at `bytes_max`, but for one event that is larger alone. What a
  // replay gave is for history and left out: readers outside have had it.
  base::Result<EventBlock> read(std::size_t bytes_max);

 private:
  // False: there is nothing more to read now.
  base::Result<bool> refill(EventBlock& out);

  log::Log& log_;
  const log::TopicPartition partition_;
  EventEncoder encoder_;
  base::Offset next_{};
  std::unique_ptr<log::Cursor> cursor_;
  log::Batch batch_;  // read, and from at_ on not yet handed on
  std::size_t at_ = 0;
};

}  // namespace meterhub::hub
