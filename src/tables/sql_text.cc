#include "sql_text.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include <meterhub/base/time_text.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {
namespace {

using base::Errc;

constexpr std::array<std::string_view, 8> kOwn{"Job", "Output", "Part", "Pos", "Sub", "Tenant", "EventTime", "CreatedAt"};
constexpr std::array<std::string_view, 24> kOwnTables{
    "progress",      "outputs",          "output_columns",   "positions",       "episodes",        "episode_history",
    "episode_pending", "episode_flows",  "meter_latest",     "building_status", "district_status", "outbox",
    "outbox_notices", "outbox_gathered", "completeness_day", "completeness_closed", "usage_places", "usage_sums",
    "usage_peaks",   "usage_units",      "usage_spans",      "usage_state",     "usage_trend",     "peak_flow"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return lower(c); });
  return out;
}

bool plain_name(std::string_view name) {
  const auto good = [](char c) { return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= 63 && std::ranges::all_of(name, good);
}

std::string_view type_name(ColumnType type) {
  switch (type) {
    case ColumnType::kBigint:
    case ColumnType::kBit: return "BIGINT";
    case ColumnType::kFloat: return "DOUBLE PRECISION";
    case ColumnType::kDecimal:
    case ColumnType::kText:
    case ColumnType::kDatetime: break;
  }
  return "TEXT";
}

bool is_there(std::string_view name, const std::vector<Column>& columns) {
  return std::ranges::any_of(columns, [&](const Column& column) { return lower(column.name) == lower(name); });
}

std::string own_names(const std::vector<Column>& columns) {
  std::string out;
  for (const auto name : kOwn) out += (out.empty() ? "" : ", ") + own(name, columns);
  return out;
}

}  // namespace

std::string own_column_name(std::string_view name, const std::vector<Column>& columns) {
  std::string out(name);
  while (is_there(out, columns)) out.insert(0, 1, '_');
  return out;
}

std::string own(std::string_view name, const std::vector<Column>& columns) {
  return db::quoted_name(own_column_name(name, columns));
}

base::Result<void> check_output(const OutputSpec& spec) {
  const auto table = lower(spec.table);
  if (!plain_name(spec.table) || table.starts_with("sqlite_") || table == "schema_migrations" ||
      std::ranges::find(kOwnTables, table) != kOwnTables.end()) {
    return base::fail(Errc::kInvalidArgument, "'" + spec.table + "' cannot be a table: use letters, digits and _");
  }
  if (spec.columns.empty()) return base::fail(Errc::kInvalidArgument, "an output has at least one column");
  std::set<std::string> seen;
  for (const auto& column : spec.columns) {
    const auto name = lower(column.name);
    if (name.empty() || name.find('\0') != std::string::npos) {
      return base::fail(Errc::kInvalidArgument, "'" + column.name + "' cannot be a column of an output table");
    }
    if (!seen.insert(name).second) return base::fail(Errc::kInvalidArgument, "column '" + column.name + "' is there twice");
  }
  return {};
}

std::string create_table_text(std::string_view table, const std::vector<Column>& columns) {
  std::string own_columns;
  for (const auto& column : columns) own_columns += fmt::format("{} {}, ", db::quoted_name(column.name), type_name(column.type));
  const auto name = db::quoted_name(table);
  const auto mine = [&](std::string_view own_column) { return own(own_column, columns); };
  std::string text = fmt::format("CREATE TABLE {}({}", name, own_columns);
  for (const auto* const number : {"Tenant", "EventTime", "CreatedAt"}) text += mine(number) + " BIGINT NOT NULL, ";
  for (const auto* const word : {"Job", "Output"}) text += mine(word) + " TEXT NOT NULL, ";
  for (const auto* const number : {"Part", "Pos", "Sub"}) text += mine(number) + " BIGINT NOT NULL, ";
  text += fmt::format("{} INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE({}, {}, {}, {}, {})); ", mine("Id"), mine("Job"),
                      mine("Output"), mine("Part"), mine("Pos"), mine("Sub"));
  return text + fmt::format("CREATE INDEX {1} ON {0}({3}, {5}); CREATE INDEX {2} ON {0}({4})", name,
                            db::quoted_name(fmt::format("{}_by_tenant", table)),
                            db::quoted_name(fmt::format("{}_by_created", table)), mine("Tenant"), mine("CreatedAt"),
                            mine("Id"));
}

std::string insert_text(std::string_view table, const std::vector<Column>& columns) {
  std::string names = own_names(columns);
  for (const auto& column : columns) names += ", " + db::quoted_name(column.name);
  return fmt::format("INSERT INTO {}({})", db::quoted_name(table), names);
}

std::string select_from_text(std::string_view table, const std::vector<Column>& columns) {
  std::string names = own("Id", columns) + ", " + own_names(columns);
  for (const auto& column : columns) names += ", " + db::quoted_name(column.name);
  return "SELECT " + names + " FROM " + db::quoted_name(table);
}

std::string select_text(std::string_view table, const std::vector<Column>& columns, std::string_view order) {
  return fmt::format("{0} WHERE {1} > ? AND (? < 0 OR {2} = ?) ORDER BY {1} {3} LIMIT ?", select_from_text(table, columns),
                     own("Id", columns), own("Tenant", columns), order);
}

std::string cell_text(const Cell& cell) {
  struct Convert {
    std::string operator()(std::monostate) const { return {}; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(base::Timestamp v) const { return base::rfc3339(v); }
    std::string operator()(bool v) const { return v ? "1" : "0"; }
  };
  return std::visit(Convert(), cell);
}

}  // namespace meterhub::tables
