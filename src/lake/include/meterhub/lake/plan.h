// Which files make up an hour and what to do with them. Pure: no files are touched.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/lake/manifest.h>

namespace meterhub::lake {

// An hour closes this long after its end, by the partition's watermark.
inline constexpr std::chrono::minutes kCloseAfter{10};

enum class Merge : std::uint8_t {
  kReplace,  // fresh and late rows and the old object become the new object
  kBeside,   // fresh rows become late files; the object stays
};

// The work of one hour of one partition.
struct HourPlan {
  struct ShardInput {
    base::Shard shard;
    std::vector<std::string> placed;  // the old object and late files
  };
  Hour hour;
  Merge merge = Merge::kReplace;
  std::vector<std::string> fresh;              // each row is new
  std::vector<std::string> fresh_by_identity;  // rows placed by identity
  std::vector<ShardInput> shards;              // that need a new file
  std::vector<std::string> drop;               // what no longer counts afterwards
};

// Hours of this owner with fresh rows whose end plus kCloseAfter has passed.
std::vector<Hour> due_hours(const State& state, const Owner& owner, base::Timestamp watermark);
// All hours of this owner with fresh rows or late files: what compaction by hand does.
std::vector<Hour> untidy_hours(const State& state, const Owner& owner);

// What to do with the hour now. A few rows after closing go beside; many, or rows placed
// by identity, replace. `fold` replaces in any case. Empty `shards` = nothing to do.
HourPlan plan_hour(const State& state, const Owner& owner, Hour hour, bool fold);

// SQL over the files: `SELECT columns` with each reading once, for one shard or all.
std::string readings_sql(const std::vector<std::string>& placed, const std::vector<std::string>& fresh,
                         const std::vector<std::string>& fresh_by_identity, std::optional<base::Shard> shard);

// The table `changes` over its files, typed also where there are none.
std::string changes_sql(const std::vector<std::string>& files);

}  // namespace meterhub::lake
