// Tables of the roll-ups of consumption (usage.h), as a migration of database.sqlite.
#pragma once

#include <string_view>

namespace meterhub::tables {

// Volumes in litres, times in microseconds UTC. The views show cubic metres and RFC 3339; a row is final when all its
// hours have been closed and computed.
inline constexpr std::string_view kUsageSchema = R"sql(
CREATE TABLE usage_places(
  id INTEGER PRIMARY KEY AUTOINCREMENT, tenant BIGINT NOT NULL, district TEXT NOT NULL, zone TEXT NOT NULL,
  UNIQUE(tenant, district, zone));
CREATE TABLE usage_sums(
  period TEXT NOT NULL, place BIGINT NOT NULL, begin_us BIGINT NOT NULL, end_us BIGINT NOT NULL, used BIGINT NOT NULL,
  estimated BIGINT NOT NULL, meters BIGINT NOT NULL, packets BIGINT NOT NULL, PRIMARY KEY(period, place, begin_us));
CREATE TABLE usage_peaks(
  period TEXT NOT NULL, place BIGINT NOT NULL, begin_us BIGINT NOT NULL, end_us BIGINT NOT NULL, peak BIGINT NOT NULL,
  peak_us BIGINT NOT NULL, PRIMARY KEY(period, place, begin_us));
CREATE TABLE usage_units(
  hour BIGINT NOT NULL, shard BIGINT NOT NULL, files TEXT NOT NULL, lake BIGINT NOT NULL, readings BIGINT NOT NULL,
  checksum BIGINT NOT NULL, marked BIGINT NOT NULL, computed_us BIGINT NOT NULL, disordered BLOB, contribution BLOB,
  PRIMARY KEY(hour, shard));
CREATE TABLE usage_spans(shard BIGINT NOT NULL PRIMARY KEY, spans BLOB NOT NULL);
CREATE TABLE usage_state(id BIGINT NOT NULL PRIMARY KEY, computed_to_us BIGINT NOT NULL, cutoff_us BIGINT NOT NULL);
INSERT INTO usage_state(id, computed_to_us, cutoff_us) VALUES (1, 0, 0);
CREATE VIEW usage_trend AS SELECT
  s.period AS period, strftime('%Y-%m-%dT%H:%M:%SZ', s.begin_us / 1000000, 'unixepoch') AS begin_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', s.end_us / 1000000, 'unixepoch') AS end_time, p.tenant AS tenant, p.district AS district,
  p.zone AS zone, printf('%.3f', s.used / 1000.0) AS used_m3, printf('%.3f', s.estimated / 1000.0) AS estimated_m3,
  s.meters AS meters, s.packets AS packets, s.end_us <= (SELECT computed_to_us FROM usage_state) AS final,
  s.begin_us AS begin_us, s.end_us AS end_us
  FROM usage_sums s JOIN usage_places p ON p.id = s.place;
CREATE VIEW peak_flow AS SELECT
  k.period AS period, strftime('%Y-%m-%dT%H:%M:%SZ', k.begin_us / 1000000, 'unixepoch') AS begin_time,
  strftime('%Y-%m-%dT%H:%M:%SZ', k.end_us / 1000000, 'unixepoch') AS end_time, p.tenant AS tenant, p.district AS district,
  p.zone AS zone, printf('%.3f', k.peak * 12 / 1000.0) AS peak_m3h,
  strftime('%Y-%m-%dT%H:%M:%SZ', k.peak_us / 1000000, 'unixepoch') AS peak_time,
  printf('%.3f', s.used * 3600000.0 / (s.end_us - s.begin_us)) AS mean_m3h,
  k.end_us <= (SELECT computed_to_us FROM usage_state) AS final, k.begin_us AS begin_us, k.end_us AS end_us
  FROM usage_peaks k JOIN usage_places p ON p.id = k.place
  JOIN usage_sums s ON s.period = k.period AND s.place = k.place AND s.begin_us = k.begin_us;
)sql";

}  // namespace meterhub::tables
