// Roll-ups: what is read.
#include <meterhub/base/bytes.h>
#include <meterhub/tables/usage.h>

#include "usage_blobs.h"

namespace meterhub::tables {
namespace {

UsagePlace place_at(const db::Statement& row, int column) {
  return {base::TenantNumber(static_cast<std::uint32_t>(row.integer(column))), std::string(row.text(column + 1)),
          std::string(row.text(column + 2))};
}

// Parameters: see bind_query().
constexpr std::string_view kWhere =
    " WHERE s.period = ? AND s.begin_us >= ? AND s.begin_us < ? AND (? < 0 OR p.tenant = ?) AND (? = 0 OR p.district = ?) "
    "AND (? = 0 OR p.zone = ?) ";

void bind_query(db::Statement& row, const UsageQuery& query) {
  const std::int64_t tenant = query.tenant ? std::int64_t{query.tenant->value} : -1;
  const auto limit = static_cast<std::int64_t>(std::min<std::size_t>(query.limit, INT64_MAX));
  row.bind_all(period_name(query.period), query.from, query.to, tenant, tenant,
               std::int64_t{query.district.has_value()}, std::string_view(query.district ? *query.district : ""),
               std::int64_t{query.zone.has_value()}, std::string_view(query.zone ? *query.zone : ""), limit);
}

}  // namespace

base::Result<std::map<UsagePlaceId, UsagePlace>> usage_places(db::Connection& connection) {
  auto row = MH_TRY(connection.prepare("SELECT id, tenant, district, zone FROM usage_places"));
  std::map<UsagePlaceId, UsagePlace> out;
  while (MH_TRY(row.step())) out.emplace(UsagePlaceId(row.integer(0)), place_at(row, 1));
  return out;
}

base::Result<UsageState> usage_state(db::Connection& connection) {
  auto row = MH_TRY(connection.prepare("SELECT computed_to_us, cutoff_us FROM usage_state"));
  if (!MH_TRY(row.step())) return UsageState();
  return UsageState{row.time(0), row.time(1)};
}

base::Result<std::vector<UsageUnitMark>> usage_units(db::Connection& connection) {
  auto row = MH_TRY(connection.prepare(
      "SELECT hour, shard, files, lake, marked, contribution IS NOT NULL, computed_us FROM usage_units ORDER BY hour, shard"));
  std::vector<UsageUnitMark> out;
  while (MH_TRY(row.step())) {
    out.push_back({.key = {row.integer(0), static_cast<std::uint8_t>(row.integer(1))},
                   .files = std::string(row.text(2)),
                   .lake = static_cast<std::uint64_t>(row.integer(3)),
                   .marked = row.integer(4) != 0,
                   .kept = row.integer(5) != 0,
                   .computed = row.time(6)});
  }
  return out;
}

base::Result<std::optional<UsageUnit>> usage_unit(db::Connection& connection, UsageUnitKey key) {
  auto row =
      MH_TRY(connection.prepare("SELECT files, lake, readings, checksum, computed_us, disordered FROM usage_units "
                                "WHERE hour = ? AND shard = ?"));
  row.bind_all(key.hour, std::int64_t{key.shard});
  if (!MH_TRY(row.step())) return std::nullopt;
  UsageUnit out{.key = key, .files = std::string(row.text(0))};
  out.lake = static_cast<std::uint64_t>(row.integer(1));
  out.readings = static_cast<std::uint64_t>(row.integer(2));
  out.checksum = static_cast<std::uint64_t>(row.integer(3));
  out.computed = row.time(4);
  if (!row.blob(5).empty()) out.disordered = MH_TRY(parse_meters(base::as_text(row.blob(5))));
  return out;
}

base::Result<MeterSpans> meter_spans(db::Connection& connection, std::uint8_t shard) {
  auto row = MH_TRY(connection.prepare("SELECT spans FROM usage_spans WHERE shard = ?"));
  row.bind_all(std::int64_t{shard});
  if (!MH_TRY(row.step())) return MeterSpans();
  return parse_spans(base::as_text(row.blob(0)));
}

base::Result<std::vector<UsageRow>> usage_rows(db::Connection& connection, const UsageQuery& query) {
  const std::string district = query.by_district ? "p.district" : "''";
  const std::string zone = query.by_zone ? "p.zone" : "''";
  auto row = MH_TRY(connection.prepare(
      "SELECT s.begin_us, s.end_us, p.tenant, " + district + ", " + zone +
      ", sum(s.used), sum(s.estimated), sum(s.meters), sum(s.packets) FROM usage_sums s JOIN usage_places p ON p.id = s.place" +
      std::string(kWhere) + "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 4, 5 LIMIT ?"));
  bind_query(row, query);
  std::vector<UsageRow> out;
  while (MH_TRY(row.step())) {
    out.push_back(
        {row.time(0), row.time(1), place_at(row, 2), {row.integer(5), row.integer(6), row.integer(7), row.integer(8)}});
  }
  return out;
}

base::Result<std::vector<PeakRow>> peak_rows(db::Connection& connection, const UsageQuery& query) {
  auto row = MH_TRY(connection.prepare(
      "SELECT s.begin_us, s.end_us, p.tenant, p.district, p.zone, s.peak, s.peak_us, u.used FROM usage_peaks s "
      "JOIN usage_places p ON p.id = s.place JOIN usage_sums u ON u.period = s.period AND u.place = s.place AND "
      "u.begin_us = s.begin_us" +
      std::string(kWhere) + "ORDER BY 1, 3, 4, 5 LIMIT ?"));
  bind_query(row, query);
  std::vector<PeakRow> out;
  while (MH_TRY(row.step())) {
    out.push_back({row.time(0), row.time(1), place_at(row, 2), row.integer(5), row.time(6), row.integer(7)});
  }
  return out;
}

}  // namespace meterhub::tables
