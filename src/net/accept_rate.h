// How fast one address may connect: a token bucket per address, in bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include <meterhub/base/clock.h>
#include <meterhub/net/address.h>

namespace meterhub::net {

// What counts as one source: an IPv4 address, the /64 of an IPv6 address.
using Source = std::array<std::uint8_t, 16>;
Source source_of(const Address& address);

// One thread.
class AcceptRate {
 public:
  // `per_second` 0 = no limit.
  AcceptRate(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
  // Takes one token of the source. When 65,536 addresses are busy at
  // once, further ones share a single bucket.
  bool allow(const Address& from, base::MonotonicTime now);

 private:
  struct Bucket {
    double tokens;
    base::MonotonicTime filled;
  };
  bool take(Bucket& bucket, base::MonotonicTime now) const;
  void forget_full(base::MonotonicTime now);

  const double per_second_;
  const double burst_;
  std::map<Source, Bucket> buckets_;
};

}  // namespace meterhub::net
