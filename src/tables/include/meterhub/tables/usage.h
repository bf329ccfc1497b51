// Roll-ups of consumption in database.sqlite: gas used per tenant, district and pressure zone, in periods of five
// minutes, an hour and the tenant's local day, and the highest flow in them (docs/usage.md). People read the views
// `usage_trend` and `peak_flow`.
//
// A unit is what the readings of one hour and shard of the lake contribute. It is kept, so that it can be replaced when
// the hour's files change: sums move by the difference. Functions that write are called inside the caller's transaction
// (Database::transact), so that a unit, the sums it is in and the peaks of those are never of two moments.
// Errors: those of db::Connection; kCorrupt for a contribution that is none of ours.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

enum class UsagePeriod : std::uint8_t { kFiveMinutes = 0, kHour = 1, kDay = 2 };

// Where meters hang. Empty texts: not placed, or a building without the tag.
struct UsagePlace {
  base::TenantNumber tenant{};
  std::string district;
  std::string zone;
  auto operator<=>(const UsagePlace&) const = default;
};
using UsagePlaceId = base::Id<struct UsagePlaceTag, std::int64_t>;
// The place's number, given now if it has none.
base::Result<UsagePlaceId> usage_place(db::Connection& connection, const UsagePlace& place);

// All places that have one.
base::Result<std::map<UsagePlaceId, UsagePlace>> usage_places(db::Connection& connection);

// Litres; sums are exact.
struct UsageValues {
  std::int64_t used = 0;
  std::int64_t estimated = 0;  // of it, and of what another period got in its place, what is a guess
  std::int64_t meters = 0;  // with a step that has a share in the period, each once
  std::int64_t packets = 0;  // readings of the period
  UsageValues& operator+=(const UsageValues& other);
  bool operator==(const UsageValues&) const = default;
};

// (begin, end] of a period and place.
struct UsageKey {
  UsagePeriod period = UsagePeriod::kFiveMinutes;
  UsagePlaceId place{};
  base::Timestamp begin{}, end{};
  auto operator<=>(const UsageKey&) const = default;
};
using UsageSums = std::map<UsageKey, UsageValues>;

// Which hour (since 1970, UTC) and shard of the lake.
struct UsageUnitKey {
  std::int64_t hour = 0;
  std::uint8_t shard = 0;
  auto operator<=>(const UsageUnitKey&) const = default;
};

struct UsageUnit {
  UsageUnitKey key{};
  std::string files;  // what it was computed from
  std::uint64_t lake = 0;  // the manifest's newest record then
  std::uint64_t readings = 0;
  std::uint64_t checksum = 0;  // of the readings, in any order
  // Meters (EUIs) whose clocks contradict each other here.
  std::vector<std::uint64_t> disordered{};
  base::Timestamp computed{};
};

// --- writing, in the caller's transaction

// Replaces the unit and moves sums by the difference, which it returns. Sums of five minutes that begin before the
// stored cut-off are not kept. kPrecondition when the unit's old contribution has been dropped (expire_usage).
base::Result<UsageSums> put_usage_unit(db::Connection& connection, const UsageUnit& unit, const UsageSums& sums);
// The files are others, what they hold is not.
base::Result<void> touch_usage_unit(db::Connection& connection, const UsageUnit& unit);
// It is to be computed again, whatever its files; units that are not there are none.
base::Result<void> mark_usage_units(db::Connection& connection, std::span<const UsageUnitKey> units);
// The peaks of hours and days, from their five minutes. Those that begin before the cut-off stay as they are.
base::Result<void> renew_peaks(db::Connection& connection, std::span<const UsageKey> periods);

// When a meter had its first and newest readings in a computed unit, hours since 1970.
struct MeterSpan {
  std::int32_t first = 0, last = 0;
  bool operator==(const MeterSpan&) const = default;
};
using MeterSpans = std::map<std::uint64_t, MeterSpan>;  // by EUI
base::Result<void> put_meter_spans(db::Connection& connection, std::uint8_t shard, const MeterSpans& spans);
base::Result<MeterSpans> meter_spans(db::Connection& connection, std::uint8_t shard);

// Every hour that ended up to then is in the sums.
base::Result<void> set_usage_computed_to(db::Connection& connection, base::Timestamp to);
// Sums of five minutes and contributions of units from before `cutoff` (a whole hour) go, about `limit` at a time. The
// cut-off never goes back. Returns how many; 0: all are gone.
base::Result<std::int64_t> expire_usage(db::Connection& connection, base::Timestamp cutoff, std::size_t limit = 10'000);

// --- reading

struct UsageState {
  base::Timestamp computed_to{};
  base::Timestamp cutoff{};
};
base::Result<UsageState> usage_state(db::Connection& connection);

// What is known of a unit without its contribution.
struct UsageUnitMark {
  UsageUnitKey key{};
  std::string files;
  std::uint64_t lake = 0;
  bool marked = false;
  bool kept = true;  // its contribution is there
  base::Timestamp computed{};
};
base::Result<std::vector<UsageUnitMark>> usage_units(db::Connection& connection);
base::Result<std::optional<UsageUnit>> usage_unit(db::Connection& connection, UsageUnitKey key);

// Rows that begin in [from, to).
struct UsageQuery {
  UsagePeriod period = UsagePeriod::kHour;
  base::Timestamp from{}, to = base::Timestamp::max();
  std::optional<base::TenantNumber> tenant{};
  std::optional<std::string> district{}, zone{};
  // Whether places of one tenant and district, or of one tenant, become one row: `meters` of it are then added up too.
  bool by_zone = true, by_district = true;
  std::size_t limit = 10'000;
};
struct UsageRow {
  base::Timestamp begin{}, end{};
  UsagePlace place;
  UsageValues values;
};
// In order of begin, tenant, district, zone.
base::Result<std::vector<UsageRow>> usage_rows(db::Connection& connection, const UsageQuery& query);

struct PeakRow {
  base::Timestamp begin{}, end{};
  UsagePlace place;
  std::int64_t peak = 0;  // litres in the five minutes that began at `peak_at`
  base::Timestamp peak_at{};
  std::int64_t used = 0;  // litres in the whole period
};
// kHour or kDay; by_zone and by_district are not looked at: peaks of two places do not come at one time.
base::Result<std::vector<PeakRow>> peak_rows(db::Connection& connection, const UsageQuery& query);

}  // namespace meterhub::tables
