// Runs the steps of a plan, round by round: a round is one event, or an instant at which a
// window ends or a join knows that nobody came. Steps run in their order; a step's rows of a
// round are read by the steps behind it in the same round. docs/internals/engine.md.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/pipeline.h>

#include "analytics.h"
#include "evaluate.h"
#include "grouping.h"
#include "joins.h"
#include "pattern_matcher.h"
#include "reference_join.h"
#include "references.h"

namespace meterhub::engine {

// Rows of values that live until the round is done. One thread.
class ValueRows {
 public:
  std::span<const Value> keep(std::span<const Value> row);
  void clear() {
    large_.clear();
    if (blocks_.size() > kBlocksKept) blocks_.resize(kBlocksKept);
    used_ = 0;
  }

 private:
  static constexpr std::size_t kBlock = 1024;
  static constexpr std::size_t kBlocksKept = 4;
  std::vector<std::unique_ptr<Value[]>> blocks_;  // of kBlock values, kept for the next round
  std::size_t used_ = 0;                          // values of them, in their order
  std::vector<std::vector<Value>> large_;
};

// A row of a step, for the steps that read it. Values lie in the event or the arena.
struct StepRow {
  std::span<const Value> values;  // one a column, hidden ones too
  std::string_view whole;     // as a JSON object, when a later step asks for it
  Ticks time = 0;
  const EventMetadata* metadata = nullptr;
  Origin origin;
};

// A row for an output, collected until the round is done; its columns stand in columns().
struct PendingRow {
  std::uint32_t output = 0;
  std::size_t first = 0;
  std::size_t count = 0;
  Ticks time = 0;
  Origin origin;
};

// One thread; reused from round to round.
class StepRunner {
 public:
  // `steps`: those to run, by index; the others are somebody else's.
  StepRunner(const sql::Plan& plan, OnRuntimeError on_error, std::vector<bool> steps, const References& references);

  // A round for `reader`'s row. Rows come in order of time where a step is stateful.
  // False: a data error under kFail; errors() says which.
  bool run(std::uint32_t reader, const SourceRow& row, bool late);
  // The next instant at which something is due without an event.
  std::optional<Ticks> due() const;
  // A round for that instant.
  bool fire(Ticks now);
  // After the round's rows were taken: drops what was made for it.
  void clear();

  // Makes the rows of a step over reference data, packed, each behind its length; only reference
  // steps are run.
  std::string reference_step(std::uint32_t step, Ticks time);

  const std::vector<PendingRow>& rows() const { return rows_; }
  std::span<const OutputColumn> columns(const PendingRow& row) const { return std::span(columns_).subspan(row.first, row.count); }
  // Data errors of this round, one text a statement or step.
  const std::vector<std::string>& errors() const { return errors_; }
  std::uint64_t zero_divisions() const { return evaluator_.zero_divisions(); }
  Arena& arena() { return arena_; }
  Evaluator& evaluator() { return evaluator_; }

  // Everything that is kept, in an order that the plan decides: names it for checkpoints.
  struct Kept {
    std::uint32_t step = 0;
    std::string what;  // "LAG", "window", ... for `job list`
    OperatorState* state = nullptr;
  };
  std::vector<Kept> kept();
  // Rows that wait for slower sources, for checkpoints.
  std::string save_held() const;
  bool load_held(std::string_view bytes);

 private:
  struct Branch {
    const sql::Select* select = nullptr;
    std::vector<std::vector<std::unique_ptr<AnalyticFamily>>> analytics;  // by source
    std::vector<std::unique_ptr<StreamJoin>> joins;                      // by source, null where there is none
    std::vector<std::unique_ptr<ReferenceJoin>> references;              // likewise
    std::unique_ptr<PatternMatcher> matcher;
    std::unique_ptr<Grouping> grouping;
    std::vector<Value> analytic_values;
    Ticks delay = 0;     // how much later than their time rows are worked on
    bool keeps = false;  // its values may lie in state that the round changes
    struct Held {
      std::uint32_t source = 0;
      std::string packed;
    };
    std::multimap<Ticks, Held> held;
  };

  // A row of an output that waits for rows of earlier time.
  struct HeldOutput {
    std::uint32_t step = 0;
    Ticks time = 0;
    Origin origin;
    std::string packed;  // names and values
  };

