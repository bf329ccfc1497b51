// A query and its events: query, NUL, one event a line. No batch border and no restart
// shows in the results, and each result is JSON.
#include <meterhub/engine/bounded.h>

#include "engine/json_check.h"
#include "input.h"

namespace meterhub::engine {
namespace {

using fuzz::require;

constexpr base::PartitionId kPartition(3);

class Rows final : public RowSink {
 public:
  explicit Rows(const sql::Plan& plan) : plan_(plan) {}
  void row(const OutputRow& row) override {
    std::string json;
    append_json(json, row);
    require(json_fault(json).empty());
    seen_ += plan_.outputs[row.output] + ' ' + std::to_string(row.offset.value) + ' ' + std::to_string(row.place) + ' ' +
             std::to_string(row.time) + ' ' + json + '\n';
  }
  void dropped(const Dropped& dropped) override {
    seen_ += "! " + std::to_string(dropped.offset.value) + ' ' + std::string(drop_reason_name(dropped.reason)) + ' ' +
             std::string(dropped.text) + '\n';
  }
  const std::string& seen() const { return seen_; }

 private:
  const sql::Plan& plan_;
  std::string seen_;
};

sql::CompileOptions compile_options() {
  sql::CompileOptions options;
  options.inputs = {{"i", sql::InputKind::kStream, {}, sql::InputMetadata::kIotHub, true}};
  return options;
}

std::unique_ptr<Pipeline> pipeline_of(std::string_view query, std::uint8_t how) {
  auto compiled = sql::compile(query, compile_options());
  if (!compiled.ok()) return nullptr;
  PipelineOptions options;
  options.policies = (how & 1) != 0;
  if (how & 2) options.on_runtime_error = OnRuntimeError::kNull;
  auto pipeline = Pipeline::create(std::move(compiled.plan), options);
  require(pipeline || pipeline.error().code == base::Errc::kNotImplemented);
  return pipeline ? std::move(*pipeline) : nullptr;
}

std::vector<Event> events_of(std::string_view lines) {
  std::vector<Event> out;
  while (!lines.empty() && out.size() < 20) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const auto number = static_cast<std::int64_t>(out.size());
    out.push_back({.body = lines.substr(0, end), .arrival = base::Timestamp(std::chrono::hours(412'000) + std::chrono::seconds(7 * number)),
                   .partition = kPartition, .offset = base::Offset(out.size()), .device = "gw", .late = false, .stale = false});
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return out;
}

void run(std::string_view query, std::string_view lines, std::uint8_t how) {
  const auto together = pipeline_of(query, how);
  if (!together) return;
  const auto events = events_of(lines);
  Rows all(together->plan());
  require(together->run("i", events, all).has_value());
  auto alone = pipeline_of(query, how);
  Rows each(alone->plan());
  for (const auto& event : events) {
    require(alone->run("i", std::span(&event, 1), each).has_value());
    auto next = pipeline_of(query, how);  // a restart
    require(next->restore(kPartition, alone->save(kPartition)).has_value());
    alone->forget(kPartition);
    require(alone->restore(kPartition, next->save(kPartition)).has_value());
  }
  require(together->save(kPartition) == alone->save(kPartition));
  require(together->finish(all).has_value() && alone->finish(each).has_value());
  require(all.seen() == each.seen());
}

void restore(std::string_view state) {
  const auto pipeline = pipeline_of("SELECT a INTO o FROM i TIMESTAMP BY t", 1);
  require(pipeline != nullptr);
  if (!pipeline->restore(kPartition, state)) return;
  const auto saved = pipeline->save(kPartition);
  require(pipeline->restore(kPartition, saved).has_value() && pipeline->save(kPartition) == saved);
}

}  // namespace
}  // namespace meterhub::engine

MH_FUZZER(stream_query, input) {
  const auto how = input.byte();
  if (how == 0xff) return meterhub::engine::restore(input.text());
  const auto query = meterhub::base::as_text(input.take_until(0));
  meterhub::engine::run(query, input.text(), how);
}
