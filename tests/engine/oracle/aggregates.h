// Aggregates over the list of their rows, all at once (stream-sql 8.4).
#pragma once

#include <span>
#include <vector>

#include "evaluate.h"

namespace meterhub::engine::oracle {

// What a call reads of one row. Rows come in order of time.
struct CallInput {
  std::vector<Value> args;   // as prepare_argument() makes them
  std::vector<Value> order;  // as prepare_order() makes them
  std::string_view whole;    // the row as a record
};

struct Call {
  const sql::FunctionInfo* function = nullptr;
  const std::vector<sql::ExprPtr>* args = nullptr;
  const std::vector<sql::OrderKey>* order = nullptr;
  bool distinct = false;
  bool whole_event = false;
};

// Reads the call's arguments from the bound row, with the conversions that the function makes;
// what cannot be converted is a data error of this row.
CallInput read_call(Evaluator& evaluator, const Call& call, std::string_view whole);

// The value over all rows; a sum that does not fit is a data error.
Value aggregate(Evaluator& evaluator, const Call& call, const std::vector<const CallInput*>& rows);

}  // namespace meterhub::engine::oracle
