// A few numbers of a running platform for the terminal: in place where it is one, else a line
// every few seconds.
#pragma once

#include <cstdint>
#include <string>

#include <meterhub/base/clock.h>

#include "platform.h"

namespace meterhub::app {

// One thread.
class LiveSummary {
 public:
  explicit LiveSummary(Platform& platform);
  // Call about once a second.
  void show();
  // Leaves the last line standing.
  void end();

 private:
  std::string line();

  Platform& platform_;
  const bool terminal_;
  base::MonotonicTime shown_{};
  base::MonotonicTime measured_{};
  std::uint64_t settled_then_ = 0;
  bool open_line_ = false;
};

}  // namespace meterhub::app
