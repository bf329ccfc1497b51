// How fast one address may connect: a token bucket per address, in bounded memory. Who comes too fast waits for a
// token, a while.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>

#include <meterhub/base/clock.h>
#include <meterhub/net/address.h>

namespace meterhub::net {

// What counts as one source: an IPv4 address, the /64 of an IPv6 address.
using Source = std::array<std::uint8_t, 16>;
Source source_of(const Address& address);

// One thread.
class AcceptRate {
 public:
  // `per_second` 0 = no limit. `longest_wait`: how far ahead tokens are given.
  AcceptRate(double per_second, double burst, std::chrono::nanoseconds longest_wait)
      : per_second_(per_second), burst_(burst), longest_wait_(longest_wait) {}
  // Takes one token of the source: how long it has to be waited for, 0 mostly; nothing when that would be too long,
  // and then none is taken. When 65,536 addresses are busy at once, further ones share a single bucket.
  std::optional<std::chrono::nanoseconds> admit(const Address& from, base::MonotonicTime now);

 private:
  struct Bucket {
    double tokens;  // below 0: given ahead
    base::MonotonicTime filled;
  };
  std::optional<std::chrono::nanoseconds> take(Bucket& bucket, base::MonotonicTime now) const;
  void forget_full(base::MonotonicTime now);

  const double per_second_;
  const double burst_;
  const std::chrono::nanoseconds longest_wait_;
  std::map<Source, Bucket> buckets_;
};

}  // namespace meterhub::net
