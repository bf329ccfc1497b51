// Rows of the last so long of one key, for aggregates over a time that slides: what each
// row gives, oldest first, and the states of those aggregates that can take a row back.
#pragma once

#include <string>

#include "aggregate_set.h"

namespace meterhub::engine {

// One thread. The set is the one it was made for.
class RecentRows {
 public:
  RecentRows() = default;
  explicit RecentRows(const AggregateSet& set) {
    if (set.removable()) states_ = AggregateStates(set);
  }

  bool empty() const { return head_ == entries_.size(); }
  Ticks oldest() const { return oldest_; }  // when it is not empty
  Ticks newest() const { return newest_; }

  // Forgets rows at or before `until`. Overwrites what the set took last.
  void evict(Ticks until, AggregateSet& set, Evaluator& evaluator);
  // Adds what the set took last. False: a data error, nothing was added.
  bool append(Ticks time, const AggregateSet& set, Evaluator& evaluator);
  // False: a data error. Overwrites what the set took last.
  bool results(AggregateSet& set, Evaluator& evaluator, std::vector<Value>& out) const;

  void save(std::string& out) const;
  // The states are made from the rows by rebuild().
  bool load(Unpacker& from);
  void rebuild(AggregateSet& set, Evaluator& evaluator);

  std::uint64_t bytes() const { return entries_.capacity(); }

 private:
  AggregateStates collect(AggregateSet& set, Evaluator& evaluator) const;

  std::string entries_;   // each: time since the one before, what the row gave
  std::size_t head_ = 0;  // of the oldest
  Ticks oldest_ = 0;      // its time; its own difference does not count
  Ticks newest_ = 0;
  AggregateStates states_;
};

}  // namespace meterhub::engine
