// Threads of the running program: event loops, and waiting for what another thread does.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <meterhub/base/executor.h>
#include <meterhub/base/result.h>
#include <meterhub/net/event_loop.h>

namespace meterhub::app {

// Runs `work` on the executor's thread and waits for its end. Never from that thread itself.
void run_on(base::Executor& executor, base::Task work);

// The same with a value: `T` is what `work` returns.
template <class T, class Work>
T ask(base::Executor& executor, const Work& work) {
  std::unique_ptr<T> out;
  run_on(executor, [&] { out = std::make_unique<T>(work()); });
  return std::move(*out);
}

// Begins something that calls its task when it has ended, and waits for that. False when
// `patience` ran out; `begin` may then still be under way.
bool wait_for_end(base::Executor& executor, std::chrono::milliseconds patience,
                  std::move_only_function<void(base::Task done)> begin);

// An event loop with a thread of its own.
class LoopThread {
 public:
  static base::Result<std::unique_ptr<LoopThread>> create(const std::string& name);
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  net::EventLoop& loop() { return *loop_; }

 private:
  explicit LoopThread(std::unique_ptr<net::EventLoop> loop) : loop_(std::move(loop)) {}
  std::unique_ptr<net::EventLoop> loop_;
  std::thread thread_;
};

}  // namespace meterhub::app
