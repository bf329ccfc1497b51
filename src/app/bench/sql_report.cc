#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sql.h"
#include "sql_json.h"

namespace meterhub::app::bench {
namespace {

using nlohmann::json;

double micros_each(std::chrono::nanoseconds time, std::uint64_t events) {
  return events == 0 ? 0 : std::chrono::duration<double, std::micro>(time).count() / static_cast<double>(events);
}
double per_second(double micros) { return micros > 0 ? 1e6 / micros : 0; }
double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

json cost_json(const SqlCost& cost) {
  return {{"events", cost.events},
          {"us_per_event", cost.micros()},
          {"events_per_second_core", cost.events_per_second()},
          {"reading_ns", cost.reading.count()},
          {"running_ns", cost.running.count()}};
}

SqlCost cost_from(const json& from) {
  return {from.at("events"), std::chrono::nanoseconds(from.at("reading_ns").get<std::int64_t>()),
          std::chrono::nanoseconds(from.at("running_ns").get<std::int64_t>())};
}

std::string cost_text(const SqlCost& cost) {
  return fmt::format("{:>9.0f} events/s and core, {:.2f} µs/event (reading {:.2f}, engine {:.2f})", cost.events_per_second(), cost.micros(),
                     micros_each(cost.reading, cost.events), micros_each(cost.running, cost.events));
}

std::string query_text(const SqlFigures& one) {
  auto out = fmt::format("{:<21}{} meters, documents of {} bytes\n", one.of.name, one.of.meters, one.document_bytes);
  out += fmt::format("  {:<19}{}", "measured", cost_text(one.steady));
  if (one.of.target > 0) out += fmt::format("; target {:.0f}: {}", one.of.target, one.steady.events_per_second() >= one.of.target ? "reached" : "MISSED");
  out += fmt::format("\n  {:<19}{} events; rows {} of {} bytes\n", "", one.steady.events, one.rows, one.row_bytes / std::max<std::uint64_t>(one.rows, 1));
  if (one.first.events > 0) out += fmt::format("  {:<19}{}\n", "keys are new", cost_text(one.first));
  if (one.limit_micros) out += fmt::format("  {:<19}{:>9.0f} events/s and core, {:.2f} µs/event\n", "DuckDB, typed", per_second(*one.limit_micros), *one.limit_micros);
  for (const auto& state : one.states) {
    out += fmt::format("  {:<19}{}: {} keys, {:.1f} MiB, {:.0f} bytes a key\n", "state", state.step + ", " + state.what, state.keys, mebibytes(state.bytes),
                       state.keys == 0 ? 0 : static_cast<double>(state.bytes) / static_cast<double>(state.keys));
  }
  out += fmt::format("  {:<19}{:.1f} MiB on the heap, {:.0f} bytes a meter; resident {:.0f} MiB, {:.0f} before, {:.0f} at most\n", "memory", mebibytes(one.heap_bytes),
                     static_cast<double>(one.heap_bytes) / one.of.meters, mebibytes(one.resident), mebibytes(one.resident_before), mebibytes(one.peak));
  if (one.dropped > 0) out += fmt::format("  {:<19}{} events or rows: {}\n", "LEFT OUT", one.dropped, one.last_dropped);
  return out;
}

}  // namespace

double SqlCost::micros() const { return micros_each(reading + running, events); }
double SqlCost::events_per_second() const { return per_second(micros()); }

bool SqlReport::clean() const {
  return std::ranges::all_of(queries, [](const SqlFigures& one) { return one.dropped == 0; });
}

std::string SqlReport::text() const {
  auto out = fmt::format("machine      {}\nlog          {}; CPU time of one thread, from JSON in the log to rows as JSON\n", machine,
                         options.log == SqlLog::kMemory ? "in memory" : "embedded");
  std::uint64_t heap = 0;
  for (const auto& one : queries) {
    out += query_text(one);
    heap += one.heap_bytes;
  }
  if (pack) out += fmt::format("all jobs     {:.0f} MiB on the heap together\n", mebibytes(heap));
  return out;
}

json to_json(const SqlFigures& one) {
  auto states = json::array();
  for (const auto& state : one.states) states.push_back({{"step", state.step}, {"what", state.what}, {"keys", state.keys}, {"bytes", state.bytes}});
  return {{"name", one.of.name},
          {"meters", one.of.meters},
          {"target_events_per_second_core", one.of.target > 0 ? json(one.of.target) : json()},
          {"measured", cost_json(one.steady)},
          {"keys_new", cost_json(one.first)},
          {"document_bytes", one.document_bytes},
          {"rows", one.rows},
          {"row_bytes", one.row_bytes},
          {"left_out", one.dropped},
          {"left_out_last", one.last_dropped},
          {"duckdb_us_per_event", one.limit_micros ? json(*one.limit_micros) : json()},
          {"duckdb_events_per_second_core", one.limit_micros ? json(per_second(*one.limit_micros)) : json()},
          {"states", states},
          {"heap_bytes", one.heap_bytes},
          {"resident_before_bytes", one.resident_before},
          {"resident_bytes", one.resident},
          {"peak_bytes", one.peak}};
}

base::Result<SqlFigures> figures_from(const json& from) {
  SqlFigures out;
  try {
    out.of.name = from.at("name");
    out.of.meters = from.at("meters");
    out.steady = cost_from(from.at("measured"));
    out.first = cost_from(from.at("keys_new"));
    out.document_bytes = from.at("document_bytes");
    out.rows = from.at("rows");
    out.row_bytes = from.at("row_bytes");
    out.dropped = from.at("left_out");
    out.last_dropped = from.at("left_out_last");
    for (const auto& state : from.at("states")) out.states.push_back({state.at("step"), state.at("what"), state.at("keys"), state.at("bytes")});
    out.heap_bytes = from.at("heap_bytes");
    out.resident_before = from.at("resident_before_bytes");
    out.resident = from.at("resident_bytes");
    out.peak = from.at("peak_bytes");
  } catch (const json::exception& error) {
    return base::fail(base::Errc::kCorrupt, std::string("figures of a query: ") + error.what());
  }
  return out;
}

std::string SqlReport::json() const {
  auto all = nlohmann::json::array();
  std::uint64_t heap = 0;
  for (const auto& one : queries) {
    all.push_back(to_json(one));
    heap += one.heap_bytes;
  }
  nlohmann::json out{{"machine", machine},
                     {"log", options.log == SqlLog::kMemory ? "memory" : "embedded"},
                     {"interval_s", options.interval.count()},
                     {"queries", all}};
  if (pack) out["heap_bytes_together"] = heap;
  return out.dump(2) + "\n";
}

}  // namespace meterhub::app::bench
