#include <meterhub/engine/pipeline.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <map>
#include <set>

#include <absl/container/flat_hash_map.h>

#include <meterhub/base/assert.h>
#include <meterhub/base/byte_io.h>

#include "declared.h"
#include "event_metadata.h"
#include "json_check.h"
#include "lanes.h"
#include "roll_up.h"
#include "rows.h"
#include "step_runner.h"
#include "time_policy.h"

namespace meterhub::engine {
namespace {

constexpr std::uint8_t kStateVersion = 1;
constexpr std::uint64_t kCheckpointVersion = 3;
constexpr std::uint64_t kOldestVersion = 2;  // had values in their longer forms only
constexpr std::string_view kHeadPiece = "head";

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
  // TIMESTAMP BY ... OVER: by partition and key (5.4).
  std::map<base::PartitionId, absl::flat_hash_map<std::string, TimePolicyState>> substreams;

  explicit ReaderState(const sql::Reader& reader) : plan(&reader), paths(paths_to_read(reader)), tree(paths) {}
};

// Which steps wait for the order of events: those with state, those that read them, and what
// these read in turn; and which give their rows at once. A step without state may be both.
struct Passes {
  std::vector<bool> at_once, in_order;

  explicit Passes(const sql::Plan& plan) : at_once(plan.steps.size()), in_order(plan.steps.size()) {
    std::vector<bool> has_state(plan.steps.size());
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
      for (const auto& branch : plan.steps[i].branches) {
        has_state[i] = has_state[i] || branch.stateful || reads(branch, has_state);
      }
    }
    for (std::size_t i = plan.steps.size(); i-- > 0;) {
      if (plan.steps[i].output) (has_state[i] ? in_order : at_once)[i] = true;
      if (at_once[i]) need(plan.steps[i], at_once);
      if (in_order[i]) need(plan.steps[i], in_order);
    }
  }

 private:
  static bool reads(const sql::Select& select, const std::vector<bool>& steps) {
    return std::ranges::any_of(select.sources, [&](const sql::Source& s) { return s.kind == sql::SourceKind::kStep && steps[s.index]; });
  }
  static void need(const sql::Step& step, std::vector<bool>& steps) {
    for (const auto& branch : step.branches) {
      for (const auto& source : branch.sources) {
        if (source.kind == sql::SourceKind::kStep) steps[source.index] = true;
      }
    }
  }
};

// Whether those steps read this reader.
bool steps_read(const sql::Plan& plan, const std::vector<bool>& steps, std::uint32_t reader) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (!steps[i]) continue;
    for (const auto& branch : plan.steps[i].branches) {
      for (const auto& source : branch.sources) {
        if (source.kind == sql::SourceKind::kReader && source.index == reader) return true;
      }
    }
  }
  return false;
}

// Another reader of an input may see its events in another order of time.
bool one_reader_an_input(const sql::Plan& plan) {
  for (std::size_t i = 0; i < plan.readers.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (equal_without_case(plan.readers[i].input, plan.readers[k].input)) return false;
    }
  }
  return true;
}

std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

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
  static const sql::Capabilities kAll = [] {
    sql::Capabilities all = sql::everything();
    all.functions = kernel_functions();
    for (const auto& function : sql::functions()) {
      const bool grouped = function.kind == sql::FunctionKind::kAggregate || function.kind == sql::FunctionKind::kAnalytic;
      if (grouped || function.kind == sql::FunctionKind::kApply) all.functions.push_back(function.id);
    }
    return all;
  }();
  return kAll;
}

struct Pipeline::State {
  sql::Plan plan;
  PipelineOptions options;
  PipelineCounters counters;
  StoppedAt stopped;
  std::vector<ReaderState> readers;
  References references;
  Passes passes;
  std::vector<bool> read_at_once, read_in_order;  // by reader
  StepRunner runner;   // what is given out at once
  StepRunner ordered;  // what waits for its turn
  Lanes lanes;
  bool with_metadata;
  bool has_state;
  bool sorted;  // an event tells all lanes the time
  JsonReader json;
  std::vector<Value> values;
  std::string key;
  UnpackedRow turn;    // the event whose turn it is
  std::optional<Ticks> instant;  // of the last one
  std::string packed;
  std::vector<std::uint32_t> places;     // rows of this event so far, by output
  std::vector<std::uint64_t> sequences;  // of the next row in order, by output
  std::deque<CheckpointPiece> pieces;    // of the checkpoint under way
  std::vector<StepRunner::Kept> kept;

