// Who waits for records of which partition. Shared by the engines.
#pragma once

#include <map>
#include <memory>

#include <meterhub/log/log.h>

namespace meterhub::log {

// Any thread. Executors are only posted to.
class Watches {
 public:
  Watches();
  ~Watches();

  // Posts `appended` once `next` of the partition passes `position`; `next_now` is read
  // after the watch is in place, so that no append slips between.
  std::unique_ptr<Watch> add(TopicPartition partition, base::Offset position, base::Executor& call_on,
                             base::Task appended, const std::function<base::Offset()>& next_now);
  // Records before `next` are now visible.
  void advanced(TopicPartition partition, base::Offset next);

 private:
  struct Entry;
  struct State;
  class Handle;
  std::shared_ptr<State> state_;
};

}  // namespace meterhub::log
