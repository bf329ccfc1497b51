// Collects what one iteration of the loop brings and hands it to the log as one block;
// tells each sender when its message is durable, and not before.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <meterhub/log/log.h>
#include <meterhub/net/event_loop.h>

#include "hub_metrics.h"

namespace meterhub::hub {

// Names a message to the one who sent it in.
struct Ticket {
  std::uint64_t session = 0;
  std::uint64_t delivery = 0;
};

// Whoever waits for an answer. Loop thread.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual void stored(Ticket ticket) = 0;
  virtual void refused(Ticket ticket, const base::Error& error) = 0;
};

// Who hears what became of a message.
struct Answer {
  std::weak_ptr<Sender> sender;
  Ticket ticket;
  bool wanted = true;  // else the message was sent settled
};

// Loop thread. At most `in_flight_max` bytes wait before full() says so; the callers then
// stop giving credit, so what still comes is bounded by the credit given. Half of them are
// with the log at most, the rest waits here: a log whose disk stalls refuses more than its
// queue holds, and a message that a slow disk could still take must not be refused.
class Intake : public std::enable_shared_from_this<Intake> {
 public:
  Intake(net::EventLoop& loop, log::Log& log, HubMetrics& metrics, base::TopicId telemetry, std::size_t in_flight_max,
         std::function<void(base::Error)> fatal);

  // One message: all its records or none, copied. Empty sender = nobody waits.
  void add(std::string_view gateway, std::span<const log::RecordParts> records, std::weak_ptr<Sender> sender,
           Ticket ticket, bool answered);
  // The same of a sender to an event hub.
  void add_events(log::TopicPartition to, std::span<const log::RecordParts> events, Answer answer);
  // One message of `count` parts: `write` appends what each becomes, anywhere; all of it is stored or none.
  void add_each(std::size_t count, const std::function<void(std::size_t part, log::Appends& out)>& write, Answer answer);
  // At the iteration's end.
  void submit();

  bool full() const { return in_flight_ >= in_flight_max_; }
  bool half_empty() const { return in_flight_ <= in_flight_max_ / 2; }
  std::size_t in_flight() const { return in_flight_; }
  bool failed() const { return failed_; }

 private:
  struct Waiting {
    std::weak_ptr<Sender> sender;
    Ticket ticket;
    bool answered;
    base::Counter* settled;
  };
  struct Block {
    log::Appends appends;
    std::vector<Waiting> waiting;
    std::size_t bytes = 0;
  };
  // All records of the block from `first` on are one message.
  void close_message(std::size_t first, Answer answer, base::Counter& settled);
  void hand_over(Block block);
  void done(std::vector<Waiting> waiting, std::size_t bytes, const base::Result<log::Committed>& result);

  net::EventLoop& loop_;
  log::Log& log_;
  HubMetrics& metrics_;
  const base::TopicId telemetry_;
  const std::uint32_t partitions_;
  const std::size_t in_flight_max_;
  std::function<void(base::Error)> fatal_;
  std::deque<Block> full_blocks_;  // before block_
  Block block_;
  std::size_t in_flight_ = 0;  // all bytes not yet durable
  std::size_t at_log_ = 0;     // of these, what the log was given
  bool failed_ = false;
};

}  // namespace meterhub::hub
