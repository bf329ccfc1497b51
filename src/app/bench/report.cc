#include "report.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace meterhub::app::bench {
namespace {

using nlohmann::json;

constexpr double kSecondsADay = 86'400;

double ratio(double a, double b) { return b > 0 ? a / b : 0; }
double micros(CpuTime time) { return std::chrono::duration<double, std::micro>(time).count(); }
double millis(std::chrono::microseconds time) { return std::chrono::duration<double, std::milli>(time).count(); }
double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// 33333 -> "33,333".
std::string grouped(double value) {
  auto digits = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}
std::string grouped(std::uint64_t value) { return grouped(static_cast<double>(value)); }

std::string latency_line(std::string_view name, const Percentiles& times) {
  if (times.count == 0) return fmt::format("             {:<20} none seen\n", name);
  return fmt::format("             {:<20} p50 {:.1f}  p99 {:.1f}  max {:.1f}   ({} seen)\n", name, millis(times.p50),
                     millis(times.p99), millis(times.max), grouped(times.count));
}

json latency_json(const Percentiles& times) {
  return {{"count", times.count},
          {"p50_ms", millis(times.p50)},
          {"p99_ms", millis(times.p99)},
          {"max_ms", millis(times.max)}};
}

std::vector<std::pair<std::string, CpuTime>> by_cost(const std::map<std::string, CpuTime>& threads) {
  std::vector<std::pair<std::string, CpuTime>> out(threads.begin(), threads.end());
  std::ranges::sort(out, [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

// Derived figures, once for both forms.
struct Derived {
  double offered, offered_receptions, stored, stored_receptions;
  double cpu = 0, generator_cpu = 0, log_bytes = 0, fresh_row = 0, lake_row = 0, day_gb = 0;

  explicit Derived(const Report& r)
      : offered(ratio(static_cast<double>(r.packets + r.withheld), r.seconds)),
        offered_receptions(ratio(static_cast<double>(r.receptions + r.withheld), r.seconds)),
        stored(ratio(static_cast<double>(r.settled_packets), r.stored_seconds)),
        stored_receptions(ratio(static_cast<double>(r.settled), r.stored_seconds)) {
    const auto packets = static_cast<double>(r.settled_packets);
    cpu = ratio(micros(r.server.cpu), packets);
    generator_cpu = ratio(micros(r.generator), packets);
    for (const auto& [name, growth] : r.logs) log_bytes += ratio(static_cast<double>(growth.bytes), packets);
    const auto rows = static_cast<double>(r.comparison.lake_rows);
    fresh_row = ratio(static_cast<double>(r.fresh_bytes), rows);
    lake_row = ratio(static_cast<double>(r.lake_bytes), rows);
    day_gb = (log_bytes + lake_row) * stored * kSecondsADay / 1e9;
  }
};

std::string cpu_text(const Report& r, const Derived& d) {
  auto out = fmt::format("server CPU   {:.2f} µs/packet, from the first packet until all was in the lake; by thread:\n",
                         d.cpu);
  for (const auto& [name, cpu] : by_cost(r.server.threads)) {
    const auto each = ratio(micros(cpu), static_cast<double>(r.settled_packets));
    if (each >= 0.005) out += fmt::format("             {:<20} {:.2f}\n", name, each);
  }
  return out + fmt::format("generator    {:.2f} µs/packet, a process of its own on the same cores\n", d.generator_cpu);
}

std::string rest_text(const Report& r, const Derived& d) {
  std::string out = "at rest      bytes per packet in each log:\n";
  for (const auto& [name, growth] : r.logs) {
    out += fmt::format("             {:<20} {:.1f}   ({} records)\n", name,
                       ratio(static_cast<double>(growth.bytes), static_cast<double>(r.settled_packets)),
                       grouped(growth.records));
  }
  out += fmt::format(
      "             lake, per reading    {:.1f} in the files of open hours, {:.1f} compacted (in {:.1f} s)\n",
      d.fresh_row, d.lake_row, r.compact_seconds);
  return out + fmt::format("             {:.1f} GB a day at this rate, logs and lake\n", d.day_gb);
}

std::string rule_text(const AddedRuleFigures& rule) {
  return fmt::format(
      "added rule   {}; answered after {:.0f} ms; {:.2f} % of the meters, {} rows; missing {} duplicate {}\n",
      rule.live ? fmt::format("live after {:.2f} s", millis(*rule.live) / 1000)
                : std::string("no row of a packet after it"),
      millis(rule.answered), rule.share * 100, grouped(rule.comparison.rows), rule.comparison.missing,
      rule.comparison.duplicate);
}

json rule_json(const AddedRuleFigures& rule) {
  return {{"live_ms", rule.live ? json(millis(*rule.live)) : json(nullptr)},
          {"answered_ms", millis(rule.answered)},
          {"share_of_meters", rule.share},
          {"row", latency_json(rule.row)},
          {"rows", rule.comparison.rows},
          {"missing", rule.comparison.missing},
          {"duplicate", rule.comparison.duplicate}};
}

}  // namespace

std::string Report::text() const {
  const Derived d(*this);
  const auto& c = comparison;
  std::string out = fmt::format(
      "pipeline     {} meters, {} gateways, {} packet{} per TLS record, {}\n", grouped(std::uint64_t{options.meters}),
      grouped(std::uint64_t{options.gateways}), options.plan.packets_per_record,
      options.plan.packets_per_record == 1 ? "" : "s",
      options.plan.rate > 0 ? grouped(options.plan.rate) + " packets/s asked for" : "as fast as it is settled");
  out += fmt::format("machine      {}, {}\n", machine, file_system);
  out += fmt::format("jobs         {}\n", jobs);
  out += fmt::format("offered      {} packets/s, {} receptions/s for {:.1f} s\n", grouped(d.offered),
                     grouped(d.offered_receptions), seconds);
  out += fmt::format("stored       {} packets/s, {} receptions/s; passed on by every stage {:.1f} s after the load\n",
                     grouped(d.stored), grouped(d.stored_receptions), drained_seconds - seconds);
  if (withheld + rejected + disconnects > 0) {
    out += fmt::format("trouble      {} withheld (gateways' memories were full), {} rejected, {} connections lost\n",
                       grouped(withheld), grouped(rejected), disconnects);
  }
  out += cpu_text(*this, d);
  out += "latency, ms\n" + latency_line("to settlement", settlement) + latency_line("to the alert row", alert) +
         latency_line("to readable Parquet", parquet);
  if (rule) out += latency_line("to the added rule's", rule->row) + rule_text(*rule);
  out += fmt::format("memory       {:.0f} MiB at most, {:.0f} with compaction of the whole hour\n",
                     mebibytes(peak_memory), mebibytes(peak_memory_compacting));
  out += rest_text(*this, d);
  out += fmt::format("first ack    {:.2f} s after the start of the server's process\n",
                     std::chrono::duration<double>(first_ack).count());
  out += fmt::format("trends       {} readings, {} left out, {} moved in time, {} rows; state {:.0f} MiB\n",
                     grouped(trends.events), grouped(trends.left_out), grouped(trends.moved), grouped(trends.rows),
                     mebibytes(trends.state_bytes));
  out += fmt::format("alerts       {} rows; missing {} duplicate {}\n", grouped(c.alert_rows), c.alerts_missing,
                     c.alerts_duplicate);
  return out + fmt::format("settled      {} packets; missing {} duplicate {} wrong {}\n", grouped(c.settled), c.missing,
                           c.duplicate, c.wrong);
}

std::string interval_text(const Interval& interval, std::chrono::seconds length) {
  const auto packets = static_cast<double>(interval.settled);
  return fmt::format(
      "{:>6} s  {:>7} packets/s  settlement p50 {:.1f} p99 {:.1f} ms  alert row p99 {:.0f} ms  {:.1f} µs/packet  {:.0f} MiB",
      interval.end.count(), grouped(ratio(packets, static_cast<double>(length.count()))),
      millis(interval.settlement.p50), millis(interval.settlement.p99), millis(interval.alert.p99),
      ratio(micros(interval.server_cpu), packets), mebibytes(interval.memory));
}

std::string Report::json() const {
  const Derived d(*this);
  const auto& c = comparison;
  const auto each = static_cast<double>(settled_packets);
  nlohmann::json threads, at_rest;
  for (const auto& [name, cpu] : server.threads) threads[name] = ratio(micros(cpu), each);
  for (const auto& [name, growth] : logs) {
    at_rest[name] = {{"records", growth.records},
                     {"bytes", growth.bytes},
                     {"bytes_per_packet", ratio(static_cast<double>(growth.bytes), each)}};
  }
  auto over_time = nlohmann::json::array();
  for (const auto& one : intervals) {
    over_time.push_back({{"end_s", one.end.count()},
                         {"packets", one.settled},
                         {"settlement", latency_json(one.settlement)},
                         {"alert_row", latency_json(one.alert)},
                         {"server_cpu_us_per_packet", ratio(micros(one.server_cpu), static_cast<double>(one.settled))},
                         {"memory_bytes", one.memory}});
  }
  nlohmann::json out{
      {"meters", options.meters},
      {"gateways", options.gateways},
      {"packets_per_record", options.plan.packets_per_record},
      {"rate", options.plan.rate},
      {"machine", machine},
      {"file_system", file_system},
      {"jobs", jobs},
      {"trends",
       {{"events", trends.events},
        {"left_out", trends.left_out},
        {"moved", trends.moved},
        {"rows", trends.rows},
        {"state_bytes", trends.state_bytes}}},
      {"seconds", seconds},
      {"offered",
       {{"packets_per_second", d.offered}, {"receptions_per_second", d.offered_receptions}, {"withheld", withheld}}},
      {"stored",
       {{"packets_per_second", d.stored},
        {"receptions_per_second", d.stored_receptions},
        {"packets", settled_packets},
        {"receptions", settled},
        {"rejected", rejected},
        {"disconnects", disconnects},
        {"drained_after_s", drained_seconds - seconds}}},
      {"server_cpu_us_per_packet", {{"total", d.cpu}, {"threads", threads}}},
      {"generator_cpu_us_per_packet", d.generator_cpu},
      {"latency",
       {{"settlement", latency_json(settlement)},
        {"alert_row", latency_json(alert)},
        {"parquet", latency_json(parquet)}}},
      {"intervals", over_time},
      {"peak_memory_bytes", peak_memory},
      {"peak_memory_compacting_bytes", peak_memory_compacting},
      {"logs", at_rest},
      {"lake",
       {{"rows", c.lake_rows},
        {"fresh_bytes_per_reading", d.fresh_row},
        {"bytes_per_reading", d.lake_row},
        {"compact_s", compact_seconds}}},
      {"gigabytes_per_day", d.day_gb},
      {"first_ack_s", std::chrono::duration<double>(first_ack).count()},
      {"alerts", {{"rows", c.alert_rows}, {"missing", c.alerts_missing}, {"duplicate", c.alerts_duplicate}}},
      {"settled", c.settled},
      {"missing", c.missing},
      {"duplicate", c.duplicate},
      {"wrong", c.wrong}};
  if (rule) out["added_rule"] = rule_json(*rule);
  return out.dump(2) + "\n";
}

}  // namespace meterhub::app::bench
