#include "alerts.h"

#include <algorithm>
#include <type_traits>

#include <meterhub/base/json_text.h>
#include <meterhub/base/time_text.h>

namespace meterhub::console {
namespace {

constexpr std::size_t kEventRows = 100;
// A count may take this share of the time: one that took 10 ms is good for a second.
constexpr int kCountPause = 100;

void append_cell(std::string& out, const tables::Column& column, const tables::Cell& cell) {
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          out += "null";
        } else if constexpr (std::is_same_v<T, bool>) {
          out += value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, base::Timestamp>) {
          out += '"' + base::rfc3339(value) + '"';
        } else if constexpr (std::is_same_v<T, std::string>) {
          // Decimals are kept as their exact text.
          if (column.type == tables::ColumnType::kDecimal) {
            out += value;
          } else {
            base::append_json_string(out, value);
          }
        } else {
          base::append_json_number(out, value);
        }
      },
      cell);
}

void append_row(std::string& out, const std::vector<tables::Column>& columns, const tables::StoredRow& row) {
  out += "{\"id\":" + std::to_string(row.id);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    out += ',';
    base::append_json_string(out, columns[c].name);
    out += ':';
    append_cell(out, columns[c], row.cells[c]);
  }
  out += ",\"Tenant\":" + std::to_string(row.tenant.value) + ",\"job\":";
  base::append_json_string(out, row.job);
  out += '}';
}

std::string rows_json(const tables::StoredRows& rows) {
  std::string out = "[";
  for (const auto& row : rows.rows) {
    if (out.size() > 1) out += ',';
    append_row(out, rows.columns, row);
  }
  return out + ']';
}

}  // namespace

base::Result<std::string> alerts_json(const tables::Database& database, std::size_t limit, std::int64_t after,
                                      std::optional<base::TenantNumber> tenant) {
  const auto rows = database.after(tables::kAlertsTable, after, limit, tenant);
  if (!rows) return std::unexpected(rows.error());
  return rows_json(*rows);
}

void AlertFeed::look() {
  const auto newest = database_.newest_id(tables::kAlertsTable);
  if (!newest) return;  // the database is busy: the next look finds them
  before_ = last_id_.value_or(*newest);
  last_id_ = *newest;
}

std::string AlertFeed::fresh(std::optional<base::TenantNumber> tenant) const {
  if (!last_id_ || *last_id_ <= before_) return {};
  auto rows = database_.last(tables::kAlertsTable, kEventRows, tenant);
  if (!rows) return {};
  // A row written since then is left for the next look.
  std::erase_if(rows->rows, [&](const tables::StoredRow& row) { return row.id <= before_ || row.id > *last_id_; });
  return rows->rows.empty() ? std::string() : rows_json(*rows);
}

std::int64_t AlertFeed::total(const base::Clock& clock) {
  const auto newest = database_.newest_id(tables::kAlertsTable).value_or(counted_to_);
  const auto begin = clock.monotonic();
  if (begin < count_again_) return total_ + std::max<std::int64_t>(newest - counted_to_, 0);
  const auto count = database_.count(tables::kAlertsTable);
  if (!count) return total_;
  total_ = *count;
  counted_to_ = newest;
  count_again_ = clock.monotonic() + (clock.monotonic() - begin) * kCountPause;
  return total_;
}

}  // namespace meterhub::console
