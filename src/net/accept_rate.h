// How fast one address may connect: a token bucket per address, in bounded memory.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include <meterhub/base/clock.h>
#include <meterhub/net/address.h>

namespace meterhub::net {

// One thread.
class AcceptRate {
 public:
  // `per_second` 0 = no limit.
  AcceptRate(double per_second, double burst) : per_second_(per_second), burst_(burst) {}
  // Takes one token of the address (IPv6: of its /64). When 65,536 addresses are busy at
  // once, further ones share a single bucket.
  bool allow(const Address& from, base::MonotonicTime now);

 private:
  using Prefix = std::array<std::uint8_t, 16>;
  struct Bucket {
    double tokens;
    base::MonotonicTime filled;
  };
  bool take(Bucket& bucket, base::MonotonicTime now) const;
  void forget_full(base::MonotonicTime now);

  const double per_second_;
  const double burst_;
  std::map<Prefix, Bucket> buckets_;
};

}  // namespace meterhub::net
