#include <meterhub/history/meter_usage.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <meterhub/consumption/hourly.h>
#include <meterhub/lake/plan.h>
#include <meterhub/lake/query.h>

#include "lake_rows.h"
#include "places.h"
#include "stays.h"

namespace meterhub::history {
namespace {

using base::Errc;
using consumption::Reading;

constexpr int kAttempts = 4;
constexpr std::uint64_t kMemory = 256ull << 20;
// Hours with readings before and after the time asked for: what decides about clocks, and where steps begin.
constexpr std::size_t kAround = 4;

using StayReadings = std::vector<std::vector<Reading>>;  // by stay

// Readings of meters that hung in one place one after the other, each of its time there.
class StayReader {
 public:
  StayReader(const base::Disk& disk, std::string lake, lake::State state, duck::Connection connection,
             const std::vector<PlaceStay>& stays)
      : disk_(disk),
        lake_(std::move(lake)),
        state_(std::move(state)),
        connection_(std::move(connection)),
        stays_(stays) {
    for (const auto& [path, file] : state_.fresh) fresh_[file.hour].push_back(&file);
  }

  // Whether nothing can be found before, or at and after the hour.
  bool none_before(lake::Hour hour) const {
    if (stays_.front().from != base::Timestamp::min() && hour <= lake::hour_of(stays_.front().from)) return true;
    return (state_.hours.empty() || hour <= state_.hours.begin()->first) &&
           (fresh_.empty() || hour <= fresh_.begin()->first);
  }
  bool none_from(lake::Hour hour) const {
    if (stays_.back().to != base::Timestamp::max() && hour > lake::hour_of(stays_.back().to)) return true;
    return (state_.hours.empty() || hour > state_.hours.rbegin()->first) &&
           (fresh_.empty() || hour > fresh_.rbegin()->first);
  }
  // Of hours in [from, to), added to `out`. How many hours have readings.
  base::Result<std::size_t> read(lake::Hour from, lake::Hour to, StayReadings& out) {
    std::set<std::int64_t> hours;
    for (std::size_t n = 0; n < stays_.size(); ++n) {
      const auto& stay = stays_[n];
      const bool is_after = stay.from != base::Timestamp::min() && lake::hour_of(stay.from) >= to;
      const bool is_before = stay.to != base::Timestamp::max() && lake::hour_of(stay.to) < from;
      if (is_after || is_before) continue;
      for (auto& reading : MH_TRY(read_meter(stay, from, to))) {
        if (!stay.holds(reading.at)) continue;
        reading.meter = stay.meter;
        hours.insert(lake::hour_of(reading.at).value);
        out[n].push_back(reading);
      }
    }
    return hours.size();
  }

 private:
  base::Result<std::vector<Reading>> read_meter(const PlaceStay& stay, lake::Hour from, lake::Hour to) {
    const auto shard = base::shard_of(stay.meter);
    std::vector<std::string> placed, fresh, by_identity;
    for (auto it = state_.hours.lower_bound(from); it != state_.hours.end() && it->first < to; ++it) {
      auto paths = MH_TRY(lake::placed_paths(disk_, lake_, state_, it->first, shard));
      placed.insert(placed.end(), std::make_move_iterator(paths.begin()), std::make_move_iterator(paths.end()));
    }
    for (auto it = fresh_.lower_bound(from); it != fresh_.end() && it->first < to; ++it) {
      for (const auto* const file : it->second) {
        if (has_shard(*file, shard))
          (file->by_identity ? by_identity : fresh).push_back(base::join_path(lake_, file->path));
      }
    }
    if (placed.empty() && fresh.empty() && by_identity.empty()) return std::vector<Reading>();
    auto rows = connection_.query("SELECT " + std::string(kBlockColumns) + " FROM (" +
                                  lake::readings_sql(placed, fresh, by_identity, {}) + ") WHERE " +
                                  std::string(kHasCounter) + " AND DeviceID = " + duck::literal(stay.eui.text()));
    if (!rows) return std::unexpected(std::move(rows).error());
    std::uint64_t count = 0;
    return block_of(std::move(*rows), count).readings;
  }

  static bool has_shard(const lake::FreshFile& file, base::Shard shard) {
    return file.shards.empty() || std::ranges::find(file.shards, shard) != file.shards.end();
  }

