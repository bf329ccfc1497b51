// Aggregate functions (stream-sql 8.1, 8.2, 8.4) as states of fixed size that can be
// merged: a group's row of states is one piece of memory, a window's panes are combined from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <meterhub/engine/value.h>
#include <meterhub/sql/plan.h>

#include "evaluate.h"
#include "packed.h"

namespace meterhub::engine {

// One row's part in an aggregate: values of AggregateCall::args (less those that are
// constants of the call: the percentile, CollectTop's n), of its ORDER BY, and the row as JSON.
struct AggregateInput {
  std::span<const Value> args;
  std::span<const Value> order;
  std::string_view whole;  // of the only source: COUNT(DISTINCT input), TopOne(), Collect()
};

// One call of a plan: how its state begins, grows, combines and ends. Does not change once
// made; one thread. A state lies at an address that is a multiple of 8 and may be moved as
// bytes; what it points to is its own. States of one group see rows in order of time.
class Aggregate {
 public:
  virtual ~Aggregate() = default;

  // Bytes of a state, a multiple of 8.
  virtual std::size_t size() const = 0;
  virtual void begin(std::byte* state) const = 0;
  // Frees what the state points to.
  virtual void end(std::byte* state) const = 0;

  // False: the row cannot be taken (evaluator.error() says why); the state is as before.
  virtual bool add(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const = 0;
  // `from` is of later rows than `into`; it stays as it is.
  virtual void merge(std::byte* into, const std::byte* from) const = 0;
  // Whether remove() exists: it undoes an add() of the same input, exactly.
  virtual bool removable() const { return false; }
  virtual void remove(std::byte* state, const AggregateInput& input, Evaluator& evaluator) const;

  // The result; texts live in the arena. A result that no type can hold (SUM of bigints over 64
  // bits) is NULL with evaluator.error().
  virtual Value result(const std::byte* state, Evaluator& evaluator) const = 0;

  virtual void save(const std::byte* state, std::string& out) const = 0;
  // Begins the state from bytes; false when they are not ones of save(): the state is then begun empty.
  virtual bool load(std::byte* state, Unpacker& from) const = 0;

  // Bytes that the state points to, about: for `job list` and the plan's prediction.
  virtual std::size_t heap_bytes(const std::byte* state) const = 0;
};

// How a MIN or MAX compares text, and what the constants of the call are, is settled here.
// `call.function` must be an aggregate of the function table; user-defined ones are not executed.
std::unique_ptr<Aggregate> make_aggregate(const sql::AggregateCall& call);

}  // namespace meterhub::engine
