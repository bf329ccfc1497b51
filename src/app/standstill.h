// A moment at which chosen threads are all between two tasks.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <meterhub/base/executor.h>

namespace meterhub::app {

// From reached() until this object goes none of the executors runs a task. Never made on one of
// them. They must outlive it by no more than the task that waits.
class Standstill {
 public:
  explicit Standstill(const std::vector<base::Executor*>& executors);
  ~Standstill();
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  // False when not all of them stood still in time.
  bool reached(std::chrono::milliseconds patience);

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t missing = 0;
    bool over = false;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace meterhub::app
