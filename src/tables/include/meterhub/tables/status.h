// Tables meter_latest, building_status and district_status of database.sqlite: how the fleet stands, for people with any
// SQL tool (docs/formats/tables.md). Written by the role `office` in blocks, at most once a minute.
//
// Functions work inside the caller's transaction (Database::transact); errors are the database's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

// Volumes in litres; written as m3.
struct MeterRow {
  base::MeterNumber number;
  base::Eui64 eui;
  std::string tenant, district, building, floor, unit;
  std::string_view state;  // online, silent, low, closed, faulty, new
  base::Timestamp last_seen{};  // 0: never
  std::optional<base::Timestamp> reading_time{};  // of the last reading; nothing: none yet, and none of these:
  std::optional<std::int64_t> bought{}, left{}, used{}, status{};
  std::string version{};
  std::optional<std::int64_t> rssi{};     // dBm
  std::optional<double> snr{};            // dB
  std::uint32_t gateways = 0;
  std::int64_t flow = 0;                  // litres an hour
  std::int64_t used_today = 0, used_yesterday = 0;
  std::string exhausted{};                // local date, "2026-12-24"; empty: not known
};

// Of a building or a district (whose `building` is empty and `number` 0).
struct AreaRow {
  std::uint32_t number = 0;
  std::string tenant, district, building;
  std::uint32_t buildings = 0;  // of a district
  std::uint32_t meters = 0, online = 0, silent = 0, low = 0, closed = 0, faulty = 0, unheard = 0, open_alarms = 0;
  std::int64_t flow = 0;  // litres an hour
  std::int64_t used_today = 0, used_yesterday = 0, used_week_ago = 0;  // litres

  bool operator==(const AreaRow&) const = default;
};

base::Result<void> write_meters(db::Connection& connection, std::span<const MeterRow> rows, base::Timestamp as_of);
// Removes the rows of all others; `meters` is by number.
base::Result<void> keep_meters(db::Connection& connection, const std::vector<bool>& meters);
// All buildings and districts, as of one time; those that are not among them go.
base::Result<void> write_areas(db::Connection& connection, std::span<const AreaRow> buildings,
                               std::span<const AreaRow> districts, base::Timestamp as_of);

}  // namespace meterhub::tables
