#include <meterhub/fleet/flow.h>

#include <algorithm>

namespace meterhub::fleet {
namespace {

using std::chrono::minutes;

std::int64_t minute_of(base::Timestamp time) {
  return std::chrono::floor<minutes>(time).time_since_epoch().count();
}
base::Timestamp begin_of(std::int64_t minute) { return base::Timestamp(minutes(minute)); }

}  // namespace

void FlowMinutes::add(base::Timestamp from, base::Timestamp to, double litres, base::Timestamp now) {
  const auto oldest = minute_of(now) - kKept;
  const auto newest = minute_of(now) + 1;
  const auto whole = std::chrono::duration<double>(to - from).count();
  const auto first = std::max(whole > 0 ? minute_of(from) : minute_of(to), oldest);
  const auto last = std::min(minute_of(to), newest);
  for (auto minute = first; minute <= last; ++minute) {
    const auto begin = std::max(from, begin_of(minute));
    const auto end = std::min(to, begin_of(minute + 1));
    const auto share = whole > 0 ? std::chrono::duration<double>(end - begin).count() / whole : 1.0;
    auto& bucket = buckets_[static_cast<std::size_t>(minute) % kBuckets];
    if (bucket.minute != minute) bucket = {minute, 0};
    bucket.litres += litres * share;
  }
}

std::vector<FlowMinutes::Point> FlowMinutes::points(std::int64_t minutes_wanted, base::Timestamp now) const {
  const auto end = minute_of(now - kSettling);
  std::vector<Point> out;
  for (auto minute = end - std::clamp<std::int64_t>(minutes_wanted, 0, kKept - 1); minute < end; ++minute) {
    const auto& bucket = buckets_[static_cast<std::size_t>(minute) % kBuckets];
    const bool known = bucket.minute == minute;
    if (known || !out.empty()) out.push_back({begin_of(minute), known ? bucket.litres : 0});
  }
  return out;
}

}  // namespace meterhub::fleet
