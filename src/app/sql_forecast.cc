#include "sql_forecast.h"

#include <algorithm>

#include <fmt/format.h>

#include "bench/sql.h"

namespace meterhub::app {
namespace {

// So that windows of two hours come to an end.
constexpr std::chrono::seconds kSpan = std::chrono::minutes(126);
constexpr std::uint64_t kEventsMost = 1'100'000;

struct Town {
  std::uint32_t meters = 0;
  std::chrono::seconds span{};
};

base::Result<std::vector<engine::StateSize>> measure(const std::string& query, const Town& town,
                                                     std::chrono::seconds interval) {
  bench::SqlCase one;
  one.name = "the query";
  one.text = query;
  bench::SqlOptions options;
  options.meters = town.meters;
  options.interval = interval;
  options.log = bench::SqlLog::kMemory;
  const auto rounds = std::max<std::int64_t>(2, town.span / interval);
  options.events = static_cast<std::uint64_t>(rounds) * town.meters;
  return MH_TRY(bench::run_case(one, options, {})).states;
}

// The value at `meters` of the line through (half, small) and (whole, large).
std::uint64_t along(std::uint64_t small, std::uint64_t large, double ratio) {
  const double slope = static_cast<double>(large) - static_cast<double>(small);  // of half a town
  const double value = static_cast<double>(large) + slope * 2 * (ratio - 1);
  return static_cast<std::uint64_t>(std::max(value, 0.0));
}

std::string grouped(std::uint64_t number) {
  auto out = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3) out.insert(static_cast<std::size_t>(at), 1, ',');
  return out;
}

}  // namespace

base::Result<MemoryForecast> forecast_memory(const std::string& query, std::uint64_t meters,
                                             std::chrono::seconds interval, std::uint32_t most_meters) {
  // Tables double when they are full: halved until it is small, a town's are as full as before.
  std::uint64_t whole = meters;
  while (whole > most_meters) whole = (whole + 1) / 2;
  Town town{static_cast<std::uint32_t>(whole), kSpan};
  const auto span_most = std::chrono::seconds(static_cast<std::int64_t>(kEventsMost / whole) * interval.count());
  town.span = std::min(town.span, span_most);
  MemoryForecast out;
  out.meters = meters;
  out.interval = interval;
  out.measured_meters = town.meters;
  out.measured_span = town.span;
  const auto large = MH_TRY(measure(query, town, interval));
  const Town half{std::max(town.meters / 2, 1U), town.span};
  const auto small = whole == meters ? large : MH_TRY(measure(query, half, interval));
  const double ratio = static_cast<double>(meters) / static_cast<double>(whole);
  for (std::size_t i = 0; i < large.size(); ++i) {
    out.operators.push_back({large[i].step, large[i].what, along(small[i].keys, large[i].keys, ratio),
                             along(small[i].bytes, large[i].bytes, ratio)});
  }
  return out;
}

std::string MemoryForecast::text() const {
  constexpr double kMiB = 1 << 20;
  auto out = fmt::format("memory for {} meters that send every {} s\n", grouped(meters), interval.count());
  std::uint64_t together = 0;
  for (const auto& one : operators) {
    const auto each = one.keys == 0 ? 0.0 : static_cast<double>(one.bytes) / static_cast<double>(one.keys);
    out += fmt::format("  {}: {} keys, {:.0f} bytes per key, {:.1f} MiB\n", one.step + ", " + one.what, grouped(one.keys), each,
                       static_cast<double>(one.bytes) / kMiB);
    together += one.bytes;
  }
  if (operators.empty()) return out + "  nothing is kept between events\n";
  out += fmt::format("  together {:.1f} MiB, and the reference data\n", static_cast<double>(together) / kMiB);
  return out + fmt::format("  measured with {} meters whose packets are like the platform's own, for {} min: longer windows and\n"
                           "  histories hold more\n",
                           grouped(measured_meters), std::chrono::duration_cast<std::chrono::minutes>(measured_span).count());
}

}  // namespace meterhub::app