  void give(std::uint32_t step, std::size_t first, Ticks time);
  void release_outputs();
  bool round(std::optional<std::uint32_t> reader, const SourceRow* row, bool late);
  bool run_branch(std::uint32_t step, Branch& branch, std::optional<std::uint32_t> reader, const SourceRow* row);
  bool deliver(std::uint32_t step, Branch& branch, std::uint32_t source, const SourceRow& row);
  bool release(std::uint32_t step, Branch& branch);
  bool arrive(std::uint32_t step, Branch& branch, std::uint32_t source, const SourceRow& row);
  bool analyse(Branch& branch, std::uint32_t source, const SourceRow& row);
  void set_apart(const sql::Source& source, const SourceRow& row);
  bool expand(std::uint32_t step, Branch& branch, std::size_t next, Ticks time);
  bool expand_apply(std::uint32_t step, Branch& branch, std::size_t next, Ticks time);
  bool expand_reference(std::uint32_t step, Branch& branch, std::size_t next, Ticks time);
  bool expand_join(std::uint32_t step, Branch& branch, std::size_t next, Ticks time);
  bool settle(std::uint32_t step, StreamJoin::Answer answer);
  bool fire_joins(std::uint32_t step, Branch& branch);
  bool fire_windows(std::uint32_t step, Branch& branch);
  bool match(std::uint32_t step, Branch& branch);
  bool fire_matches(std::uint32_t step, Branch& branch);
  bool give_matches(std::uint32_t step, Branch& branch);
  ReferenceVersion version_of(const sql::Source& source, Ticks time);
  std::shared_ptr<const std::string> reference_rows(std::uint32_t reference, Ticks time) const;
  std::vector<std::array<Value, 2>> apply_rows(const Value& argument, bool properties);
  bool spend(std::uint32_t step, std::size_t bytes);
  void note(std::uint32_t step, std::string_view text);
  bool kept(const sql::Select& select);
  bool finish(std::uint32_t step, Branch& branch, Ticks time);
  bool project(std::uint32_t step, Branch& branch, Ticks time);
  void evaluate(const sql::Select& select, bool keep_values);
  bool failed() const { return on_error_ != OnRuntimeError::kNull && !evaluator_.error().empty(); }
  bool survive(std::uint32_t step);
  void add_columns(const sql::Step& step, const sql::Select& select);
  void add_metadata(const sql::Select& select, const SourceRow& source, sql::InputMetadata kind, std::size_t from);
  void spread(std::string_view record, const sql::Select& select, std::size_t from, sql::InputMetadata hidden);
  std::string_view as_object(std::span<const OutputColumn> columns);
  const EventMetadata* keep_metadata(const EventMetadata* metadata);

  const sql::Plan& plan_;
  const OnRuntimeError on_error_;
  const std::vector<bool> runs_;
  const References& references_;
  const bool with_metadata_;
  Arena arena_;
  Evaluator evaluator_;
  JsonReader fields_;  // for `*` and APPLY
  std::vector<std::vector<Branch>> branches_;      // by step
  std::vector<Ticks> delays_;                      // by step: how much later than their time its rows come
  std::multimap<Ticks, HeldOutput> held_outputs_;
  std::vector<std::vector<StepRow>> step_rows_;
  ValueRows row_values_;
  std::vector<SourceRow> sources_;  // of the branch that runs
  std::vector<std::uint32_t> output_of_step_;
  std::vector<Value> values_;       // of the row that is made
  std::vector<OutputColumn> columns_;
  std::vector<PendingRow> rows_;
  std::deque<EventMetadata> metadata_;  // kept for this round
  std::unique_ptr<StepRunner> reference_steps_;
  UnpackedRow held_row_;
  Ticks now_ = 0;                   // of the round
  Origin origin_;                   // of the row that runs
  std::string apart_;               // key of its source's PARTITION BY
  std::size_t budget_ = 0;          // what is left for this round
  static constexpr std::uint32_t kNoStep = 0xffffffff;
  std::uint32_t failed_step_ = kNoStep;
  std::vector<std::string> errors_;
};

}  // namespace meterhub::engine
