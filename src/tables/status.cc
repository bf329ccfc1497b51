#include <meterhub/tables/status.h>

#include <meterhub/base/time_text.h>
#include <meterhub/db/bulk_insert.h>

namespace meterhub::tables {
namespace {

constexpr std::string_view kMeters =
    "INSERT INTO meter_latest(Number, DeviceID, Tenant, District, Building, Floor, Unit, State, LastSeen, ReadingTime, Bought, "
    "Remaining, TotalUsed, MeterStatus, MeterSoftwareVer, BestRssi, BestSnr, Gateways, Flow, UsedToday, UsedYesterday, "
    "Exhausted, AsOf)";
constexpr std::size_t kMeterColumns = 23;
constexpr std::string_view kReplaceMeter =
    "ON CONFLICT(Number) DO UPDATE SET DeviceID = excluded.DeviceID, Tenant = excluded.Tenant, District = excluded.District, "
    "Building = excluded.Building, Floor = excluded.Floor, Unit = excluded.Unit, State = excluded.State, "
    "LastSeen = excluded.LastSeen, ReadingTime = excluded.ReadingTime, Bought = excluded.Bought, "
    "Remaining = excluded.Remaining, TotalUsed = excluded.TotalUsed, MeterStatus = excluded.MeterStatus, "
    "MeterSoftwareVer = excluded.MeterSoftwareVer, BestRssi = excluded.BestRssi, BestSnr = excluded.BestSnr, "
    "Gateways = excluded.Gateways, Flow = excluded.Flow, UsedToday = excluded.UsedToday, "
    "UsedYesterday = excluded.UsedYesterday, Exhausted = excluded.Exhausted, AsOf = excluded.AsOf";
constexpr std::string_view kFigures =
    "Meters, Online, Silent, Low, Closed, Faulty, Unheard, OpenAlarms, Flow, UsedToday, UsedYesterday, UsedWeekAgo, AsOf)";
constexpr std::size_t kFigureColumns = 13;

double cubic_metres(std::int64_t litres) { return static_cast<double>(litres) / 1000; }

db::Value amount(const std::optional<std::int64_t>& litres) {
  return litres ? db::Value(cubic_metres(*litres)) : db::Value();
}
db::Value number(const std::optional<std::int64_t>& value) { return value ? db::Value(*value) : db::Value(); }
db::Value text_or_null(std::string text) { return text.empty() ? db::Value() : db::Value(std::move(text)); }

void add_figures(std::vector<db::Value>& values, const AreaRow& row, const std::string& as_of) {
  for (const auto count : {row.meters, row.online, row.silent, row.low, row.closed, row.faulty, row.unheard, row.open_alarms})
    values.emplace_back(std::int64_t{count});
  for (const auto litres : {row.flow, row.used_today, row.used_yesterday, row.used_week_ago})
    values.emplace_back(cubic_metres(litres));
  values.emplace_back(as_of);
}

}  // namespace

base::Result<void> write_meters(db::Connection& connection, std::span<const MeterRow> rows, base::Timestamp as_of) {
  db::BulkInsert block(connection, std::string(kMeters), kMeterColumns, std::string(kReplaceMeter));
  const auto at = base::rfc3339(as_of);
  for (const auto& row : rows) {
    MH_TRY_VOID(block.add({std::int64_t{row.number.value}, row.eui.text(), row.tenant, row.district, row.building, row.floor,
                           row.unit, std::string(row.state),
                           row.last_seen == base::Timestamp{} ? db::Value() : db::Value(base::rfc3339(row.last_seen)),
                           row.reading_time ? db::Value(base::rfc3339(*row.reading_time)) : db::Value(), amount(row.bought),
                           amount(row.left), amount(row.used), number(row.status), text_or_null(row.version),
                           number(row.rssi), row.snr ? db::Value(*row.snr) : db::Value(), std::int64_t{row.gateways},
                           cubic_metres(row.flow), cubic_metres(row.used_today), cubic_metres(row.used_yesterday),
                           text_or_null(row.exhausted), at}));
  }
  return block.finish();
}

base::Result<void> keep_meters(db::Connection& connection, const std::vector<bool>& meters) {
  std::vector<std::int64_t> gone;
  auto row = MH_TRY(connection.prepare("SELECT Number FROM meter_latest"));
  while (MH_TRY(row.step())) {
    const auto number = row.integer(0);
    if (number < 0 || static_cast<std::size_t>(number) >= meters.size() || !meters[static_cast<std::size_t>(number)])
      gone.push_back(number);
  }
  auto remove = MH_TRY(connection.prepare("DELETE FROM meter_latest WHERE Number = ?"));
  for (const auto number : gone) MH_TRY_VOID(remove.bind_all(number).run());
  return {};
}

base::Result<void> write_areas(db::Connection& connection, std::span<const AreaRow> buildings,
                               std::span<const AreaRow> districts, base::Timestamp as_of) {
  const auto at = base::rfc3339(as_of);
  MH_TRY_VOID(connection.execute("DELETE FROM building_status; DELETE FROM district_status"));
  db::BulkInsert of_buildings(connection,
                              "INSERT INTO building_status(Number, Tenant, District, Building, " + std::string(kFigures),
                              4 + kFigureColumns);
  for (const auto& row : buildings) {
    std::vector<db::Value> values{std::int64_t{row.number}, row.tenant, row.district, row.building};
    add_figures(values, row, at);
    MH_TRY_VOID(of_buildings.add(std::move(values)));
  }
  MH_TRY_VOID(of_buildings.finish());
  db::BulkInsert of_districts(connection, "INSERT INTO district_status(Tenant, District, Buildings, " + std::string(kFigures),
                              3 + kFigureColumns);
  for (const auto& row : districts) {
    std::vector<db::Value> values{row.tenant, row.district, std::int64_t{row.buildings}};
    add_figures(values, row, at);
    MH_TRY_VOID(of_districts.add(std::move(values)));
  }
  return of_districts.finish();
}

}  // namespace meterhub::tables
