// The aggregates by theme; aggregates.cc chooses among them.
#pragma once

#include <memory>
#include <new>

#include "aggregates.h"

namespace meterhub::engine {

std::unique_ptr<Aggregate> make_count(const sql::AggregateCall& call);
std::unique_ptr<Aggregate> make_sum();
std::unique_ptr<Aggregate> make_average();
std::unique_ptr<Aggregate> make_extreme(const sql::AggregateCall& call);  // MIN, MAX
std::unique_ptr<Aggregate> make_deviation(sql::FunctionId id);            // STDEV(P), VAR(P)
std::unique_ptr<Aggregate> make_distinct(const sql::AggregateCall& call);
std::unique_ptr<Aggregate> make_percentile(const sql::AggregateCall& call);
std::unique_ptr<Aggregate> make_top(const sql::AggregateCall& call);  // TopOne, CollectTop
std::unique_ptr<Aggregate> make_collect(const sql::AggregateCall& call);

// An aggregate whose state is an object of type State.
template <class State>
class AggregateOf : public Aggregate {
 public:
  static_assert(alignof(State) <= 8 && sizeof(State) % 8 == 0);

  std::size_t size() const override { return sizeof(State); }
  void begin(std::byte* state) const override { new (state) State(); }
  void end(std::byte* state) const override { of(state).~State(); }

 protected:
  static State& of(std::byte* state) { return *std::launder(reinterpret_cast<State*>(state)); }
  static const State& of(const std::byte* state) { return *std::launder(reinterpret_cast<const State*>(state)); }

  // For load(): what was read so far goes.
  void begin_again(std::byte* state) const {
    this->end(state);
    this->begin(state);
  }
};

// The argument as a finite number (4.3). `taken` is false after a data error; NULL otherwise
// means NULL.
struct NumberArgument {
  Value number;
  bool taken = true;
};
NumberArgument number_argument(const Value& given, Evaluator& evaluator);

// A bigint as a bigint, a float as a double.
inline double real_of(const Value& number) {
  return number.kind == Kind::kFloat ? number.number : static_cast<double>(number.integer);
}

// The value that the call's args or the whole row give: of TopOne, CollectTop, Collect, COUNT(DISTINCT ...).
inline Value taken_value(const AggregateInput& input, bool whole) {
  return whole ? Value::record(input.whole) : input.args[0];
}

// <0, 0, >0. All values of one column compare: numbers (bit, bigint, float; exactly) before
// times before texts before records and arrays.
int compare_all(const Value& a, const Value& b);

}  // namespace meterhub::engine
