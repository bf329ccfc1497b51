// What a join of streams keeps of each key: rows of both sides. Few rows lie packed in a record,
// as a million keys with one row each do; more of them lie open.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kept_records.h"
#include "kept_value.h"
#include "keyed_state.h"

namespace meterhub::engine {

// A row of a side.
struct JoinedRow {
  Ticks time = 0;          // that the bound is measured from
  std::uint64_t mark = 0;  // left rows: twice their number in order of coming, and 1 once it has matched
  KeptBytes packed;        // rows of the side's sources, then analytic values

  bool matched() const { return (mark & 1) != 0; }
  void match() { mark |= 1; }
  std::uint64_t number() const { return mark >> 1; }
};

struct JoinSides {
  static constexpr Ticks kNever = std::numeric_limits<Ticks>::max();

  std::vector<JoinedRow> left, right;  // in order of time
  Ticks armed = kNever;                // when somebody looks at this key again; not saved

  bool empty() const { return left.empty() && right.empty(); }
};

// One thread.
class JoinState {
 public:
  // The sides of a key, good until the next call but store(); null: nothing is kept.
  JoinSides* find(std::uint32_t part, std::string_view key);
  // The same, empty when nothing is kept.
  JoinSides& make(std::uint32_t part, std::string_view key);
  // Puts back what find() or make() gave for this key, which has changed; `sides` is not good any more.
  void store(std::uint32_t part, std::string_view key, JoinSides& sides);

  // Of the keys in a part, for changes to each.
  std::vector<std::string> keys_of(std::uint32_t part) const;

  bool empty(std::uint32_t part) const { return packed_.empty(part) && open_.part(part).empty(); }
  std::string save(std::uint32_t part) const;
  bool load(std::uint32_t part, std::string_view bytes);
  std::uint64_t size() const { return packed_.size() + open_.size(); }
  std::uint64_t bytes() const;

 private:
  static void pack_sides(std::string& out, const JoinSides& sides);
  static void unpack_sides(std::string_view packed, JoinSides& sides);

  KeptRecords packed_;
  KeyedState<std::unique_ptr<JoinSides>> open_;
  JoinSides at_hand_;  // of a record
  std::string record_;
};

}  // namespace meterhub::engine
