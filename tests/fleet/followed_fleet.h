// A fleet that follows a town's log on an executor, as the role `office` does.
#pragma once

#include <gtest/gtest.h>

#include <meterhub/fleet/tail.h>

#include "town.h"

namespace meterhub::fleet::test {

class FollowedFleet final : public TailListener {
 public:
  FollowedFleet(base::Executor& executor, Town& town, std::uint32_t ring_meters_max = 20'000)
      : state(ring_meters_max), executor_(executor) {
    auto tail = FleetTail::open(town.log, town.directory_of_meters, state, *this, town.metrics, executor.clock().now(), {});
    EXPECT_TRUE(tail);
    if (tail) tail_ = std::move(*tail);
    look();
  }
  ~FollowedFleet() override { executor_.cancel(timer_); }

  MeterLimits limits_of(const registry::MeterEntry& meter, const registry::Directory::View&) override {
    const bool own = meter.low_limit_litres != INT32_MIN;
    return {.silence = std::chrono::seconds(meter.silence_limit_s),
            .low_litres = own ? meter.low_limit_litres : low_litres,
            .has_own_limit = own,
            .tenant = meter.tenant,
            .days = &days};
  }

  // Takes in what is there and judges it; then again every 200 ms.
  void look() {
    if (!tail_) return;
    executor_.cancel(timer_);
    const auto now = executor_.clock().now();
    while (tail_->read(now, now)) {
    }
    tail_->sweep(100'000, now);
    timer_ = executor_.after(std::chrono::milliseconds(200), [this] { look(); });
  }

  std::int64_t low_litres = 5'000;
  DayClock days{*consumption::LocalTime::of("Asia/Shanghai")};
  FleetState state;

 private:
  base::Executor& executor_;
  std::unique_ptr<FleetTail> tail_;
  base::Executor::TimerId timer_{};
};

}  // namespace meterhub::fleet::test
