#include <meterhub/engine/pipeline.h>

#include <algorithm>
#include <array>
#include <map>

#include <meterhub/base/assert.h>
#include <meterhub/base/byte_io.h>

#include "declared.h"
#include "event_metadata.h"
#include "json_check.h"
#include "step_runner.h"
#include "time_policy.h"

namespace meterhub::engine {
namespace {

constexpr std::uint8_t kStateVersion = 1;

// What to read of an event: the plan's paths, then declared columns that no statement uses,
// since a wrong type in one of them drops the event all the same (6.8).
std::vector<sql::NeededPath> paths_to_read(const sql::Reader& reader) {
  auto paths = reader.paths;
  for (const auto& column : reader.columns) {
    const bool known = std::ranges::any_of(
        paths, [&](const auto& p) { return p.path.size() == 1 && equal_without_case(p.path.front(), column.name); });
    if (!known) paths.push_back({{column.name}, 0, column.type, false});
  }
  return paths;
}

// A reader with what it needs at run time.
struct ReaderState {
  const sql::Reader* plan = nullptr;
  std::vector<sql::NeededPath> paths;
  PathTree tree;
  std::map<base::PartitionId, TimePolicyState> times;

  explicit ReaderState(const sql::Reader& reader) : plan(&reader), paths(paths_to_read(reader)), tree(paths) {}
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::string_view drop_reason_name(DropReason reason) {
  constexpr std::array<std::string_view, 6> kNames{"undecodable", "no_time", "early", "late", "out_of_order", "data_error"};
  return kNames[static_cast<std::size_t>(reason)];
}

const sql::Capabilities& capabilities() {
  static const sql::Capabilities kAll{
      {sql::Feature::kProject, sql::Feature::kFilter, sql::Feature::kUnion, sql::Feature::kApply}, [] {
        auto functions = kernel_functions();
        functions.push_back(sql::FunctionId::kGetArrayElements);
        functions.push_back(sql::FunctionId::kGetRecordProperties);
        return functions;
      }()};
  return kAll;
}

struct Pipeline::State {
  sql::Plan plan;
  PipelineOptions options;
  PipelineCounters counters;
  std::vector<ReaderState> readers;
  StepRunner runner;
  JsonReader json;
  std::vector<Value> values;

  State(sql::Plan p, PipelineOptions o) : plan(std::move(p)), options(o), runner(plan, options.on_runtime_error) {
    for (const auto& reader : plan.readers) readers.emplace_back(reader);
  }

  EventMetadata metadata(std::string_view input, const Event& event) const {
    return {input, event.partition.value, event.offset.value, to_ticks(event.arrival.value_or(options.start)), event.device};
  }
  base::Result<void> decode(const ReaderState& reader, const Event& event, const EventMetadata& of);
  std::optional<Ticks> own_time(const ReaderState& reader, const SourceRow& row);
  std::optional<TimePolicyState::Verdict> time(ReaderState& reader, std::string_view input, const Event& event,
                                               const SourceRow& row, RowSink& sink);
  base::Result<void> run_event(std::string_view input, const Event& event, RowSink& sink);
  base::Result<void> run_reader(std::uint32_t index, std::string_view input, const Event& event, RowSink& sink);
  void drop(std::string_view input, const Event& event, DropReason reason, std::string_view text, RowSink& sink);
  void count(DropReason reason);
  void give_out(const Event& event, std::vector<std::uint32_t>& places, RowSink& sink);

