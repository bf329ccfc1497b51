// Where code runs. A role is written as tasks on an Executor: no threads, sleeps
// or locks inside it. In the product an executor is a thread (or the hub's event
// loop); in tests it is stepped by hand, which makes a whole platform repeatable.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/mutex.h>

namespace meterhub::base {

using Task = std::move_only_function<void()>;

// Runs tasks one after another, in the order of posting; timers in order of time.
class Executor {
 public:
  enum class TimerId : std::uint64_t { kNone = 0 };

  virtual ~Executor() = default;

  // Any thread. The task runs soon, on the executor's own thread, never inside post().
  virtual void post(Task task) = 0;
  // Any thread. Runs once after at least `delay`. Timers under 1 ms cost as much as they save.
  virtual TimerId after(std::chrono::nanoseconds delay, Task task) = 0;
  // Any thread. From the executor's own thread the task is certain not to run any more.
  virtual void cancel(TimerId timer) = 0;
  virtual const Clock& clock() const = 0;
};

// Steps by hand on the caller's thread, with a ManualClock. One thread.
class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(ManualClock& clock) : clock_(clock) {}

  void post(Task task) override;
  TimerId after(std::chrono::nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  const Clock& clock() const override { return clock_; }

  // Runs what is due now, and what that posts, until nothing is left. Returns tasks run.
  std::size_t run_ready();
  // Moves the clock from timer to timer up to now + span, running what becomes due.
  std::size_t run_for(std::chrono::nanoseconds span);

 private:
  using TimerKey = std::pair<MonotonicTime, std::uint64_t>;
  bool run_due_timer();

  ManualClock& clock_;
  std::vector<Task> ready_;
  std::map<TimerKey, Task> timers_;
  std::uint64_t next_timer_ = 1;
};

// One thread of its own. The destructor drops what has not begun and joins.
class ThreadExecutor final : public Executor {
 public:
  // `name` is shown by the system's tools; at most 15 characters count.
  explicit ThreadExecutor(std::string name);
  ~ThreadExecutor() override;

  void post(Task task) override;
  TimerId after(std::chrono::nanoseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  const Clock& clock() const override { return clock_; }

  // Any thread but its own. Ends after the tasks already taken up; others are dropped.
  void stop();

 private:
  void run();

  SystemClock clock_;
  Mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> ready_ MH_GUARDED_BY(mutex_);
  std::map<std::pair<MonotonicTime, std::uint64_t>, Task> timers_ MH_GUARDED_BY(mutex_);
  std::uint64_t next_timer_ MH_GUARDED_BY(mutex_) = 1;
  bool stopping_ MH_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace meterhub::base