  State(sql::Plan p, PipelineOptions o)
      : plan(std::move(p)), options(o), references(plan), passes(plan), runner(plan, options.on_runtime_error, passes.at_once, references),
        ordered(plan, options.on_runtime_error, passes.in_order, references), with_metadata(uses_metadata(plan)),
        has_state(std::ranges::find(passes.in_order, true) != passes.in_order.end()), sorted(!options.policies && options.sorted && one_reader_an_input(plan)), sequences(plan.outputs.size()),
        kept(ordered.kept()) {
    for (const auto& reader : plan.readers) readers.emplace_back(reader);
    for (std::uint32_t i = 0; i < readers.size(); ++i) {
      read_at_once.push_back(steps_read(plan, passes.at_once, i));
      read_in_order.push_back(steps_read(plan, passes.in_order, i));
    }
  }

  EventMetadata metadata(std::string_view input, const Event& event) const {
    return {input, event.partition.value, event.offset.value, to_ticks(event.arrival.value_or(options.start)), event.device};
  }
  base::Result<void> decode(const ReaderState& reader, const Event& event, const EventMetadata& of);
  std::optional<Ticks> own_time(const ReaderState& reader, const SourceRow& row);
  TimePolicyState& policy_state(ReaderState& reader, const Event& event, const SourceRow& row);
  std::optional<TimePolicyState::Verdict> time(ReaderState& reader, std::string_view input, const Event& event,
                                               const SourceRow& row, RowSink& sink);
  base::Result<void> run_event(std::string_view input, const Event& event, RowSink& sink);
  base::Result<void> run_reader(std::uint32_t index, std::string_view input, const Event& event, RowSink& sink);
  void wait_for_turn(std::uint32_t index, const Event& event, const SourceRow& row);
  std::optional<Ticks> watermark_of(ReaderState& reader, const Event& event, Ticks time) const;
  base::Result<void> take_turns(RowSink& sink);
  base::Result<void> stop(std::string_view input, base::PartitionId partition, base::Offset offset, const std::string& why);
  base::Result<void> end_round(bool ran, RowSink& sink, std::string_view input, base::PartitionId partition, base::Offset offset);
  void drop(std::string_view input, const Event& event, DropReason reason, std::string_view text, RowSink& sink);
  void count(DropReason reason);
  void give_out(const Event& event, std::vector<std::uint32_t>& places, RowSink& sink);
  std::uint64_t format_hash() const { return hash_of(sql::plan_text(plan, sql::everything())) + state_kind(plan); }
  std::string save_head() const;
  bool load_head(std::string_view bytes);
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
  sink.dropped({input, &event, event.partition, event.offset, reason, text});
}

TimePolicyState& Pipeline::State::policy_state(ReaderState& reader, const Event& event, const SourceRow& row) {
  if (reader.plan->substream.empty()) return reader.times[event.partition];
  auto& evaluator = runner.evaluator();
  evaluator.bind(std::span(&row, 1), row.time);
  key.clear();
  for (const auto& expr : reader.plan->substream) append_key(key, evaluator.value(*expr));
  return reader.substreams[event.partition][key];
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
  const auto verdict = policy_state(reader, event, row).judge(*own, arrival, plan.policy);
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
    sink.row({pending.output, runner.columns(pending), pending.time, event.partition, event.offset, taken[pending.output]++, std::nullopt,
              event.tenant});
  }
}

