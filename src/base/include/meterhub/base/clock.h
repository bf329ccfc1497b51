// Time is a parameter: roles, engines and pure modules take a Clock and never
// read the system's.
#pragma once

#include <chrono>
#include <cstdint>

namespace meterhub::base {

// UTC, microseconds since 1970. What is stored and shown.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;
using Duration = std::chrono::microseconds;
// Never goes back; only differences mean something.
using MonotonicTime = std::chrono::time_point<struct MonotonicTag, std::chrono::nanoseconds>;

// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual MonotonicTime monotonic() const = 0;
};

// The system's clocks.
class SystemClock final : public Clock {
 public:
  Timestamp now() const override;
  MonotonicTime monotonic() const override;
};

// Stands still until told to move. Wall and monotonic time can be moved apart,
// as a wrong NTP server does. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = Timestamp(std::chrono::seconds(1'700'000'000)))
      : wall_(start) {}
  Timestamp now() const override { return wall_; }
  MonotonicTime monotonic() const override { return monotonic_; }

  void advance(std::chrono::nanoseconds by) {
    monotonic_ += by;
    wall_ += std::chrono::floor<Duration>(by + rest_);
    rest_ = (by + rest_) - std::chrono::floor<Duration>(by + rest_);
  }
  void set_wall(Timestamp to) { wall_ = to; }

 private:
  Timestamp wall_;
  MonotonicTime monotonic_{};
  std::chrono::nanoseconds rest_{0};  // below a microsecond
};

}  // namespace meterhub::base
