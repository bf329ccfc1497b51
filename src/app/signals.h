// The process's signals, waited for instead of handled.
#pragma once

#include <chrono>
#include <memory>

#include <meterhub/base/result.h>

namespace meterhub::app {

// SIGINT and SIGTERM. Made on the main thread before any other thread exists, since threads
// inherit what is blocked.
class StopSignals {
 public:
  static base::Result<std::unique_ptr<StopSignals>> create();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Main thread. True when a signal or wake() came, false when the time is over.
  bool wait(std::chrono::milliseconds longest);
  // Any thread.
  void wake();
  // Main thread. Takes 200 ms, in which further signals count as the one that came; from then on
  // a signal ends the process at once: for those who do not want to wait for the drain.
  void let_next_end_the_process();

 private:
  StopSignals(int signals, int wake) : signals_(signals), wake_(wake) {}
  const int signals_;
  const int wake_;
};

}  // namespace meterhub::app
