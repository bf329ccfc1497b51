#include "accept_rate.h"

#include <algorithm>

namespace meterhub::net {
namespace {

constexpr std::size_t kBucketsMax = 65'536;

double seconds(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

}  // namespace

Source source_of(const Address& address) {
  Source out = address.ip;
  if (!address.is_v4()) std::fill(out.begin() + 8, out.end(), std::uint8_t{0});
  return out;
}

bool AcceptRate::take(Bucket& bucket, base::MonotonicTime now) const {
  bucket.tokens = std::min(burst_, bucket.tokens + seconds(now - bucket.filled) * per_second_);
  bucket.filled = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

// A full bucket says no more than none.
void AcceptRate::forget_full(base::MonotonicTime now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    return entry.second.tokens + seconds(now - entry.second.filled) * per_second_ >= burst_;
  });
}

bool AcceptRate::allow(const Address& from, base::MonotonicTime now) {
  if (per_second_ <= 0) return true;
  Source source = source_of(from);
  auto it = buckets_.find(source);
  if (it == buckets_.end()) {
    if (buckets_.size() >= kBucketsMax) forget_full(now);
    if (buckets_.size() >= kBucketsMax) source = {};
    it = buckets_.try_emplace(source, Bucket{burst_, now}).first;
  }
  return take(it->second, now);
}

}  // namespace meterhub::net
