#include <meterhub/base/clock.h>

namespace meterhub::base {

Timestamp SystemClock::now() const {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

MonotonicTime SystemClock::monotonic() const {
  return MonotonicTime(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace meterhub::base
