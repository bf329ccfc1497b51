// Counters and gauges, exposed in Prometheus' text format. Names are
// meterhub_<module>_<thing>_<unit>[_total]; no device or meter id in a label.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace meterhub::base {

using Labels = std::map<std::string, std::string>;

// Only rises. Any thread.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. Any thread.
class Gauge {
 public:
  void set(double v) { value_.store(v, std::memory_order_relaxed); }
  void add(double v) { value_.fetch_add(v, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// The registry of all metrics of one process. Any thread. The same name and labels
// give the same object, which lives as long as the registry: look up once, keep the
// reference.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  // Sum over all label sets of one counter; 0 when unknown. For status pages and tests.
  std::uint64_t total(std::string_view name) const;
  // Calls back for every counter, in order of name and labels.
  void each_counter(const std::function<void(const std::string& name, const Labels&, std::uint64_t)>& visit) const;
  // Prometheus text format, version 0.0.4.
  std::string expose() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::base
