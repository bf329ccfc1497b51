#include <meterhub/base/metrics.h>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <meterhub/base/mutex.h>

namespace meterhub::base {
namespace {

template <class T>
struct Family {
  std::string help;
  std::map<Labels, std::unique_ptr<T>> members;
};

template <class T>
T& member_of(std::map<std::string, Family<T>, std::less<>>& families, std::string_view name, std::string_view help,
             const Labels& labels) {
  auto it = families.find(name);
  if (it == families.end()) it = families.emplace(std::string(name), Family<T>{std::string(help), {}}).first;
  auto& slot = it->second.members[labels];
  if (!slot) slot = std::make_unique<T>();
  return *slot;
}

template <class T>
prometheus::MetricFamily snapshot(const std::string& name, const Family<T>& family) {
  constexpr bool is_counter = std::is_same_v<T, Counter>;
  prometheus::MetricFamily out;
  out.name = name;
  out.help = family.help;
  out.type = is_counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  for (const auto& [labels, metric] : family.members) {
    prometheus::ClientMetric client;
    for (const auto& [key, value] : labels) client.label.push_back({key, value});
    if constexpr (is_counter) {
      client.counter.value = static_cast<double>(metric->value());
    } else {
      client.gauge.value = metric->value();
    }
    out.metric.push_back(std::move(client));
  }
  return out;
}

}  // namespace

struct Metrics::State {
  mutable Mutex mutex;  // guards the maps, not the values
  std::map<std::string, Family<Counter>, std::less<>> counters MH_GUARDED_BY(mutex);
  std::map<std::string, Family<Gauge>, std::less<>> gauges MH_GUARDED_BY(mutex);
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  const Lock lock(state_->mutex);
  return member_of(state_->counters, name, help, labels);
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  const Lock lock(state_->mutex);
  return member_of(state_->gauges, name, help, labels);
}

std::uint64_t Metrics::total(std::string_view name) const {
  const Lock lock(state_->mutex);
  const auto it = state_->counters.find(name);
  if (it == state_->counters.end()) return 0;
  std::uint64_t sum = 0;
  for (const auto& [labels, counter] : it->second.members) sum += counter->value();
  return sum;
}

void Metrics::each_counter(
    const std::function<void(const std::string&, const Labels&, std::uint64_t)>& visit) const {
  const Lock lock(state_->mutex);
  for (const auto& [name, family] : state_->counters) {
    for (const auto& [labels, counter] : family.members) visit(name, labels, counter->value());
  }
}

std::string Metrics::expose() const {
  std::vector<prometheus::MetricFamily> families;
  {
    const Lock lock(state_->mutex);
    for (const auto& [name, family] : state_->counters) families.push_back(snapshot(name, family));
    for (const auto& [name, family] : state_->gauges) families.push_back(snapshot(name, family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace meterhub::base
