#include <algorithm>
#include <utility>

#include "job_outputs.h"

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

// The columns that the job's statements give this output; those of `alerts` are fixed.
base::Result<std::vector<tables::Column>> columns_of(const sql::Plan& plan, const std::string& output, std::string_view table) {
  if (table == tables::kAlertsTable) return tables::alert_columns();
  std::vector<tables::Column> out;
  for (const auto& step : plan.steps) {
    if (!step.output || !same_name(*step.output, output)) continue;
    if (step.open) {
      return base::fail(base::Errc::kInvalidArgument, "output " + output + " goes to a table: name its columns instead of *");
    }
    for (const auto& column : step.columns) {
      const bool known = std::ranges::any_of(out, [&](const auto& c) { return same_name(c.name, column.name); });
      if (!column.hidden && !known) out.push_back({column.name, column_type(column.type)});
    }
  }
  return out;
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

bool is_whole(const engine::Value& value) { return value.kind == engine::Kind::kBigint || value.kind == engine::Kind::kBit; }

// The value as the column holds it; kInvalidArgument when it does not fit (stream-sql 9.2).
base::Result<tables::Cell> cell_of(const engine::Value& value, const tables::Column& column) {
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

class TableWriter final : public JobOutputWriter {
 public:
  TableWriter(tables::Database& database, tables::OutputId id, std::vector<tables::Column> columns)
      : database_(database), id_(id), columns_(std::move(columns)) {}

  base::Result<void> begin(const log::Assignment& assignment, const std::optional<std::string>& /*committed*/) override {
    const auto part = assignment.partition.partition.value;
    const auto stored = MH_TRY(database_.progress(id_, part));
    stored_[part] = stored.value_or(0);
    return {};
  }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView& record) override {
    tables::Row out;
    out.identity = {row.partition.value, static_cast<std::int64_t>(row.offset.value), row.place};
    if (out.identity.pos < stored_[row.partition.value]) return {};  // stored before a restart
    out.tenant = record.properties.tenant;
    out.event_time = engine::to_timestamp(row.time);
    for (const auto& column : columns_) {
      const auto it = std::ranges::find_if(row.columns, [&](const auto& c) { return same_name(c.name, column.name); });
      out.cells.push_back(it == row.columns.end() ? tables::Cell() : MH_TRY(cell_of(it->value, column)));
    }
    rows_.push_back(std::move(out));
    return {};
  }

  base::Result<std::optional<std::string>> store(const log::Assignment& assignment, base::Offset /*from*/, base::Offset next) override {
    const auto part = assignment.partition.partition.value;
    const auto to = static_cast<std::int64_t>(next.value);
    auto rows = std::exchange(rows_, {});
    if (to <= stored_[part]) return std::nullopt;
    MH_TRY_VOID(database_.write(id_, rows, {part, stored_[part], to, assignment.epoch}));
    stored_[part] = to;
    return std::nullopt;
  }

  void committed(const log::Assignment&) override {}

  void discard() override { rows_.clear(); }

 private:
  tables::Database& database_;
  const tables::OutputId id_;
  const std::vector<tables::Column> columns_;
  std::map<std::uint32_t, std::int64_t> stored_;  // by partition: rows before this are there
  std::vector<tables::Row> rows_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_table_output(tables::Database& database, const std::string& job,
                                                                 const std::string& output, const TableOutput& sink,
                                                                 const sql::Plan& plan) {
  auto columns = MH_TRY(columns_of(plan, output, sink.table));
  const auto id = MH_TRY(database.declare({job, output, sink.table, columns, sink.retention}));
  return std::make_unique<TableWriter>(database, id, std::move(columns));
}

}  // namespace meterhub::stream