  const base::Disk& disk_;
  std::string lake_;
  lake::State state_;
  duck::Connection connection_;
  const std::vector<PlaceStay>& stays_;
  std::map<lake::Hour, std::vector<const lake::FreshFile*>> fresh_;
};

// What was read of the time asked for, and enough around it.
base::Result<StayReadings> gather(StayReader& reader, std::size_t stays, base::Timestamp from, base::Timestamp to) {
  lake::Hour lower = lake::hour_of(from), upper(lake::hour_of(to).value + 1);
  StayReadings out(stays);
  MH_TRY_VOID(reader.read(lower, upper, out));
  std::size_t before = 0, after = 0;
  for (std::int64_t more = 4; before < kAround && !reader.none_before(lower); more *= 2) {
    before += MH_TRY(reader.read(lake::Hour(lower.value - more), lower, out));
    lower.value -= more;
  }
  for (std::int64_t more = 4; after < kAround && !reader.none_from(upper); more *= 2) {
    after += MH_TRY(reader.read(upper, lake::Hour(upper.value + more), out));
    upper.value += more;
  }
  return out;
}

base::Result<StayReader> open(const base::Disk& disk, const std::string& lake, const std::vector<PlaceStay>& stays) {
  std::error_code error;
  auto root = std::filesystem::absolute(lake, error).lexically_normal().string();
  while (root.size() > 1 && root.ends_with('/')) root.pop_back();
  auto state = MH_TRY(lake::Manifest::load(disk, root));
  auto database = MH_TRY(duck::Database::open({.path = {},
                                               .memory_limit = kMemory,
                                               .threads = 1,
                                               .temp_directory = {},
                                               .external_access = false,
                                               .allowed_directories = {root},
                                               .lock_configuration = true}));
  auto connection = MH_TRY(database.connect());
  return StayReader(disk, root, std::move(state), std::move(connection), stays);
}

base::Result<StayReadings> readings_of(const base::Disk& disk, const std::string& lake,
                                       const std::vector<PlaceStay>& stays, base::Timestamp from, base::Timestamp to) {
  for (int attempt = 1;; ++attempt) {
    auto reader = MH_TRY(open(disk, lake, stays));
    auto readings = gather(reader, stays.size(), from, to);
    // A file that was just moved or removed: the manifest has a newer answer.
    if (readings || readings.error().code != Errc::kIo || attempt == kAttempts) return readings;
  }
}

}  // namespace

base::Result<std::vector<consumption::Figure>> meter_usage(const base::Disk& disk, const std::string& lake,
                                                           const registry::Directory& directory,
                                                           const MeterUsageQuery& query) {
  const auto meter = directory.meter(query.eui);
  if (!meter) return base::fail(Errc::kNotFound, "no meter " + query.eui.text() + " in the registry");
  if (query.from >= query.to) return base::fail(Errc::kInvalidArgument, "the time asked for ends before it begins");
  Places places(directory);
  const auto* const placed = places.of({{meter->eui, meter->tenant}}).front();
  constexpr base::Duration kLeast = std::chrono::minutes(5);
  if (query.by == consumption::Period::kFiveMinutes &&
      (query.to - query.from) / kLeast > static_cast<std::int64_t>(kMeterPeriodsMax))
    return base::fail(Errc::kInvalidArgument, "that is more than " + std::to_string(kMeterPeriodsMax) + " periods");
  const auto edges = placed->calendar->edges(query.by, query.from, query.to);
  if (edges.size() > kMeterPeriodsMax + 1)
    return base::fail(Errc::kInvalidArgument, "that is more than " + std::to_string(kMeterPeriodsMax) + " periods");
  const auto stays = stays_of(*meter, [&](base::MeterNumber number) { return directory.exchanges_of(number); });
  auto readings = MH_TRY(readings_of(disk, lake, stays, edges.front(), edges.back()));
  std::vector<consumption::Stay> in_turn;
  for (std::size_t n = 0; n < stays.size(); ++n) {
    const auto& stay = stays[n];
    const auto& rules = places.of({{stay.eui, meter->tenant}}).front()->rules;
    in_turn.push_back({std::move(readings[n]), rules, stay.counter_in, stay.counter_out});
  }
  return consumption::figures(consumption::hourly_steps(in_turn), edges);
}

}  // namespace meterhub::history