base::Result<void> Pipeline::State::run_reader(std::uint32_t index, std::string_view input, const Event& event, RowSink& sink) {
  auto& reader = readers[index];
  const auto of = metadata(reader.plan->input, event);
  if (const auto read = decode(reader, event, of); !read) {
    drop(input, event, DropReason::kUndecodable, read.error().text, sink);
    return {};
  }
  SourceRow row{values, trimmed(event.body), of.arrival, &of, {event.partition.value, event.offset.value, event.tenant}, false};
  const auto verdict = time(reader, input, event, row, sink);
  if (!verdict) return {};
  row.time = verdict->time;
  if (read_in_order[index]) wait_for_turn(index, event, row);
  if (!read_at_once[index]) return {};
  if (!runner.run(index, row, event.late)) {
    return stop(input, event.partition, event.offset, runner.errors().back());
  }
  for (const auto& text : runner.errors()) drop(input, event, DropReason::kDataError, text, sink);
  give_out(event, places, sink);
  return {};
}

// The watermark that an event of this time leaves behind (5.3). Nothing: only the end tells.
std::optional<Ticks> Pipeline::State::watermark_of(ReaderState& reader, const Event& event, Ticks time) const {
  if (!options.policies) return std::nullopt;
  if (!reader.plan->timestamp_by) return event.arrival ? std::optional(time) : std::nullopt;
  if (reader.plan->substream.empty()) return reader.times[event.partition].newest().value_or(time) - plan.policy.out_of_order;
  // Keys go ahead on their own; what arrives later is at most so late.
  if (!event.arrival) return std::nullopt;
  return to_ticks(*event.arrival) - plan.policy.late_arrival;
}

void Pipeline::State::wait_for_turn(std::uint32_t index, const Event& event, const SourceRow& row) {
  const Lanes::Place place{index, event.partition.value};
  const auto of = watermark_of(readers[index], event, row.time);
  packed.clear();
  pack_row(packed, row, with_metadata);
  lanes.push(place, {row.time, event.offset.value, event.late, packed});
  if (of) lanes.advance(place, *of);
  if (sorted) lanes.advance_all(row.time);
}

// Events and instants in order, as far as the watermark reaches: at one instant events first,
// since windows hold their end.
base::Result<void> Pipeline::State::take_turns(RowSink& sink) {
  for (;;) {
    const auto until = lanes.watermark();
    if (!until) return {};
    const auto next = lanes.next();
    // An event makes nothing due before its own time: of those of one instant only the first asks.
    const auto due = next && next->event.time == instant ? std::nullopt : ordered.due();
    if (due && *due < *until && (!next || *due < next->event.time)) {
      const bool ran = ordered.fire(*due);
      MH_TRY_VOID(end_round(ran, sink, {}, base::PartitionId(0), base::Offset(0)));
      continue;
    }
    if (!next) return {};
    instant = next->event.time;
    const auto& plan_reader = *readers[next->place.reader].plan;
    Unpacker from(next->event.packed);
    if (turn.read(from)) {
      auto row = turn.row();
      row.time = next->event.time;
      const bool ran = ordered.run(next->place.reader, row, next->event.late);
      MH_TRY_VOID(end_round(ran, sink, plan_reader.input, base::PartitionId(next->place.partition), base::Offset(next->event.offset)));
    }
    lanes.pop(next->place);
  }
}

// A data error, where the options say that it is the end.
base::Result<void> Pipeline::State::stop(std::string_view input, base::PartitionId partition, base::Offset offset, const std::string& why) {
  ++counters.data_errors;
  stopped = {std::string(input), partition, offset};
  const auto where = input.empty() ? std::string("a window's result")
                                   : "event at partition " + std::to_string(partition.value) + ", offset " + std::to_string(offset.value);
  return base::fail(base::Errc::kInvalidArgument, where + ": " + why);
}

