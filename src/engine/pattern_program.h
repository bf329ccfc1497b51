// The pattern of MATCH_RECOGNIZE as an automaton: its states are the places where a variable
// stands, once repetitions are written out; from each the places that may come next, the
// preferred one first (alternatives as they are written, repetitions as often as possible).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <meterhub/sql/plan.h>

namespace meterhub::engine {

// Immutable; any thread.
class PatternProgram {
 public:
  // In place of a place: the pattern is satisfied.
  static constexpr std::uint16_t kMatched = 0xffff;

  // At most sql::kPatternPositionsMax places, which the compiler has checked.
  explicit PatternProgram(const sql::PatternNode& pattern);

  std::size_t places() const { return variables_.size(); }
  std::uint32_t variable(std::uint16_t place) const { return variables_[place]; }
  // Where the first event of a match is tried. No kMatched: a match has an event at least.
  std::span<const std::uint16_t> first() const { return first_; }
  // Where the event after one that was taken at `place` is tried.
  std::span<const std::uint16_t> next(std::uint16_t place) const { return next_[place]; }

 private:
  std::vector<std::uint32_t> variables_;
  std::vector<std::uint16_t> first_;
  std::vector<std::vector<std::uint16_t>> next_;
};

}  // namespace meterhub::engine
