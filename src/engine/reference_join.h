// Joins with reference data (stream-sql 6.7): the rows of the version that is valid at the
// event's time, found by the keys of ON.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "evaluate.h"
#include "joins.h"
#include "rows.h"

namespace meterhub::engine {

// The rows of a right side at one time, packed, in order. Made by the step runner.
struct ReferenceRows {
  std::vector<std::string> rows;
};
// Gives the rows valid at a time, and tells versions apart.
struct ReferenceVersion {
  std::uint64_t number = 0;
  std::function<ReferenceRows()> rows;
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
  struct Index {
    std::uint64_t number = 0;
    std::vector<std::string> rows;
    absl::flat_hash_map<std::string, std::vector<std::uint32_t>> by_key;
  };
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
