#include "output_cells.h"

#include <algorithm>
#include <optional>

namespace meterhub::stream {
namespace {

tables::ColumnType column_type(sql::Type type) {
  switch (type) {
    case sql::Type::kBigint: return tables::ColumnType::kBigint;
    case sql::Type::kFloat: return tables::ColumnType::kFloat;
    case sql::Type::kDatetime: return tables::ColumnType::kDatetime;
    case sql::Type::kBit: return tables::ColumnType::kBit;
    default: return tables::ColumnType::kText;
  }
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, [&](char x, char y) { return lower(x) == lower(y); });
}

std::string text_of(const engine::Value& value) {
  switch (value.kind) {
    case engine::Kind::kText:
    case engine::Kind::kRecord:
    case engine::Kind::kArray: return std::string(value.text);
    case engine::Kind::kDatetime: return engine::datetime_text(value.integer);
    case engine::Kind::kFloat: return value.text.empty() ? engine::float_text(value.number) : std::string(value.text);
    default: return std::to_string(value.integer);
  }
}

bool is_whole(const engine::Value& value) {
  return value.kind == engine::Kind::kBigint || value.kind == engine::Kind::kBit;
}

// The value as the column holds it; kInvalidArgument when it does not fit (stream-sql 9.2).
base::Result<tables::Cell> converted(const engine::Value& value, const tables::Column& column) {
  if (value.is_null()) return tables::Cell();
  const auto refuse = [&] {
    return base::fail(base::Errc::kInvalidArgument,
                      "column " + column.name + " cannot take a " + std::string(engine::kind_name(value.kind)));
  };
  switch (column.type) {
    case tables::ColumnType::kText: return tables::Cell(text_of(value));
    case tables::ColumnType::kBigint:
      if (!is_whole(value)) return refuse();
      return tables::Cell(value.integer);
    case tables::ColumnType::kBit:
      if (!is_whole(value)) return refuse();
      return tables::Cell(value.integer != 0);
    case tables::ColumnType::kFloat:
      if (value.kind == engine::Kind::kFloat) return tables::Cell(value.number);
      if (!is_whole(value)) return refuse();
      return tables::Cell(static_cast<double>(value.integer));
    case tables::ColumnType::kDecimal:
      if (value.kind != engine::Kind::kFloat && !is_whole(value)) return refuse();
      return tables::Cell(text_of(value));
    case tables::ColumnType::kDatetime: {
      const auto ticks = value.kind == engine::Kind::kDatetime ? std::optional(value.integer)
                         : value.kind == engine::Kind::kText   ? engine::parse_datetime(value.text)
                                                               : std::nullopt;
      if (!ticks) return refuse();
      return tables::Cell(engine::to_timestamp(*ticks));
    }
  }
  return refuse();
}

}  // namespace

base::Result<std::vector<tables::Column>> columns_of(const sql::Plan& plan, const std::string& output) {
  std::vector<tables::Column> out;
  for (const auto& step : plan.steps) {
    if (!step.output || !same_name(*step.output, output)) continue;
    if (step.open) {
      return base::fail(base::Errc::kInvalidArgument,
                        "output " + output + " keeps a table: name its columns instead of *");
    }
    for (const auto& column : step.columns) {
      const bool known = std::ranges::any_of(out, [&](const auto& c) { return same_name(c.name, column.name); });
      if (!column.hidden && !known) out.push_back({column.name, column_type(column.type)});
    }
  }
  return out;
}

base::Result<tables::Cell> cell_of(const engine::OutputRow& row, const tables::Column& column) {
  const auto it = std::ranges::find_if(row.columns, [&](const auto& c) { return same_name(c.name, column.name); });
  return it == row.columns.end() ? tables::Cell() : converted(it->value, column);
}

}  // namespace meterhub::stream
