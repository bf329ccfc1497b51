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

// A row for an output, collected until the event is done.
struct PendingRow {
  std::uint32_t output = 0;
  std::vector<OutputColumn> columns;
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
  bool finish(std::uint32_t step, const sql::Select& select, Ticks time);
  bool survive();
  std::vector<OutputColumn> output_columns(const sql::Select& select, std::span<const Value> values);
  void spread(std::string_view record, const sql::Select& select, std::vector<OutputColumn>& out);
  std::string_view as_object(std::span<const OutputColumn> columns);

  const sql::Plan& plan_;
  const OnRuntimeError on_error_;
  Arena arena_;
  Evaluator evaluator_;
  JsonReader fields_;  // for `*` and APPLY
  std::vector<std::vector<StepRow>> step_rows_;
  std::vector<SourceRow> sources_;  // of the branch that runs
  std::vector<std::uint32_t> output_of_step_;
  std::vector<PendingRow> rows_;
  std::vector<std::string> errors_;
};

}  // namespace meterhub::engine
