// Analytic functions (stream-sql 8.1, 8.4): values of an event from earlier events of its
// source. Calls that agree on partition and WHEN keep their state together.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "evaluate.h"
#include "operator_state.h"

namespace meterhub::engine {

// Calls that share a state. One thread; sees the events of its source in order of time.
class AnalyticFamily : public OperatorState {
 public:
  // What the row gives, which is bound in the evaluator; `apart`: key of the source's own PARTITION
  // BY. Changes no state. False: a data error, the event is in no history.
  virtual bool take(Evaluator& evaluator, const SourceRow& row, std::string_view apart) = 0;
  // Whether give() will take in what was taken. Asked for where other families would have taken in
  // an event that this one then refuses.
  virtual bool accepts(Evaluator& /*evaluator*/) { return true; }
  // Takes it in and writes the calls' values to `out`, by index into Select::analytics; texts live in
  // the evaluator's arena. False: a data error.
  virtual bool give(Evaluator& evaluator, const SourceRow& row, std::span<Value> out) = 0;
};

// `lenient`: on_runtime_error = null, data errors are NULLs.
std::vector<std::unique_ptr<AnalyticFamily>> make_analytics(const sql::Select& select, std::uint32_t source, bool lenient);

}  // namespace meterhub::engine
