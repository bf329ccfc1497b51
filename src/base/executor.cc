#include <meterhub/base/executor.h>

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace meterhub::base {
namespace {

// The timer and its task, taken out; empty when there is none.
template <class Timers>
auto take_timer(Timers& timers, Executor::TimerId timer) {
  const auto number = std::to_underlying(timer);
  const auto it = std::ranges::find_if(timers, [&](const auto& entry) { return entry.first.second == number; });
  return it == timers.end() ? typename Timers::node_type() : timers.extract(it);
}

}  // namespace

void ManualExecutor::post(Task task) { ready_.push_back(std::move(task)); }

Executor::TimerId ManualExecutor::after(std::chrono::nanoseconds delay, Task task) {
  const auto number = next_timer_++;
  timers_.emplace(TimerKey(clock_.monotonic() + delay, number), std::move(task));
  return TimerId(number);
}

void ManualExecutor::cancel(TimerId timer) { take_timer(timers_, timer); }

bool ManualExecutor::run_due_timer() {
  if (timers_.empty() || timers_.begin()->first.first > clock_.monotonic()) return false;
  auto node = timers_.extract(timers_.begin());
  node.mapped()();
  return true;
}

std::size_t ManualExecutor::run_ready() {
  std::size_t count = 0;
  for (;;) {
    auto block = std::exchange(ready_, {});
    for (auto& task : block) task();
    count += block.size();
    if (!block.empty()) continue;
    if (!run_due_timer()) return count;
    ++count;
  }
}

std::size_t ManualExecutor::run_for(std::chrono::nanoseconds span) {
  const auto end = clock_.monotonic() + span;
  std::size_t count = run_ready();
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    clock_.advance(std::max(timers_.begin()->first.first - clock_.monotonic(), std::chrono::nanoseconds(0)));
    count += run_ready();
  }
  clock_.advance(end - clock_.monotonic());
  return count;
}

ThreadExecutor::ThreadExecutor(std::string name) : thread_([this] { run(); }) {
  name.resize(std::min<std::size_t>(name.size(), 15));
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

ThreadExecutor::~ThreadExecutor() { stop(); }

void ThreadExecutor::stop() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  decltype(ready_) tasks;  // destroyed outside the lock, and while this still takes calls
  decltype(timers_) timers;
  const Lock lock(mutex_);
  tasks.swap(ready_);
  timers.swap(timers_);
}

void ThreadExecutor::post(Task task) {
  {
    const Lock lock(mutex_);
    if (stopping_) return;
    ready_.push_back(std::move(task));
  }
  wake_.notify_one();
}

Executor::TimerId ThreadExecutor::after(std::chrono::nanoseconds delay, Task task) {
  const Lock lock(mutex_);
  const auto number = next_timer_++;
  if (stopping_) return TimerId(number);
  timers_.emplace(std::pair(clock_.monotonic() + delay, number), std::move(task));
  wake_.notify_one();
  return TimerId(number);
}

void ThreadExecutor::cancel(TimerId timer) {
  decltype(timers_)::node_type dropped;  // destroyed outside the lock: what a task holds may call back here
  const Lock lock(mutex_);
  dropped = take_timer(timers_, timer);
}

void ThreadExecutor::run() {
  Lock lock(mutex_);
  while (!stopping_) {
    if (!ready_.empty()) {
      auto block = std::exchange(ready_, {});
      lock.unlock();
      for (auto& task : block) task();
      block.clear();
      lock.lock();
    } else if (!timers_.empty() && timers_.begin()->first.first <= clock_.monotonic()) {
      auto node = timers_.extract(timers_.begin());
      lock.unlock();
      node.mapped()();
      node = {};
      lock.lock();
    } else if (timers_.empty()) {
      wake_.wait(lock.native());
    } else {
      wake_.wait_for(lock.native(), timers_.begin()->first.first - clock_.monotonic());
    }
  }
}

}  // namespace meterhub::base