base::Result<void> Pipeline::State::end_round(bool ran, RowSink& sink, std::string_view input, base::PartitionId partition, base::Offset offset) {
  if (!ran) {
    auto failed = stop(input, partition, offset, ordered.errors().back());
    ordered.clear();
    return failed;
  }
  for (const auto& text : ordered.errors()) {
    ++counters.data_errors;
    sink.dropped({input, nullptr, partition, offset, DropReason::kDataError, text});
  }
  for (const auto& pending : ordered.rows()) {
    ++counters.rows;
    const base::PartitionId from(pending.origin.partition);
    sink.row({pending.output, ordered.columns(pending), pending.time, from, base::Offset(pending.origin.offset), 0, sequences[pending.output]++,
              pending.origin.tenant});
  }
  ordered.clear();
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
const StoppedAt& Pipeline::stopped_at() const { return state_->stopped; }
const PipelineCounters& Pipeline::counters() const {
  state_->counters.zero_divisions = state_->runner.zero_divisions() + state_->ordered.zero_divisions();
  return state_->counters;
}

base::Result<void> Pipeline::run(std::string_view input, std::span<const Event> events, RowSink& sink) {
  for (const auto& event : events) {
    MH_TRY_VOID(state_->run_event(input, event, sink));
    MH_TRY_VOID(state_->take_turns(sink));
  }
  return {};
}

bool Pipeline::needs_order(const sql::Plan& plan) {
  const Passes passes(plan);
  return std::ranges::find(passes.in_order, true) != passes.in_order.end();
}

// 1: windows that are made from finer ones lack what the finer ones still hold.
std::uint64_t Pipeline::state_kind(const sql::Plan& plan) { return rolls_up(plan) ? 1 : 0; }

std::vector<Pipeline::Writers> Pipeline::writers(const sql::Plan& plan) {
  const Passes passes(plan);
  std::vector<Writers> out(plan.outputs.size());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (!plan.steps[i].output) continue;
    auto& writers = out[static_cast<std::size_t>(std::ranges::find(plan.outputs, *plan.steps[i].output) - plan.outputs.begin())];
    writers.at_once = writers.at_once || passes.at_once[i];
    writers.in_order = writers.in_order || passes.in_order[i];
  }
  return out;
}

bool Pipeline::stateful() const { return state_->has_state; }

void Pipeline::set_reference(std::string_view input, Ticks start, std::shared_ptr<const ReferenceTable> table) {
  const auto given = state_->references.add(input, start, [&](const auto& give) {
    std::ranges::for_each(table->rows, give);
    return base::Result<void>();
  });
  MH_ASSERT(given.has_value());
}

base::Result<void> Pipeline::set_reference(std::string_view input, Ticks start, const ReferenceRows& rows) {
  return state_->references.add(input, start, rows);
}

void Pipeline::open(std::string_view input, base::PartitionId partition) {
  for (std::uint32_t i = 0; i < state_->readers.size(); ++i) {
    if (state_->read_in_order[i] && equal_without_case(state_->readers[i].plan->input, input)) state_->lanes.open({i, partition.value});
  }
}

base::Result<void> Pipeline::idle(std::string_view input, base::PartitionId partition, Ticks watermark, RowSink& sink) {
  for (std::uint32_t i = 0; i < state_->readers.size(); ++i) {
    auto& reader = state_->readers[i];
    if (!equal_without_case(reader.plan->input, input)) continue;
    if (reader.plan->timestamp_by && reader.plan->substream.empty()) reader.times[partition].advance(watermark, state_->plan.policy);
    if (state_->read_in_order[i]) state_->lanes.advance({i, partition.value}, watermark);
  }
  return state_->take_turns(sink);
}

base::Result<void> Pipeline::finish(RowSink& sink) {
  state_->lanes.finish();
  return state_->take_turns(sink);
}

std::optional<Ticks> Pipeline::watermark() const { return state_->lanes.watermark(); }

// ---- checkpoints ----

std::string Pipeline::State::save_head() const {
  std::string out;
  pack_number(out, kCheckpointVersion);
  pack_number(out, format_hash());
  pack_bytes(out, lanes.save());
  pack_bytes(out, ordered.save_held());
  for (const auto sequence : sequences) pack_number(out, sequence);
  for (const auto& reader : readers) {
    pack_number(out, reader.times.size());
    for (const auto& [partition, time] : reader.times) {
      pack_number(out, partition.value);
      pack_number(out, time.newest() ? 1 : 0);
      pack_signed(out, time.newest().value_or(0));
    }
    pack_number(out, reader.substreams.size());
    for (const auto& [partition, keys] : reader.substreams) {
      pack_number(out, partition.value);
      pack_number(out, keys.size());
      for (const auto& [name, time] : keys) {
        pack_bytes(out, name);
        pack_signed(out, time.newest().value_or(0));
      }
    }
  }
  return out;
}

