// The tables of status.h. Columns have the names of the case study's alert table, where it has them.
#pragma once

#include <string_view>

namespace meterhub::tables {

inline constexpr std::string_view kStatusSchema = R"sql(
CREATE TABLE meter_latest(
  Number INTEGER PRIMARY KEY, DeviceID TEXT NOT NULL, Tenant TEXT NOT NULL, District TEXT NOT NULL, Building TEXT NOT NULL,
  Floor TEXT NOT NULL, Unit TEXT NOT NULL, State TEXT NOT NULL, LastSeen TEXT, ReadingTime TEXT, Bought REAL, Remaining REAL,
  TotalUsed REAL, MeterStatus BIGINT, MeterSoftwareVer TEXT, BestRssi BIGINT, BestSnr REAL, Gateways BIGINT NOT NULL,
  Flow REAL NOT NULL, UsedToday REAL NOT NULL, UsedYesterday REAL NOT NULL, Exhausted TEXT, AsOf TEXT NOT NULL);
CREATE INDEX meter_latest_device ON meter_latest(DeviceID);
CREATE TABLE building_status(
  Number INTEGER PRIMARY KEY, Tenant TEXT NOT NULL, District TEXT NOT NULL, Building TEXT NOT NULL, Meters BIGINT NOT NULL,
  Online BIGINT NOT NULL, Silent BIGINT NOT NULL, Low BIGINT NOT NULL, Closed BIGINT NOT NULL, Faulty BIGINT NOT NULL,
  Unheard BIGINT NOT NULL, OpenAlarms BIGINT NOT NULL, Flow REAL NOT NULL, UsedToday REAL NOT NULL, UsedYesterday REAL NOT NULL,
  UsedWeekAgo REAL NOT NULL, AsOf TEXT NOT NULL);
CREATE TABLE district_status(
  Tenant TEXT NOT NULL, District TEXT NOT NULL, Buildings BIGINT NOT NULL, Meters BIGINT NOT NULL,
  Online BIGINT NOT NULL, Silent BIGINT NOT NULL, Low BIGINT NOT NULL, Closed BIGINT NOT NULL, Faulty BIGINT NOT NULL,
  Unheard BIGINT NOT NULL, OpenAlarms BIGINT NOT NULL, Flow REAL NOT NULL, UsedToday REAL NOT NULL, UsedYesterday REAL NOT NULL,
  UsedWeekAgo REAL NOT NULL, AsOf TEXT NOT NULL, PRIMARY KEY(Tenant, District));
)sql";

}  // namespace meterhub::tables
