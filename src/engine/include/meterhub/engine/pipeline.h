// Runs a plan: events in, rows out. Results are a function of the input alone
// (stream-sql 10.2): no clock, no thread order and no batch border shows in them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/engine/value.h>
#include <meterhub/sql/compile.h>
#include <meterhub/sql/plan.h>

namespace meterhub::engine {

// One event of an input. Views live until run() returns.
struct Event {
  std::string_view body;                  // one JSON object
  std::optional<base::Timestamp> arrival; // none: neither early nor late (sql test)
  base::PartitionId partition;
  base::Offset offset;
  std::string_view device;                // hub device that delivered it
  std::uint32_t tenant = 0;               // 0: none
  bool late = false;                      // a step of the counter that others have passed
  bool stale = false;                     // no statement sees it
};

struct OutputColumn {
  std::string_view name;
  Value value;
};

// A result. Its identity is the same on every replay (10.2): of a statement without state
// (output, partition, offset, place); of one with state (output, sequence), since those rows come
// in an order that the input alone decides. Views live until row() returns.
struct OutputRow {
  std::uint32_t output = 0;  // into Plan::outputs
  std::span<const OutputColumn> columns;
  Ticks time = 0;            // System.Timestamp()
  base::PartitionId partition;
  base::Offset offset;
  std::uint32_t place = 0;   // among the rows of this event in this output
  std::optional<std::uint64_t> sequence;  // with state: rises by one in this output
  std::uint32_t tenant = 0;  // of the rows it was made from, when all have the same
};

// Why an event, or a statement's row for it, was left out (9.2).
enum class DropReason : std::uint8_t { kUndecodable, kNoTime, kEarly, kLate, kOutOfOrder, kDataError };
std::string_view drop_reason_name(DropReason reason);

struct Dropped {
  std::string_view input;
  const Event* event = nullptr;  // null: a window's result, or an event whose turn came later
  base::PartitionId partition;   // of the event, or the last that was worked on
  base::Offset offset;
  DropReason reason = DropReason::kUndecodable;
  std::string_view text;
};

// Takes results in order. Called from inside run().
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual void row(const OutputRow& row) = 0;
  virtual void dropped(const Dropped& dropped) = 0;
};

enum class OnRuntimeError : std::uint8_t { kDropEvent, kFail, kNull };

struct PipelineOptions {
  OnRuntimeError on_runtime_error = OnRuntimeError::kDropEvent;
  // False: no policy of 5.2 applies; what has state waits for finish() (sql test without options).
  bool policies = true;
  // Without policies: events of all inputs come sorted by time, and what has state need not wait.
  bool sorted = false;
  // Time of events without TIMESTAMP BY and without arrival.
  base::Timestamp start{};
};

// Counted since the start.
struct PipelineCounters {
  std::uint64_t events = 0;
  std::uint64_t rows = 0;
  std::uint64_t undecodable = 0;
  std::uint64_t no_time = 0;
  std::uint64_t early = 0;
  std::uint64_t late = 0;
  std::uint64_t out_of_order = 0;
  std::uint64_t data_errors = 0;
  std::uint64_t zero_divisions = 0;
};

// The event whose turn it was when kFail ended a run: with windows and joins an earlier one than the last that came.
struct StoppedAt {
  std::string input;  // empty: a window's result
  base::PartitionId partition;
  base::Offset offset;
};

// Reference data at one time: rows as JSON objects.
struct ReferenceTable {
  std::vector<std::string> rows;
};
// The same, row by row, for a million of them: each is good during its call.
using ReferenceRows = std::function<base::Result<void>(const std::function<void(std::string_view row)>& give)>;

// A part of a checkpoint. Names are unique within it.
struct CheckpointPiece {
  std::string name;
  std::string bytes;
};

// What an operator keeps, for `job list`.
struct StateSize {
  std::string step;
  std::string what;
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;
};

// What this engine runs, for sql::unsupported() and `sql explain`.
const sql::Capabilities& capabilities();

// One thread. Statements without state give their rows at once. Those with state see all
// events in one order: (time, reader, partition, offset), an event as soon as the watermarks of all
// partitions have passed its time (stream-sql 5.3); their state belongs to all partitions together.
class Pipeline {
 public:
  // kNotImplemented names what the plan needs and this engine lacks.
  static base::Result<std::unique_ptr<Pipeline>> create(sql::Plan plan, PipelineOptions options);
  ~Pipeline();

  // Whether any statement of the plan has state.
  static bool needs_order(const sql::Plan& plan);
  // Which state operators of the plan keep: that of a plan of another number cannot be restored,
  // although the text is the same. It changes where a release keeps it otherwise than those before.
  static std::uint64_t state_kind(const sql::Plan& plan);
  // For each output, whether statements without state, and with state, write it.
  struct Writers {
    bool at_once = false;
    bool in_order = false;
  };
  static std::vector<Writers> writers(const sql::Plan& plan);

  const sql::Plan& plan() const;
  // Whether any statement has state: windows, joins of streams, analytic functions.
  bool stateful() const;

  // A version of reference data, valid from `start` until the next one's; it replaces one of the
  // same start.
  void set_reference(std::string_view input, Ticks start, std::shared_ptr<const ReferenceTable> table);
  // An error of `rows` leaves what was known.
  base::Result<void> set_reference(std::string_view input, Ticks start, const ReferenceRows& rows);
  // The watermark waits for this partition from now on. Partitions with events are known anyway.
  void open(std::string_view input, base::PartitionId partition);

  // Events of one input in order of offset within each partition. An error (only with
  // kFail) names the event; what follows it was not run. Of the event itself, rows of another
  // reader (other TIMESTAMP BY) may have been given out: take none of a batch that failed.
  base::Result<void> run(std::string_view input, std::span<const Event> events, RowSink& sink);

  // Nothing came in this partition and nothing before `watermark` will: an event that does all the
  // same is out of order (5.3). The caller must be able to repeat this call at the same place.
  base::Result<void> idle(std::string_view input, base::PartitionId partition, Ticks watermark, RowSink& sink);
  // The end of bounded input: everything is final.
  base::Result<void> finish(RowSink& sink);
  // What statements with state have done up to; nothing before the first watermark.
  std::optional<Ticks> watermark() const;

  // The event's time as its first reader sees it, before any policy; nothing when it has none.
  std::optional<Ticks> time_of(std::string_view input, const Event& event);

  // Time state of one partition, versioned; restore() refuses (kCorrupt) what is not its own.
  std::string save(base::PartitionId partition) const;
  base::Result<void> restore(base::PartitionId partition, std::string_view state);
  void forget(base::PartitionId partition);

  // ---- state, for statements with state (10.2): a checkpoint is everything as it was at
  // begin_checkpoint(), taken in pieces while input goes on.
  void begin_checkpoint();
  // Nothing: the checkpoint is complete.
  std::optional<CheckpointPiece> next_piece();
  // All pieces, in any order, before the first event; then restored(). kCorrupt: not one of this
  // plan and format.
  base::Result<void> restore_piece(const CheckpointPiece& piece);
  base::Result<void> restored();
  std::vector<StateSize> state_sizes() const;

  const PipelineCounters& counters() const;
  // After a call that ended in kInvalidArgument.
  const StoppedAt& stopped_at() const;

 private:
  struct State;
  explicit Pipeline(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::engine