bool Pipeline::State::load_head(std::string_view bytes) {
  Unpacker from(bytes);
  const auto version = from.number();
  if (version < kOldestVersion || version > kCheckpointVersion || from.number() != format_hash()) return false;
  if (!lanes.load(from.bytes()) || !ordered.load_held(from.bytes())) return false;
  for (auto& sequence : sequences) sequence = from.number();
  for (auto& reader : readers) {
    for (auto count = from.number(); count > 0 && from.ok(); --count) {
      const base::PartitionId partition(static_cast<std::uint32_t>(from.number()));
      const bool known = from.number() != 0;
      const auto newest = from.signed_number();
      reader.times[partition].restore(known ? std::optional(newest) : std::nullopt);
    }
    for (auto count = from.number(); count > 0 && from.ok(); --count) {
      auto& keys = reader.substreams[base::PartitionId(static_cast<std::uint32_t>(from.number()))];
      for (auto left = from.number(); left > 0 && from.ok(); --left) {
        const std::string name(from.bytes());
        keys[name].restore(from.signed_number());
      }
    }
  }
  return from.ok();
}

void Pipeline::begin_checkpoint() {
  auto& state = *state_;
  state.pieces.clear();
  state.pieces.push_back({std::string(kHeadPiece), state.save_head()});
  for (std::size_t i = 0; i < state.kept.size(); ++i) {
    state.kept[i].state->begin_save([&state, i](std::uint32_t part, std::string bytes) {
      if (!bytes.empty()) state.pieces.push_back({std::to_string(i) + "/" + std::to_string(part), std::move(bytes)});
    });
  }
}

std::optional<CheckpointPiece> Pipeline::next_piece() {
  auto& state = *state_;
  for (auto& kept : state.kept) {
    while (state.pieces.empty() && kept.state->save_next()) {
    }
  }
  if (state.pieces.empty()) return std::nullopt;
  auto piece = std::move(state.pieces.front());
  state.pieces.pop_front();
  return piece;
}

base::Result<void> Pipeline::restore_piece(const CheckpointPiece& piece) {
  const auto corrupt = [] { return base::fail(base::Errc::kCorrupt, "the job's checkpoint is not one of this plan"); };
  if (piece.name == kHeadPiece) return state_->load_head(piece.bytes) ? base::Result<void>() : corrupt();
  std::uint32_t operator_number = 0;
  std::uint32_t part = 0;
  const auto* end = piece.name.data() + piece.name.size();
  const auto first = std::from_chars(piece.name.data(), end, operator_number);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '/') return corrupt();
  const auto second = std::from_chars(first.ptr + 1, end, part);
  if (second.ec != std::errc() || second.ptr != end || operator_number >= state_->kept.size() || part >= kStateParts) return corrupt();
  return state_->kept[operator_number].state->load_part(part, piece.bytes) ? base::Result<void>() : corrupt();
}

base::Result<void> Pipeline::restored() {
  for (auto& kept : state_->kept) {
    if (!kept.state->loaded()) return base::fail(base::Errc::kCorrupt, "the job's checkpoint is not one of this plan");
  }
  return {};
}

std::vector<StateSize> Pipeline::state_sizes() const {
  std::vector<StateSize> out;
  for (const auto& kept : state_->kept) out.push_back({state_->plan.steps[kept.step].name, kept.what, kept.state->keys(), kept.state->bytes()});
  return out;
}

std::optional<Ticks> Pipeline::time_of(std::string_view input, const Event& event) {
  for (const auto& reader : state_->readers) {
    if (!equal_without_case(reader.plan->input, input)) continue;
    const auto of = state_->metadata(reader.plan->input, event);
    std::optional<Ticks> time;
    if (state_->decode(reader, event, of)) time = state_->own_time(reader, {state_->values, trimmed(event.body), of.arrival, &of, {}, false});
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
