// What the hub knows of a gateway while it is connected: its rate and its connections.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>

namespace meterhub::hub {

// Tokens come at a steady rate, up to a burst. One thread.
class TokenBucket {
 public:
  // `rate` a second; 0 = no limit.
  TokenBucket(double rate, double burst, base::MonotonicTime now)
      : rate_(rate), burst_(burst), tokens_(burst), filled_(now) {}

  // Takes `n`, into debt if need be; the caller looks at tokens().
  void take(double n, base::MonotonicTime now) { tokens_ = tokens(now) - n; filled_ = now; }
  double tokens(base::MonotonicTime now) const {
    return std::min(burst_, tokens_ + std::chrono::duration<double>(now - filled_).count() * rate_);
  }
  bool limited() const { return rate_ > 0; }
  bool is_full(base::MonotonicTime now) const { return !limited() || tokens(now) >= burst_; }

 private:
  double rate_;
  double burst_;
  double tokens_;
  base::MonotonicTime filled_;
};

class Session;

// Shared by all connections of one gateway. Loop thread.
struct Device {
  std::string id;
  TokenBucket bucket;
  std::vector<Session*> sessions;  // an entry for each seat
  bool heard = false;              // since the hub looked last
};

}  // namespace meterhub::hub
