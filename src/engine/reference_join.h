// Joins with reference data (stream-sql 6.7): the rows of the version that is valid at the
// event's time, found by the keys of ON.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate.h"
#include "joins.h"
#include "kept_records.h"
#include "rows.h"

namespace meterhub::engine {

// Gives the rows of a right side that are valid at a time, packed, each behind its length, in order;
// and tells versions apart.
struct ReferenceVersion {
  std::uint64_t number = 0;
  std::function<std::shared_ptr<const std::string>()> rows;
};

// Source `right` of a SELECT. One thread. Keeps indices of two versions, since events of
// stateless statements do not come in order of time.
class ReferenceJoin {
 public:
  ReferenceJoin(const sql::Select& select, std::uint32_t right, bool lenient) : join_(*select.sources[right].join), right_(right), lenient_(lenient) {}

  // Sources before `right` are set. Calls `matched` for each row found, or once with nobody for a
  // LEFT JOIN.
  StreamJoin::Answer look_up(Evaluator& evaluator, JoinRows rows, Ticks now, const ReferenceVersion& version,
                             const StreamJoin::Matched& matched);

  std::uint64_t rows() const;
  std::uint64_t bytes() const;

 private:
  // A key's record: twice the place of its row in `rows`; or twice the number of its rows' places
  // in `several`, and 1.
  struct Index {
    std::uint64_t number = 0;
    std::uint64_t count = 0;
    std::shared_ptr<const std::string> rows;
    KeptRecords by_key;
    std::vector<std::vector<std::uint64_t>> several;
  };
  static void add_row(Index& index, std::string_view key, std::uint64_t place);
  StreamJoin::Answer try_row(Evaluator& evaluator, JoinRows rows, Ticks now, std::string_view packed, bool& found, const StreamJoin::Matched& matched);
  const Index& index(Evaluator& evaluator, JoinRows rows, const ReferenceVersion& version);
  bool key(Evaluator& evaluator, bool left, std::string& out) const;

  const sql::Join& join_;
  const std::uint32_t right_;
  const bool lenient_;
  std::vector<std::unique_ptr<Index>> indices_;  // newest first
  UnpackedRow unpacked_;
  std::string key_;
};

}  // namespace meterhub::engine
