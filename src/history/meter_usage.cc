#include <meterhub/history/meter_usage.h>

#include <algorithm>
#include <filesystem>

#include <meterhub/consumption/hourly.h>
#include <meterhub/lake/plan.h>
#include <meterhub/lake/query.h>

#include "lake_rows.h"
#include "places.h"

namespace meterhub::history {
namespace {

using base::Errc;
using consumption::Reading;

constexpr int kAttempts = 4;
constexpr std::uint64_t kMemory = 256ull << 20;
// Hours with readings before and after the time asked for: what decides about clocks, and where steps begin.
constexpr std::size_t kAround = 4;

// Readings of one meter.
class MeterReader {
 public:
  MeterReader(const base::Disk& disk, std::string lake, lake::State state, duck::Connection connection, base::Eui64 eui,
              base::Shard shard)
      : disk_(disk),
        lake_(std::move(lake)),
        state_(std::move(state)),
        connection_(std::move(connection)),
        eui_(eui),
        shard_(shard) {
    for (const auto& [path, file] : state_.fresh) {
      if (has_shard(file)) fresh_[file.hour].push_back(&file);
    }
  }

  // Whether no file lies before, or at and after the hour.
  bool none_before(lake::Hour hour) const {
    return (state_.hours.empty() || hour <= state_.hours.begin()->first) &&
           (fresh_.empty() || hour <= fresh_.begin()->first);
  }
  bool none_from(lake::Hour hour) const {
    return (state_.hours.empty() || hour > state_.hours.rbegin()->first) &&
           (fresh_.empty() || hour > fresh_.rbegin()->first);
  }
  // Of hours in [from, to).
  base::Result<std::vector<Reading>> read(lake::Hour from, lake::Hour to) {
    std::vector<std::string> placed, fresh, by_identity;
    for (auto it = state_.hours.lower_bound(from); it != state_.hours.end() && it->first < to; ++it) {
      auto paths = MH_TRY(lake::placed_paths(disk_, lake_, state_, it->first, shard_));
      placed.insert(placed.end(), std::make_move_iterator(paths.begin()), std::make_move_iterator(paths.end()));
    }
    for (auto it = fresh_.lower_bound(from); it != fresh_.end() && it->first < to; ++it) {
      for (const auto* const file : it->second)
        (file->by_identity ? by_identity : fresh).push_back(base::join_path(lake_, file->path));
    }
    if (placed.empty() && fresh.empty() && by_identity.empty()) return std::vector<Reading>();
    auto rows = connection_.query("SELECT " + std::string(kBlockColumns) + " FROM (" +
                                  lake::readings_sql(placed, fresh, by_identity, {}) + ") WHERE " +
                                  std::string(kHasCounter) + " AND DeviceID = " + duck::literal(eui_.text()));
    if (!rows) return std::unexpected(std::move(rows).error());
    std::uint64_t count = 0;
    return block_of(std::move(*rows), count).readings;
  }

 private:
  bool has_shard(const lake::FreshFile& file) const {
    return file.shards.empty() || std::ranges::find(file.shards, shard_) != file.shards.end();
  }

  const base::Disk& disk_;
  std::string lake_;
  lake::State state_;
  duck::Connection connection_;
  base::Eui64 eui_;
  base::Shard shard_;
  std::map<lake::Hour, std::vector<const lake::FreshFile*>> fresh_;
};

std::size_t hours_in(const std::vector<Reading>& readings) { return consumption::by_hour(readings).size(); }

// What was read of the time asked for, and enough around it.
base::Result<std::vector<Reading>> gather(MeterReader& reader, base::Timestamp from, base::Timestamp to) {
  lake::Hour lower = lake::hour_of(from), upper(lake::hour_of(to).value + 1);
  auto out = MH_TRY(reader.read(lower, upper));
  std::vector<Reading> before, after;
  for (std::int64_t more = 4; hours_in(before) < kAround && !reader.none_before(lower); more *= 2) {
    auto some = MH_TRY(reader.read(lake::Hour(lower.value - more), lower));
    before.insert(before.end(), some.begin(), some.end());
    lower.value -= more;
  }
  for (std::int64_t more = 4; hours_in(after) < kAround && !reader.none_from(upper); more *= 2) {
    auto some = MH_TRY(reader.read(upper, lake::Hour(upper.value + more)));
    after.insert(after.end(), some.begin(), some.end());
    upper.value += more;
  }
  out.insert(out.end(), before.begin(), before.end());
  out.insert(out.end(), after.begin(), after.end());
  return out;
}

base::Result<MeterReader> open(const base::Disk& disk, const std::string& lake, const registry::MeterEntry& meter) {
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
  return MeterReader(disk, root, std::move(state), std::move(connection), meter.eui, base::shard_of(meter.number));
}

base::Result<std::vector<Reading>> readings_of(const base::Disk& disk, const std::string& lake,
                                               const registry::MeterEntry& meter, base::Timestamp from,
                                               base::Timestamp to) {
  for (int attempt = 1;; ++attempt) {
    auto reader = MH_TRY(open(disk, lake, meter));
    auto readings = gather(reader, from, to);
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
  auto readings = MH_TRY(readings_of(disk, lake, *meter, edges.front(), edges.back()));
  return consumption::figures(consumption::hourly_steps(std::move(readings), placed->rules), edges);
}

}  // namespace meterhub::history
