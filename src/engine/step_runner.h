// Runs the steps of a plan for one event: rows of each step, in order of steps.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/pipeline.h>

#include "evaluate.h"

namespace meterhub::engine {

// A row of a step, for the steps that read it. Values lie in the event or the arena.
struct StepRow {
  std::vector<Value> values;  // one a column, hidden ones too
  std::string_view whole;     // as a JSON object, when a later step asks for it
  Ticks time = 0;
};

// A row for an output, collected until the event is done; its columns stand in columns().
struct PendingRow {
  std::uint32_t output = 0;
  std::size_t first = 0;
  std::size_t count = 0;
  Ticks time = 0;
};

// One thread; reused from event to event.
class StepRunner {
 public:
  StepRunner(const sql::Plan& plan, OnRuntimeError on_error);

  // `reader`'s row for this event. False: a data error under kFail; error() says which.
  bool run(std::uint32_t reader, const SourceRow& row, bool late);
  // After the event's rows were taken: drops what was made for it.
  void clear();

  const std::vector<PendingRow>& rows() const { return rows_; }
  std::span<const OutputColumn> columns(const PendingRow& row) const { return std::span(columns_).subspan(row.first, row.count); }
  // Data errors of this event, one text a statement or step.
  const std::vector<std::string>& errors() const { return errors_; }
  std::uint64_t zero_divisions() const { return evaluator_.zero_divisions(); }
  Arena& arena() { return arena_; }
  Evaluator& evaluator() { return evaluator_; }

 private:
  bool run_branch(std::uint32_t step, const sql::Select& select, std::uint32_t reader, const SourceRow& row);
  bool expand(std::uint32_t step, const sql::Select& select, std::size_t next, Ticks time);
  bool expand_apply(std::uint32_t step, const sql::Select& select, std::size_t next, Ticks time);
  std::vector<std::array<Value, 2>> apply_rows(const Value& argument, bool properties);
  bool spend(std::uint32_t step, std::size_t bytes);
  void note(std::uint32_t step, std::string_view text);
  bool kept(const sql::Select& select);
  bool finish(std::uint32_t step, const sql::Select& select, Ticks time);
  void evaluate(const sql::Select& select);
  bool failed() const { return on_error_ != OnRuntimeError::kNull && !evaluator_.error().empty(); }
  bool survive(std::uint32_t step);
  void add_columns(const sql::Step& step, const sql::Select& select);
  void add_metadata(const sql::Select& select, const SourceRow& source, sql::InputMetadata kind, std::size_t from);
  void spread(std::string_view record, const sql::Select& select, std::size_t from, sql::InputMetadata hidden);
  std::string_view as_object(std::span<const OutputColumn> columns);

  const sql::Plan& plan_;
  const OnRuntimeError on_error_;
  Arena arena_;
  Evaluator evaluator_;
  JsonReader fields_;  // for `*` and APPLY
  std::vector<std::vector<StepRow>> step_rows_;
  std::vector<SourceRow> sources_;  // of the branch that runs
  std::vector<std::uint32_t> output_of_step_;
  std::vector<Value> values_;       // of the row that is made
  std::vector<OutputColumn> columns_;
  std::vector<PendingRow> rows_;
  std::size_t budget_ = 0;          // what is left for this event
  static constexpr std::uint32_t kNoStep = 0xffffffff;
  std::uint32_t failed_step_ = kNoStep;
  std::vector<std::string> errors_;
};

}  // namespace meterhub::engine
