#include <meterhub/net/accept_rate.h>

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

std::optional<std::chrono::nanoseconds> AcceptRate::take(Bucket& bucket, base::MonotonicTime now) const {
  bucket.tokens = std::min(burst_, bucket.tokens + seconds(now - bucket.filled) * per_second_);
  bucket.filled = now;
  const std::chrono::duration<double> wait(std::max(0.0, (1 - bucket.tokens) / per_second_));
  if (wait > longest_wait_) return std::nullopt;
  bucket.tokens -= 1;
  return std::chrono::ceil<std::chrono::nanoseconds>(wait);
}

// A full bucket says no more than none.
void AcceptRate::forget_full(base::MonotonicTime now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    return entry.second.tokens + seconds(now - entry.second.filled) * per_second_ >= burst_;
  });
}

std::optional<std::chrono::nanoseconds> AcceptRate::admit(const Address& from, base::MonotonicTime now) {
  if (per_second_ <= 0) return std::chrono::nanoseconds(0);
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
