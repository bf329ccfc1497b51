// Roll-ups: what is written.
#include <meterhub/tables/usage.h>

#include <algorithm>

#include <meterhub/base/bytes.h>
#include <meterhub/base/commit_point.h>
#include <meterhub/db/bulk_insert.h>

#include "usage_blobs.h"

namespace meterhub::tables {
namespace {

using base::Errc;

std::int64_t micros(base::Timestamp at) { return at.time_since_epoch().count(); }
constexpr std::int64_t kHourMicros = 3'600'000'000;

base::Result<std::int64_t> stored_cutoff(db::Connection& connection) {
  return MH_TRY(connection.query_integer("SELECT cutoff_us FROM usage_state")).value_or(0);
}

// The old contribution of the unit; empty when there is no such unit.
base::Result<UsageSums> old_sums(db::Connection& connection, UsageUnitKey key) {
  auto row = MH_TRY(connection.prepare("SELECT contribution FROM usage_units WHERE hour = ? AND shard = ?"));
  row.bind_all(key.hour, std::int64_t{key.shard});
  if (!MH_TRY(row.step())) return UsageSums();
  if (row.is_null(0)) return base::fail(Errc::kPrecondition, "what this hour contributed is not known any more");
  return parse_sums(base::as_text(row.blob(0)));
}

// What moves the sums from one contribution to another.
UsageSums difference(UsageSums now, const UsageSums& before) {
  for (const auto& [key, old] : before) now[key] += {-old.used, -old.estimated, -old.meters, -old.packets};
  std::erase_if(now, [](const auto& one) { return one.second == UsageValues(); });
  return now;
}

base::Result<void> move_sums(db::Connection& connection, const UsageSums& by) {
  db::BulkInsert block(
      connection, "INSERT INTO usage_sums(period, place, begin_us, end_us, used, estimated, meters, packets)", 8,
      "ON CONFLICT(period, place, begin_us) DO UPDATE SET used = usage_sums.used + excluded.used, "
      "estimated = usage_sums.estimated + excluded.estimated, meters = usage_sums.meters + excluded.meters, "
      "packets = usage_sums.packets + excluded.packets");
  for (const auto& [key, values] : by) {
    MH_TRY_VOID(block.add({std::string(period_name(key.period)), key.place.value, micros(key.begin), micros(key.end),
                           values.used, values.estimated, values.meters, values.packets}));
  }
  MH_TRY_VOID(block.finish());
  auto remove =
      MH_TRY(connection.prepare("DELETE FROM usage_sums WHERE period = ? AND place = ? AND begin_us = ? "
                                "AND used = 0 AND estimated = 0 AND meters = 0 AND packets = 0"));
  for (const auto& [key, values] : by) {
    if (values.packets >= 0 && values.meters >= 0) continue;
    MH_TRY_VOID(remove.bind_all(period_name(key.period), key.place.value, micros(key.begin)).run());
  }
  return {};
}

base::Result<void> write_unit(db::Connection& connection, const UsageUnit& unit,
                              const std::optional<std::string>& sums) {
  auto row = MH_TRY(connection.prepare(
      "INSERT INTO usage_units(hour, shard, files, lake, readings, checksum, marked, computed_us, disordered, contribution) "
      "VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?) ON CONFLICT(hour, shard) DO UPDATE SET files = excluded.files, lake = excluded.lake, "
      "readings = excluded.readings, checksum = excluded.checksum, marked = 0, computed_us = excluded.computed_us, "
      "disordered = excluded.disordered, contribution = excluded.contribution"));
  const auto disordered = unit.disordered.empty() ? std::string() : meters_bytes(unit.disordered);
  row.bind_all(unit.key.hour, std::int64_t{unit.key.shard}, std::string_view(unit.files),
               static_cast<std::int64_t>(unit.lake), static_cast<std::int64_t>(unit.readings),
               static_cast<std::int64_t>(unit.checksum), unit.computed, base::as_bytes(disordered));
  if (sums) {
    row.bind(9, base::as_bytes(*sums));
  } else {
    row.bind_null(9);
  }
  return row.run();
}

}  // namespace

UsageValues& UsageValues::operator+=(const UsageValues& other) {
  used += other.used;
  estimated += other.estimated;
  meters += other.meters;
  packets += other.packets;
  return *this;
}

base::Result<UsagePlaceId> usage_place(db::Connection& connection, const UsagePlace& place) {
  auto find = MH_TRY(connection.prepare("SELECT id FROM usage_places WHERE tenant = ? AND district = ? AND zone = ?"));
  find.bind_all(std::int64_t{place.tenant.value}, std::string_view(place.district), std::string_view(place.zone));
  if (MH_TRY(find.step())) return UsagePlaceId(find.integer(0));
  auto add =
      MH_TRY(connection.prepare("INSERT INTO usage_places(tenant, district, zone) VALUES (?, ?, ?) RETURNING id"));
  add.bind_all(std::int64_t{place.tenant.value}, std::string_view(place.district), std::string_view(place.zone));
  if (!MH_TRY(add.step())) return base::fail(Errc::kInternal, "a place was given no number");
  const UsagePlaceId id(add.integer(0));
  add.reset();
  return id;
}

base::Result<UsageSums> put_usage_unit(db::Connection& connection, const UsageUnit& unit, const UsageSums& sums) {
  const auto cutoff = MH_TRY(stored_cutoff(connection));
  auto moved = difference(sums, MH_TRY(old_sums(connection, unit.key)));
  std::erase_if(moved, [&](const auto& one) {
    return one.first.period == UsagePeriod::kFiveMinutes && micros(one.first.begin) < cutoff;
  });
  MH_TRY_VOID(move_sums(connection, moved));
  const bool keeps = unit.key.hour * kHourMicros >= cutoff;
  MH_TRY_VOID(write_unit(connection, unit, keeps ? std::optional(sums_bytes(sums)) : std::nullopt));
  return moved;
}

base::Result<void> touch_usage_unit(db::Connection& connection, const UsageUnit& unit) {
  auto row = MH_TRY(connection.prepare(
      "UPDATE usage_units SET files = ?, lake = ?, marked = 0, computed_us = ? WHERE hour = ? AND shard = ?"));
  return row
      .bind_all(std::string_view(unit.files), static_cast<std::int64_t>(unit.lake), unit.computed, unit.key.hour,
                std::int64_t{unit.key.shard})
      .run();
}

base::Result<void> mark_usage_units(db::Connection& connection, std::span<const UsageUnitKey> units) {
  auto row = MH_TRY(connection.prepare("UPDATE usage_units SET marked = 1 WHERE hour = ? AND shard = ?"));
  for (const auto& unit : units) MH_TRY_VOID(row.bind_all(unit.hour, std::int64_t{unit.shard}).run());
  return {};
}

base::Result<void> renew_peaks(db::Connection& connection, std::span<const UsageKey> periods) {
  const auto cutoff = MH_TRY(stored_cutoff(connection));
  auto highest =
      MH_TRY(connection.prepare("SELECT used, begin_us FROM usage_sums WHERE period = '5min' AND place = ? AND "
                                "begin_us >= ? AND begin_us < ? ORDER BY used DESC, begin_us LIMIT 1"));
  auto put = MH_TRY(connection.prepare(
      "INSERT INTO usage_peaks(period, place, begin_us, end_us, peak, peak_us) VALUES (?, ?, ?, ?, ?, ?) "
      "ON CONFLICT(period, place, begin_us) DO UPDATE SET peak = excluded.peak, peak_us = excluded.peak_us"));
  auto drop = MH_TRY(connection.prepare("DELETE FROM usage_peaks WHERE period = ? AND place = ? AND begin_us = ?"));
  for (const auto& key : periods) {
    if (micros(key.begin) < cutoff) continue;
    highest.bind_all(key.place.value, micros(key.begin), micros(key.end));
    if (MH_TRY(highest.step())) {
      MH_TRY_VOID(put.bind_all(period_name(key.period), key.place.value, micros(key.begin), micros(key.end),
                               highest.integer(0), highest.integer(1))
                      .run());
    } else {
      MH_TRY_VOID(drop.bind_all(period_name(key.period), key.place.value, micros(key.begin)).run());
    }
    highest.reset();
  }
  return {};
}

base::Result<void> put_meter_spans(db::Connection& connection, std::uint8_t shard, const MeterSpans& spans) {
  const auto bytes = spans_bytes(spans);
  auto row =
      MH_TRY(connection.prepare("INSERT INTO usage_spans(shard, spans) VALUES (?, ?) "
                                "ON CONFLICT(shard) DO UPDATE SET spans = excluded.spans"));
  return row.bind_all(std::int64_t{shard}, base::as_bytes(bytes)).run();
}

base::Result<void> set_usage_computed_to(db::Connection& connection, base::Timestamp to) {
  auto row = MH_TRY(connection.prepare("UPDATE usage_state SET computed_to_us = ?"));
  return row.bind_all(to).run();
}

base::Result<std::int64_t> expire_usage(db::Connection& connection, base::Timestamp cutoff, std::size_t limit) {
  auto state = MH_TRY(connection.prepare("UPDATE usage_state SET cutoff_us = ? WHERE cutoff_us < ?"));
  MH_TRY_VOID(state.bind_all(cutoff, cutoff).run());
  const auto stands = MH_TRY(stored_cutoff(connection));
  const auto most = static_cast<std::int64_t>(limit);
  std::vector<std::int64_t> places;
  auto place = MH_TRY(connection.prepare("SELECT id FROM usage_places"));
  while (MH_TRY(place.step())) places.push_back(place.integer(0));
  std::int64_t removed = 0;
  auto remove = MH_TRY(connection.prepare(
      "DELETE FROM usage_sums WHERE period = '5min' AND place = ? AND begin_us < (SELECT coalesce(min(begin_us), 0) + ? "
      "FROM usage_sums WHERE period = '5min' AND place = ?) AND begin_us < ?"));
  for (const auto id : places) {
    if (removed >= most) return removed;
    const auto span = (most - removed) * 300'000'000;
    MH_TRY_VOID(remove.bind_all(id, span, id, stands).run());
    removed += connection.changes();
  }
  auto forget = MH_TRY(connection.prepare(
      "UPDATE usage_units SET contribution = NULL WHERE contribution IS NOT NULL AND hour < ? AND hour < "
      "(SELECT min(hour) FROM usage_units WHERE contribution IS NOT NULL) + ?"));
  MH_TRY_VOID(forget.bind_all(stands / kHourMicros, std::max<std::int64_t>(1, (most - removed) / 64)).run());
  return removed + connection.changes();
}

}  // namespace meterhub::tables
