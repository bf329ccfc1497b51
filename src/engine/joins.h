// Joins of streams (stream-sql 6.6): both sides are kept as long as a row of the other may
// still match; every pair that satisfies ON is found once, when its later row comes.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evaluate.h"
#include "join_state.h"
#include "operator_state.h"
#include "rows.h"

namespace meterhub::engine {

// What a join works on: the rows of the sources of its SELECT that are set now, and the values
// of its analytic functions. Owned by the branch that runs.
struct JoinRows {
  std::span<SourceRow> sources;
  std::span<Value> analytics;
};

// Source `right` of a SELECT with everything before it. One thread; rows come in order of time.
class StreamJoin : public OperatorState {
 public:
  // Called for each match with its rows set. False stops.
  using Matched = std::function<bool()>;

  // `lenient`: data errors in ON are NULLs.
  StreamJoin(const sql::Select& select, std::uint32_t right, bool lenient, bool with_metadata);

  enum class Answer : std::uint8_t { kDone, kStopped, kDataError };

  // Sources before `right` are set: keeps them and looks for rows that came before.
  Answer add_left(Evaluator& evaluator, JoinRows rows, Ticks now, const Matched& matched);
  // Source `right` is set.
  Answer add_right(Evaluator& evaluator, JoinRows rows, Ticks now, const Matched& matched);

  // LEFT OUTER: the next instant at which it is certain that left rows found nobody.
  std::optional<Ticks> due() const;
  // Those rows, with source `right` NULL, and their time: left time + upper bound, or their own
  // where that is later. In order of the left rows.
  Answer fire(JoinRows rows, const std::function<bool(Ticks time)>& unmatched);

  // How much later than its time an unmatched row can come.
  Ticks delay() const { return outer_ ? bound_.slack_ticks : 0; }

  bool load_part(std::uint32_t part, std::string_view bytes) override;
  bool loaded() override;
  std::uint64_t keys() const override;
  std::uint64_t bytes() const override;

 protected:
  std::string save_part(std::uint32_t part) const override;

 private:
  using Kept = JoinedRow;
  using Sides = JoinSides;
  static constexpr Ticks kNever = JoinSides::kNever;

  // A left row whose waiting is over.
  struct Lonely {
    std::uint64_t number = 0;
    std::string_view key;
  };

  bool key(Evaluator& evaluator, bool left);
  Answer probe(Evaluator& evaluator, JoinRows rows, std::vector<Kept>& others, Kept& own, bool own_left, const Matched& matched);
  void keep(std::vector<Kept>& side, Kept own, JoinRows rows, std::uint32_t first, std::uint32_t end);
  bool unpack_side(JoinRows rows, std::uint32_t first, std::uint32_t end, std::string_view packed);
  Ticks whole_units(Ticks time) const;  // the boundary at or before it
  Ticks left_until(Ticks time) const;   // from then on no right row can match it
  Ticks right_until(Ticks time) const;  // from then on no left row can
  void arm(Sides& sides, std::string_view key, Ticks at);
  bool fire_row(JoinRows rows, Lonely lonely, const std::function<bool(Ticks time)>& unmatched);
  Ticks left_time(JoinRows rows) const;
  void forget(Sides& sides, Ticks now);

  const sql::Select& select_;
  const std::uint32_t right_;
  const sql::Join& join_;
  const sql::TimeBound bound_;
  const bool lenient_, with_metadata_, outer_;
  // Matches cannot pass WHERE (it asks for NULL in a key of the right side): a left row that found
  // somebody is done with, and nothing is given out.
  bool anti_ = false;
  Ticks left_delay_ = 0;  // how much later than the row that the bound is measured from the left side may come
  JoinState state_;
  // LEFT OUTER: keys to look at, each behind its length; once, for the first row that waits.
  std::map<Ticks, std::string> due_;
  std::uint64_t next_number_ = 0;
  std::vector<std::unique_ptr<UnpackedRow>> unpacked_;  // a source
  Arena texts_;                                         // of analytic values that were unpacked
  std::string key_, packed_;
};

}  // namespace meterhub::engine
