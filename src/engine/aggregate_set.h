// The aggregates of one GROUP BY or OVER together: their states side by side in one piece
// of memory, and what a row gives to each.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aggregates.h"

namespace meterhub::engine {

class AggregateSet;

// States of all aggregates of a set. Moves as bytes; empty when made so or moved from.
class AggregateStates {
 public:
  AggregateStates() = default;
  explicit AggregateStates(const AggregateSet& set);
  AggregateStates(AggregateStates&& other) noexcept;
  AggregateStates& operator=(AggregateStates&& other) noexcept;
  ~AggregateStates();

  explicit operator bool() const { return bytes_ != nullptr; }
  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }

 private:
  const AggregateSet* set_ = nullptr;
  std::unique_ptr<std::byte[]> bytes_;
};

// Made once a plan; lives longer than its states. One thread.
class AggregateSet {
 public:
  // `lenient`: data errors are NULLs, which only the call that met one skips.
  AggregateSet(std::vector<sql::AggregateCall> calls, bool lenient);

  std::size_t count() const { return parts_.size(); }
  std::size_t size() const { return size_; }

  // What the row that is bound gives; values stay until the next call. False: a data error,
  // evaluator.error() says which.
  bool take(Evaluator& evaluator, std::string_view whole);
  // The same from bytes that pack() made.
  bool unpack(Unpacker& from);
  // When there are values: the first one's first byte was read before.
  bool unpack_behind(std::uint8_t tag, Unpacker& from);
  bool has_values() const { return !values_.empty(); }
  void pack(std::string& out) const;

  void begin(std::byte* states) const;
  void end(std::byte* states) const;
  // Adds what was taken. False: a data error; those added are then taken back where that is
  // possible, so that a row counts in all or in none.
  bool add(std::byte* states, Evaluator& evaluator) const;
  void remove(std::byte* states, Evaluator& evaluator) const;
  bool removable() const { return removable_; }
  void merge(std::byte* into, const std::byte* from) const;
  // False: a data error in one of them.
  bool results(const std::byte* states, Evaluator& evaluator, std::vector<Value>& out) const;

  void save(const std::byte* states, std::string& out) const;
  // Begins the states; false: foreign bytes.
  bool load(std::byte* states, Unpacker& from) const;
  std::size_t heap_bytes(const std::byte* states) const;

 private:
  struct Part {
    std::unique_ptr<Aggregate> aggregate;
    sql::AggregateCall call;
    std::size_t at = 0;         // of its state
    std::size_t constants = 0;  // args that are constants of the call
    std::size_t first = 0;      // of its values, which it may share with parts of the same arguments
    bool shares = false;        // with one before it
    bool whole = false;
  };
  AggregateInput input(const Part& part) const;
  static bool same_values(const Part& a, const Part& b);

  const bool lenient_;
  std::vector<Part> parts_;
  std::size_t size_ = 0;
  bool removable_ = true;
  bool whole_ = false;           // somebody needs the row as JSON
  std::vector<Value> values_;    // what was taken, part by part: args, order; the same ones once
  std::string_view row_;
  Arena texts_;                  // of unpacked values
};

}  // namespace meterhub::engine
