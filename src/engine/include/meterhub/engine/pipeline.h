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
  bool late = false;                      // a step of the counter that others have passed
  bool stale = false;                     // no statement sees it
};

struct OutputColumn {
  std::string_view name;
  Value value;
};

// A result. Its identity is the same on every replay (10.2): (output, partition, offset,
// place). Views live until row() returns.
struct OutputRow {
  std::uint32_t output = 0;  // into Plan::outputs
  std::span<const OutputColumn> columns;
  Ticks time = 0;            // System.Timestamp()
  base::PartitionId partition;
  base::Offset offset;
  std::uint32_t place = 0;   // among the rows of this event in this output
};

// Why an event, or a statement's row for it, was left out (9.2).
enum class DropReason : std::uint8_t { kUndecodable, kNoTime, kEarly, kLate, kOutOfOrder, kDataError };
std::string_view drop_reason_name(DropReason reason);

struct Dropped {
  std::string_view input;
  const Event* event = nullptr;
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
  // False: events come sorted by time and no policy of 5.2 applies (sql test without options).
  bool policies = true;
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

// What this engine runs, for sql::unsupported() and `sql explain`.
const sql::Capabilities& capabilities();

// One thread. Time state is kept per partition of an input.
class Pipeline {
 public:
  // kNotImplemented names what the plan needs and this engine lacks.
  static base::Result<std::unique_ptr<Pipeline>> create(sql::Plan plan, PipelineOptions options);
  ~Pipeline();

  const sql::Plan& plan() const;

  // Events of one input in order of offset within each partition. An error (only with
  // kFail) names the event; what follows it was not run. Of the event itself, rows of another
  // reader (other TIMESTAMP BY) may have been given out: take none of a batch that failed.
  base::Result<void> run(std::string_view input, std::span<const Event> events, RowSink& sink);

  // The event's time as its first reader sees it, before any policy; nothing when it has none.
  std::optional<Ticks> time_of(std::string_view input, const Event& event);

  // Time state of one partition, versioned; restore() refuses (kCorrupt) what is not its own.
  std::string save(base::PartitionId partition) const;
  base::Result<void> restore(base::PartitionId partition, std::string_view state);
  void forget(base::PartitionId partition);

  const PipelineCounters& counters() const;

 private:
  struct State;
  explicit Pipeline(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace meterhub::engine
