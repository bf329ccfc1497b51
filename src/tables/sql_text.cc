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

constexpr std::string_view kOwn = "Job, Output, Part, Pos, Sub, Tenant, EventTime, CreatedAt";
constexpr std::array<std::string_view, 9> kOwnNames{"id", "job", "output", "part", "pos", "sub", "tenant", "eventtime", "createdat"};
constexpr std::array<std::string_view, 3> kOwnTables{"progress", "outputs", "output_columns"};

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

}  // namespace

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
    if (name.empty() || name.find('\0') != std::string::npos || std::ranges::find(kOwnNames, name) != kOwnNames.end()) {
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
  return fmt::format(
      "CREATE TABLE {0}({1}Tenant BIGINT NOT NULL, EventTime BIGINT NOT NULL, CreatedAt BIGINT NOT NULL, Job TEXT NOT NULL, "
      "Output TEXT NOT NULL, Part BIGINT NOT NULL, Pos BIGINT NOT NULL, Sub BIGINT NOT NULL, "
      "Id INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE(Job, Output, Part, Pos, Sub)); "
      "CREATE INDEX {2} ON {0}(Tenant, Id); CREATE INDEX {3} ON {0}(CreatedAt)",
      name, own_columns, db::quoted_name(fmt::format("{}_by_tenant", table)), db::quoted_name(fmt::format("{}_by_created", table)));
}

std::string insert_text(std::string_view table, const std::vector<Column>& columns) {
  std::string names(kOwn);
  for (const auto& column : columns) names += ", " + db::quoted_name(column.name);
  return fmt::format("INSERT INTO {}({})", db::quoted_name(table), names);
}

std::string select_text(std::string_view table, const std::vector<Column>& columns, std::string_view condition, std::string_view order) {
  std::string names = "Id, " + std::string(kOwn);
  for (const auto& column : columns) names += ", " + db::quoted_name(column.name);
  return fmt::format("SELECT {} FROM {} WHERE {} AND (? < 0 OR Tenant = ?) ORDER BY Id {} LIMIT ?", names, db::quoted_name(table), condition, order);
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
