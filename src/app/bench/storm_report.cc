#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "storm.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;

constexpr double kBackWithin = 10;  // seconds
constexpr double kSlowerAtMost = 2;

double millis(std::chrono::microseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }

std::string window_line(const char* name, const StormWindow& window) {
  return fmt::format("             {:<8} settlement p50 {:.1f}  p99 {:.1f}  max {:.1f} ms ({} seen); newcomers in p50 {:.0f}  p99 {:.0f} ms ({}); server {:.2f} cores\n", name,
                     millis(window.settlement.p50), millis(window.settlement.p99), millis(window.settlement.max), window.settlement.count,
                     millis(window.newcomers.p50), millis(window.newcomers.p99), window.newcomers.count, window.server_cores);
}

json times_json(const Percentiles& times) {
  return {{"count", times.count}, {"p50_ms", millis(times.p50)}, {"p99_ms", millis(times.p99)}, {"max_ms", millis(times.max)}};
}

json window_json(const StormWindow& window) {
  return {{"settlement", times_json(window.settlement)}, {"newcomers", times_json(window.newcomers)}, {"server_cores", window.server_cores}};
}

}  // namespace

bool StormOutcome::held() const {
  const bool unnoticed = millis(during.settlement.p99) < kSlowerAtMost * millis(before.settlement.p99);
  return unnoticed && all_back && back_seconds.value_or(0) <= kBackWithin;
}

bool StormReport::clean() const {
  const auto& c = comparison;
  return c.missing + c.duplicate + c.wrong + rejected + disconnects == 0;
}

std::string StormReport::text() const {
  std::string out = fmt::format("storm        {} steady gateways, {:.0f} packets/s; {} that return; 10 newcomers a second\n", options.town.steady, options.rate,
                                options.town.returning);
  out += fmt::format("machine      {}, {}\n", machine, file_system);
  for (const auto& one : storms) {
    out += fmt::format("{:<12} {}: {}\n", storm_name(one.storm), one.held() ? "held" : "NOT HELD", one.text);
    if (one.idle_gateway_bytes) {
      out += fmt::format("             {:.1f} KiB of the server's memory for each of {} idle gateways\n",
                         static_cast<double>(*one.idle_gateway_bytes) / 1024, options.town.returning);
    }
    out += window_line("before", one.before) + window_line("during", one.during) + window_line("after", one.after);
  }
  out += fmt::format("memory       {} MiB at most\n", peak_memory >> 20);
  out += fmt::format("steady       {} packets settled; {} rejected, {} connections lost\n", settled, rejected, disconnects);
  const auto& c = comparison;
  return out + fmt::format("settled      {} packets; missing {} duplicate {} wrong {}\n", c.settled, c.missing, c.duplicate, c.wrong);
}

std::string StormReport::json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& one : storms) {
    nlohmann::json entry{{"storm", storm_name(one.storm)}, {"held", one.held()}, {"text", one.text}, {"all_back", one.all_back},
                         {"before", window_json(one.before)}, {"during", window_json(one.during)}, {"after", window_json(one.after)}};
    if (one.back_seconds) entry["back_s"] = *one.back_seconds;
    if (one.idle_gateway_bytes) entry["idle_gateway_bytes"] = *one.idle_gateway_bytes;
    list.push_back(std::move(entry));
  }
  const auto& c = comparison;
  const nlohmann::json out{{"steady", options.town.steady}, {"returning", options.town.returning}, {"rate", options.rate}, {"machine", machine},
                           {"file_system", file_system}, {"storms", list}, {"peak_memory_bytes", peak_memory}, {"settled", settled}, {"rejected", rejected},
                           {"disconnects", disconnects}, {"missing", c.missing}, {"duplicate", c.duplicate}, {"wrong", c.wrong}};
  return out.dump(2) + "\n";
}

}  // namespace meterhub::app::bench
