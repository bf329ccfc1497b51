#include "row_reading.h"

#include <meterhub/base/time_text.h>

namespace meterhub::tables {
namespace {

Cell read_cell(db::Statement& row, int column, ColumnType type) {
  if (row.is_null(column)) return std::monostate();
  switch (type) {
    case ColumnType::kBigint: return row.integer(column);
    case ColumnType::kFloat: return row.real(column);
    case ColumnType::kBit: return row.integer(column) != 0;
    case ColumnType::kDatetime:
      if (const auto time = base::parse_rfc3339(row.text(column))) return time->at;
      return std::string(row.text(column));
    case ColumnType::kDecimal:
    case ColumnType::kText: break;
  }
  return std::string(row.text(column));
}

}  // namespace

StoredRow read_row(db::Statement& row, const std::vector<Column>& columns) {
  StoredRow out;
  out.id = row.integer(0);
  out.job = row.text(1);
  out.output = row.text(2);
  out.identity = {static_cast<std::uint32_t>(row.integer(3)), row.integer(4), static_cast<std::uint32_t>(row.integer(5))};
  out.tenant = base::TenantNumber(static_cast<std::uint32_t>(row.integer(6)));
  out.event_time = row.time(7);
  out.created = row.time(8);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    out.cells.push_back(read_cell(row, kOwnColumns + static_cast<int>(i), columns[i].type));
  }
  return out;
}

}  // namespace meterhub::tables
