// CPU time of the calling thread: on a busy machine the clock on the wall says little.
#pragma once

#include <chrono>

#include <time.h>

namespace meterhub::app::bench {

inline std::chrono::nanoseconds thread_cpu() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace meterhub::app::bench
