// The rows of the last so long of each of many keys: packed in a record while they are few, as those
// of an hour of a meter are, else lying open.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kept_records.h"
#include "recent_rows.h"
#include "states_pool.h"

namespace meterhub::engine {

// One thread.
class RecentHistories {
 public:
  explicit RecentHistories(const AggregateSet& set) : set_(set), states_(set) {}

  // A key's rows, and states where the set has removable ones. Good until the next use() or a change.
  struct History {
    RecentRows* rows = nullptr;
    std::byte* states = nullptr;

   private:
    friend class RecentHistories;
    KeptRecords::Found found = nullptr;  // none: the key is new
    StatesPool::Handle states_at = 0;
    std::uint32_t open = 0;
  };
  // `rows` is null when nothing is kept.
  History find(std::uint32_t part, std::string_view key);
  // The same, empty for a new key; store() must follow.
  History make(std::uint32_t part, std::string_view key);
  // After a change of the rows of this key.
  void store(std::uint32_t part, std::string_view key, History& history);
  // Forgets keys whose newest row is as old as that.
  void forget(std::uint32_t part, Ticks until);

  std::string save(std::uint32_t part) const;
  bool load(std::uint32_t part, std::string_view bytes);
  // Makes the states, which are not saved.
  void loaded(AggregateSet& set);

  std::uint64_t size() const { return records_.size(); }
  std::uint64_t bytes() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  // A record: where the states lie, where the rows lie open or kNone, then the rows.
  struct Head {
    StatesPool::Handle states = kNone;
    std::uint32_t open = kNone;
  };
  static Head head_of(std::string_view record);
  RecentRows& rows_of(const Head& head, std::string_view record);
  void put(std::string& record, const Head& head, const RecentRows& rows) const;
  std::uint32_t open_one(RecentRows rows);

  const AggregateSet& set_;
  KeptRecords records_;
  StatesPool states_;
  std::vector<std::unique_ptr<RecentRows>> open_;
  std::vector<std::uint32_t> unused_;  // of open_
  RecentRows at_hand_;
  std::string record_;
};

}  // namespace meterhub::engine
