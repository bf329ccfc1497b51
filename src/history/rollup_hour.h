// Rolls up one hour: some of its shards, range by range, then all of it in one transaction.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include <meterhub/base/result.h>
#include <meterhub/lake/manifest.h>
#include <meterhub/tables/database.h>
#include <meterhub/tables/usage.h>

#include "contribution.h"
#include "lake_rows.h"
#include "places.h"

namespace meterhub::history {

// The files of a unit as text: "912:" the object's record, then "921/late-07-920.parquet,…".
std::string files_text(const lake::State& state, lake::Hour hour, base::Shard shard);
// Paths of late files that are in `now` and were not in `before`; nothing when the object is another one, or late files
// are gone.
std::optional<std::vector<std::string>> added_files(std::string_view before, const lake::State& now, lake::Hour hour,
                                                    base::Shard shard);

// What is known of the other units of a shard.
class UnitMarks {
 public:
  void put(tables::UsageUnitMark mark) { marks_[mark.key] = std::move(mark); }
  const tables::UsageUnitMark* find(lake::Hour hour, base::Shard shard) const {
    const auto found = marks_.find({hour.value, shard.value});
    return found == marks_.end() ? nullptr : &found->second;
  }
  tables::UsageUnitMark* find(lake::Hour hour, base::Shard shard) {
    return const_cast<tables::UsageUnitMark*>(std::as_const(*this).find(hour, shard));
  }
  // Contributions of hours that began before are gone.
  void freeze(base::Timestamp cutoff) {
    for (auto& [key, mark] : marks_) {
      if (base::Timestamp(std::chrono::hours(key.hour)) < cutoff) mark.kept = false;
    }
  }

 private:
  std::map<tables::UsageUnitKey, tables::UsageUnitMark> marks_;
};

struct HourWorld {
  tables::Database& database;
  LakeRows& rows;
  const lake::State& state;  // stays as it is until the hour is committed
  const UnitMarks& marks;
  std::uint64_t rows_at_once;
  base::Timestamp cutoff;
};

// One thread.
class HourPass {
 public:
  HourPass(HourWorld world, const registry::Directory& directory, lake::Hour hour, std::vector<base::Shard> shards);
  ~HourPass();

  lake::Hour hour() const { return hour_; }
  // Reads and computes one range; false: all are computed. A shard that fails is left out; the error is the first one.
  base::Result<bool> step();
  struct Outcome {
    std::vector<tables::UsageUnitMark> units;  // as they are stored now
    std::vector<tables::UsageUnitKey> concerned;  // marked, to be computed again
    std::uint64_t too_late = 0;  // units that changed and are frozen
  };
  // `computed_to` as it is when this hour is in.
  base::Result<Outcome> commit(base::Timestamp now, base::Timestamp computed_to);

 private:
  struct Unit;
  struct Meter;
  using Hours = std::vector<consumption::HourReadings>;

  base::Result<void> begin_unit(base::Shard shard);
  base::Result<void> compute(Unit& unit, const EuiRange& range);
  bool settle_simply(Unit& unit, const Meter& meter) const;
  base::Result<void> settle_widely(Unit& unit, std::span<const Meter> meters);
  void settle(Unit& unit, const Meter& meter, const consumption::HourShare& share) const;
  base::Result<std::vector<lake::Hour>> hours_between(const Unit& unit, lake::Hour from, lake::Hour to) const;
  bool renewed(const Unit& unit, base::Timestamp hour) const;
  // By how much it moved the sums.
  base::Result<tables::UsageSums> commit_unit(db::Connection& connection, Unit& unit, Outcome& outcome,
                                              const std::vector<tables::UsagePlaceId>& places);
  base::Result<void> put_spans(db::Connection& connection, const Unit& unit) const;
  void add_peaks(const tables::UsageSums& moved, const std::map<tables::UsagePlaceId, tables::UsagePlace>& stored,
                 std::set<tables::UsageKey>& peaks);

  HourWorld world_;
  Places places_;
  lake::Hour hour_;
  std::vector<base::Shard> shards_;
  std::size_t next_shard_ = 0;
  std::unique_ptr<Unit> unit_;  // under way
  std::vector<std::unique_ptr<Unit>> done_;
};

}  // namespace meterhub::history
