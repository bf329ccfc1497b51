// The fleet's gas flow, minute by minute of event time, over the last two hours. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <meterhub/base/clock.h>

namespace meterhub::fleet {

class FlowMinutes {
 public:
  static constexpr std::int64_t kKept = 120;  // minutes
  // The newest minute shown ended this long ago: by then nearly all its readings are here.
  static constexpr std::chrono::seconds kSettling{60};

  // `litres` went through a meter from `from` to `to`; spread evenly over the minutes between.
  // What lies outside the last two hours, or ahead of `now` by more than a minute, is left out.
  void add(base::Timestamp from, base::Timestamp to, double litres, base::Timestamp now);

  struct Point {
    base::Timestamp minute;  // its begin
    double litres;
  };
  // The newest `minutes` whole ones up to `now` - kSettling, oldest first, beginning with the
  // first that anything was added to.
  std::vector<Point> points(std::int64_t minutes, base::Timestamp now) const;

 private:
  struct Bucket {
    std::int64_t minute = -1;
    double litres = 0;
  };
  static constexpr std::size_t kBuckets = kKept + 8;

  std::array<Bucket, kBuckets> buckets_{};
};

}  // namespace meterhub::fleet
