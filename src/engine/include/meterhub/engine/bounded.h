// Bounded inputs in files, as `meterhub sql test` and the golden tests run them
// (stream-sql 12). Pure; one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/engine/pipeline.h>

namespace meterhub::engine {

// An event in the order in which it is to be run.
struct OrderedEvent {
  std::string_view input;  // lives as long as the BoundedInputs
  Event event;             // partition 0; offset: its place in the input
  std::size_t line = 0;    // of the file, from 1
};

// Files of JSON lines. Arrival time is an event's top-level EventEnqueuedUtcTime.
class BoundedInputs {
 public:
  BoundedInputs();
  ~BoundedInputs();
  BoundedInputs(BoundedInputs&&) noexcept;
  BoundedInputs& operator=(BoundedInputs&&) noexcept;

  // One JSON value a line; an array's elements are events; blank lines are none. A line that
  // is not JSON stays an event: the pipeline drops and counts it.
  void add(std::string name, std::string json_lines);

  // Sorted by time as the plan's readers see it; ties: place in the file, then order of add().
  std::vector<OrderedEvent> by_time(Pipeline& pipeline) const;
  // Each file in its own order, the files merged by arrival; ties as above.
  std::vector<OrderedEvent> by_arrival() const;

 private:
  struct Input;
  std::vector<std::unique_ptr<Input>> inputs_;
};

// The row's columns as one JSON object, appended.
void append_json(std::string& out, const OutputRow& row);

}  // namespace meterhub::engine