  std::vector<std::uint32_t> places;  // rows of this event so far, by output
};

base::Result<void> Pipeline::State::decode(const ReaderState& reader, const Event& event, const EventMetadata& of) {
  values.assign(reader.paths.size(), Value::null());
  MH_TRY_VOID(json.read(event.body, reader.tree, values));
  if (reader.plan->whole_event) {
    if (const auto fault = json_fault(event.body); !fault.empty()) return base::fail(base::Errc::kInvalidArgument, std::string(fault));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& path = reader.paths[i];
    if (path.metadata) {
      values[i] = metadata_value(path.path, of, runner.arena());
    } else if (!fit(values[i], path.declared)) {
      return base::fail(base::Errc::kInvalidArgument, path.path.front() + " is a " + std::string(kind_name(values[i].kind)) + ", declared as " +
                                                          std::string(sql::type_name(path.declared)));
    }
  }
  return {};
}

// Nothing: TIMESTAMP BY gives no time for this event.
std::optional<Ticks> Pipeline::State::own_time(const ReaderState& reader, const SourceRow& row) {
  if (!reader.plan->timestamp_by) return row.time;
  auto& evaluator = runner.evaluator();
  evaluator.bind(std::span(&row, 1), row.time);
  const auto value = evaluator.value(*reader.plan->timestamp_by);
  if (value.kind == Kind::kDatetime) return value.integer;
  return value.kind == Kind::kText ? parse_datetime(value.text) : std::nullopt;
}

void Pipeline::State::count(DropReason reason) {
  switch (reason) {
    case DropReason::kUndecodable: ++counters.undecodable; break;
    case DropReason::kNoTime: ++counters.no_time; break;
    case DropReason::kEarly: ++counters.early; break;
    case DropReason::kLate: ++counters.late; break;
    case DropReason::kOutOfOrder: ++counters.out_of_order; break;
    case DropReason::kDataError: ++counters.data_errors; break;
  }
}

void Pipeline::State::drop(std::string_view input, const Event& event, DropReason reason, std::string_view text, RowSink& sink) {
  count(reason);
  sink.dropped({input, &event, reason, text});
}

std::optional<TimePolicyState::Verdict> Pipeline::State::time(ReaderState& reader, std::string_view input, const Event& event,
                                                              const SourceRow& row, RowSink& sink) {
  const auto own = own_time(reader, row);
  if (!own) {
    drop(input, event, DropReason::kNoTime, "TIMESTAMP BY gives no time", sink);
    return std::nullopt;
  }
  if (!reader.plan->timestamp_by || !options.policies) return TimePolicyState::Verdict{*own, std::nullopt, false};
  const auto arrival = event.arrival ? std::optional(row.time) : std::nullopt;
  const auto verdict = reader.times[event.partition].judge(*own, arrival, plan.policy);
  if (verdict.dropped) {
    drop(input, event, *verdict.reason, "by the job's time policy", sink);
    return std::nullopt;
  }
  if (verdict.reason) count(*verdict.reason);
  return verdict;
}

void Pipeline::State::give_out(const Event& event, std::vector<std::uint32_t>& taken, RowSink& sink) {
  for (const auto& pending : runner.rows()) {
    ++counters.rows;
    sink.row({pending.output, runner.columns(pending), pending.time, event.partition, event.offset, taken[pending.output]++});
  }
}

base::Result<void> Pipeline::State::run_reader(std::uint32_t index, std::string_view input, const Event& event, RowSink& sink) {
  auto& reader = readers[index];
  const auto of = metadata(reader.plan->input, event);
  if (const auto read = decode(reader, event, of); !read) {
    drop(input, event, DropReason::kUndecodable, read.error().text, sink);
    return {};
  }
  SourceRow row{values, trimmed(event.body), of.arrival, &of};
  const auto verdict = time(reader, input, event, row, sink);
  if (!verdict) return {};
  row.time = verdict->time;
  if (!runner.run(index, row, event.late)) {
    ++counters.data_errors;
    return base::fail(base::Errc::kInvalidArgument, "event at partition " + std::to_string(event.partition.value) + ", offset " +
                                                        std::to_string(event.offset.value) + ": " + runner.errors().back());
  }
  for (const auto& text : runner.errors()) drop(input, event, DropReason::kDataError, text, sink);
  give_out(event, places, sink);
  return {};
}

base::Result<void> Pipeline::State::run_event(std::string_view input, const Event& event, RowSink& sink) {
  ++counters.events;
  if (event.stale) return {};
  places.assign(plan.outputs.size(), 0);
  for (std::uint32_t i = 0; i < readers.size(); ++i) {
    if (!equal_without_case(readers[i].plan->input, input)) continue;
    auto done = run_reader(i, input, event, sink);
    runner.clear();
    MH_TRY_VOID(std::move(done));
  }
  return {};
}

Pipeline::Pipeline(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pipeline::~Pipeline() = default;

base::Result<std::unique_ptr<Pipeline>> Pipeline::create(sql::Plan plan, PipelineOptions options) {
  const auto lacking = sql::unsupported(plan, capabilities());
  if (!lacking.empty()) {
    std::string text = "not executed in this release:";
    for (const auto& one : lacking) text += " " + one.what + " (" + one.step + ");";
    text.pop_back();
    return base::fail(base::Errc::kNotImplemented, std::move(text));
  }
  return std::unique_ptr<Pipeline>(new Pipeline(std::make_unique<State>(std::move(plan), options)));
}

const sql::Plan& Pipeline::plan() const { return state_->plan; }
const PipelineCounters& Pipeline::counters() const {
  state_->counters.zero_divisions = state_->runner.zero_divisions();
  return state_->counters;
}

base::Result<void> Pipeline::run(std::string_view input, std::span<const Event> events, RowSink& sink) {
  for (const auto& event : events) MH_TRY_VOID(state_->run_event(input, event, sink));
  return {};
}

std::optional<Ticks> Pipeline::time_of(std::string_view input, const Event& event) {
  for (const auto& reader : state_->readers) {
    if (!equal_without_case(reader.plan->input, input)) continue;
    const auto of = state_->metadata(reader.plan->input, event);
    std::optional<Ticks> time;
    if (state_->decode(reader, event, of)) time = state_->own_time(reader, {state_->values, trimmed(event.body), of.arrival, &of});
    state_->runner.clear();
    return time;
  }
  return std::nullopt;
}

// Version, then for each reader whether it has seen this partition, and its newest time.
std::string Pipeline::save(base::PartitionId partition) const {
  std::string out;
  base::ByteWriter writer(out);
  writer.number(kStateVersion);
  writer.number(static_cast<std::uint32_t>(state_->readers.size()));
  for (const auto& reader : state_->readers) {
    const auto it = reader.times.find(partition);
    const auto newest = it == reader.times.end() ? std::nullopt : it->second.newest();
    writer.number(static_cast<std::uint8_t>(newest.has_value()));
    writer.number(newest.value_or(0));
  }
  writer.number(base::crc32c(out));
  return out;
}

base::Result<void> Pipeline::restore(base::PartitionId partition, std::string_view state) {
  const auto corrupt = [] { return base::fail(base::Errc::kCorrupt, "the job's time state is not one of this plan"); };
  if (state.size() < 4) return corrupt();
  base::ByteReader tail(state.substr(state.size() - 4));
  base::ByteReader reader(state.substr(0, state.size() - 4));
  if (tail.number<std::uint32_t>() != base::crc32c(state.substr(0, state.size() - 4))) return corrupt();
  if (reader.number<std::uint8_t>() != kStateVersion) return corrupt();
  if (reader.number<std::uint32_t>() != state_->readers.size()) return corrupt();
  std::vector<std::optional<Ticks>> newest;
  for (std::size_t i = 0; i < state_->readers.size(); ++i) {
    const bool known = reader.number<std::uint8_t>() != 0;
    const auto time = reader.number<Ticks>();
    newest.push_back(known ? std::optional(time) : std::nullopt);
  }
  if (!reader.ok() || reader.remaining() != 0) return corrupt();
  for (std::size_t i = 0; i < newest.size(); ++i) state_->readers[i].times[partition].restore(newest[i]);
  return {};
}

void Pipeline::forget(base::PartitionId partition) {
  for (auto& reader : state_->readers) reader.times.erase(partition);
}

}  // namespace meterhub::engine
