#include "threads.h"

#include <future>

#include <pthread.h>

namespace meterhub::app {

void run_on(base::Executor& executor, base::Task work) {
  std::promise<void> ended;
  executor.post([&] {
    work();
    ended.set_value();
  });
  ended.get_future().wait();
}

bool wait_for_end(base::Executor& executor, std::chrono::milliseconds patience,
                  std::move_only_function<void(base::Task done)> begin) {
  const auto ended = std::make_shared<std::promise<void>>();
  auto future = ended->get_future();
  executor.post([ended, work = std::move(begin)]() mutable { work([ended] { ended->set_value(); }); });
  return future.wait_for(patience) == std::future_status::ready;
}

base::Result<std::unique_ptr<LoopThread>> LoopThread::create(const std::string& name) {
  auto loop = MH_TRY(net::EventLoop::create());
  std::unique_ptr<LoopThread> out(new LoopThread(std::move(loop)));
  out->thread_ = std::thread([&loop_of = *out->loop_] { loop_of.run(); });
  ::pthread_setname_np(out->thread_.native_handle(), name.substr(0, 15).c_str());
  return out;
}

LoopThread::~LoopThread() {
  loop_->stop();
  thread_.join();
}

}  // namespace meterhub::app
