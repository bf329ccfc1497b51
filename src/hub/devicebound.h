// Cloud-to-device messages of all devices: the queues, kept in log `devicebound`, and who is told of what.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/result.h>
#include <meterhub/hub/hub.h>
#include <meterhub/log/log.h>

#include "devicebound_queues.h"
#include "devicebound_records.h"
#include "feedback_queue.h"
#include "hub_metrics.h"
#include "intake.h"

namespace meterhub::hub {

// A link on which a device or a service receives. Loop thread.
class DeviceboundReader {
 public:
  virtual ~DeviceboundReader() = default;
  // There may be something to take.
  virtual void ready() = 0;
};

// Loop thread. A message that was taken in is delivered at least once; one whose end is durable is not delivered again.
// How often it was delivered is counted anew by each process.
class Devicebound final : public log::GroupListener, public std::enable_shared_from_this<Devicebound> {
 public:
  // Reads the log to its end. kNotFound: there is no log `devicebound`. `fatal`: see Hub::create. What is passed
  // outlives it.
  static base::Result<std::shared_ptr<Devicebound>> create(const HubWorld& world, HubMetrics& metrics,
                                                           const DeviceboundOptions& options,
                                                           std::function<void(base::Error)> fatal);

  // --- service
  // Takes the message in (its number and times of the log are not known yet): `sender` is told when it is durable.
  // kResourceExhausted: the device's queue, or the room for all, is full.
  base::Result<void> enqueue(DeviceboundMessage message, std::weak_ptr<Sender> sender, Ticket ticket, bool answered);
  std::optional<FeedbackQueue::Batch> take_feedback();
  void feedback_heard(DeliveryLock lock);
  void give_feedback_back(DeliveryLock lock);
  std::size_t feedback_waiting() const { return feedback_.records(); }

  // --- device
  std::optional<DeviceboundQueues::Taken> take(const std::string& device);
  void end(DeliveryLock lock, Fate fate);
  void give_back(DeliveryLock lock);

  // Told from then on; "" = of feedback.
  void watch(const std::string& device, DeviceboundReader& reader) { readers_.emplace(device, &reader); }
  void unwatch(const std::string& device, DeviceboundReader& reader);

  // --- hub
  // Once a second.
  void sweep();
  // Ends all that waits for the device; how many there were.
  std::size_t purge(const std::string& device);
  // The device was changed: what waits for one that is gone ends. "" = any may have been.
  void gateway_changed(const std::string& device);
  std::size_t waiting(const std::string& device) const { return queues_.messages_of(device); }
  // Nothing is on its way to the disk.
  bool is_idle() const { return failed_ || (on_the_way_ == 0 && !writing_ && unwritten_.empty()); }

  // log::GroupListener
  void assigned(std::vector<log::Assignment> partitions) override;
  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override;
  void lost(std::vector<log::TopicPartition> partitions) override;

 private:
  // An end or what a service has heard: in the log soon.
  struct Unwritten {
    log::NewRecord record;
    std::optional<Feedback> feedback;  // to be given when it is durable
  };

  Devicebound(const HubWorld& world, HubMetrics& metrics, const DeviceboundOptions& options,
              log::TopicPartition partition, std::function<void(base::Error)> fatal);
  base::Result<void> read_log();
  base::Result<void> restore(const log::RecordView& record);
  void stored(DeviceboundMessage message, const log::Committed::Place& place);
  void ended(EndedMessage message);
  void heard(const std::vector<base::Offset>& feedback);
  void write();
  void written(std::vector<Unwritten> batch, const base::Result<log::Committed>& result);
  void commit();
  void tell(const std::string& device);
  // True when nothing can be trusted any more.
  bool is_fatal(const base::Error& error);
  void show();

  base::Executor& loop_;
  log::Log& log_;
  GatewayDirectory& gateways_;
  HubMetrics& metrics_;
  std::function<void(base::Error)> fatal_;
  const log::TopicPartition partition_;
  DeviceboundQueues queues_;
  FeedbackQueue feedback_;
  std::unordered_multimap<std::string, DeviceboundReader*> readers_;
  std::deque<Unwritten> unwritten_;  // of messages that were in queues_, so no more than those were
  bool writing_ = false;
  std::size_t on_the_way_ = 0;  // messages not yet durable
  base::Offset read_to_;  // what follows is not known here
  base::Offset committed_;
  base::MonotonicTime committed_at_{};
  std::optional<base::Epoch> owned_;
  bool failed_ = false;
  std::unique_ptr<log::Membership> membership_;  // goes first
};

}  // namespace meterhub::hub
