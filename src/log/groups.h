// Consumer groups inside one process: who owns which partition, and since which epoch.
// Shared by the memory and the embedded engine; Kafka brings its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/log/log.h>

namespace meterhub::log {

// What a member may own, and whether it was named partition by partition: then it goes
// before automatic members.
struct Interest {
  std::vector<TopicPartition> partitions;
  bool listed = false;
};
// From the arguments of Log::join. kNotFound when a topic or partition does not exist,
// kInvalidArgument when `only` names a partition outside `topics`.
base::Result<Interest> interest_of(const Log& log, const std::vector<base::TopicId>& topics,
                                   std::vector<TopicPartition> only);

// Any thread. Listeners are only posted to.
class Groups {
 public:
  // Runs the task once every transaction admitted so far is settled or refused. An owner
  // hears of its partition only after that, so what it reads then (offsets, state) holds
  // all its predecessor ever wrote. Never called with a lock held.
  using Barrier = std::function<void(base::Task)>;

  // Epochs start at `first_epoch` and are never given twice.
  Groups(const base::Clock& clock, base::Epoch first_epoch, Barrier barrier);
  ~Groups();

  std::unique_ptr<Membership> join(std::string_view group, Interest interest, base::Executor& executor,
                                   GroupListener& listener);

  // Whether this ownership still stands.
  bool current(const Ownership& ownership) const;

 private:
  struct Member;
  struct Slot;
  struct Group;
  struct Grant;
  class State;
  class Handle;
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::log
