#include <meterhub/tables/table_reader.h>

#include <algorithm>

#include <meterhub/db/bulk_insert.h>
#include <meterhub/db/connection.h>

#include "row_reading.h"
#include "sql_text.h"

namespace meterhub::tables {
namespace {

using base::Errc;

// Ids searched by one statement, so that the time is looked at between; rises while it is quick.
constexpr std::int64_t kIdsOfStep = 50'000;
constexpr std::int64_t kIdsOfStepMax = 1'600'000;
constexpr std::chrono::milliseconds kQuick{100};

// A condition and what is bound to its parameters, in their order.
struct Condition {
  std::string text;
  std::vector<db::Value> values;

  void add(const std::string& sql, db::Value value) {
    text += " AND " + sql;
    values.push_back(std::move(value));
  }
  void add_any(const std::string& column, const std::vector<std::string>& any) {
    text += " AND " + column + " IN (";
    for (std::size_t i = 0; i < any.size(); ++i) text += i == 0 ? "?" : ", ?";
    text += ')';
    for (const auto& value : any) values.emplace_back(value);
  }
};

std::int64_t micros(base::Timestamp time) { return time.time_since_epoch().count(); }

// instr() knows no wildcards; lower() changes ASCII letters only.
void add_search(Condition& out, const std::vector<Column>& columns, const std::string& search) {
  std::string any;
  for (const auto& column : columns) {
    if (column.type != ColumnType::kText) continue;
    any += (any.empty() ? "instr(lower(" : " OR instr(lower(") + db::quoted_name(column.name) + "), lower(?)) > 0";
    out.values.emplace_back(search);
  }
  out.text += any.empty() ? " AND 0" : " AND (" + any + ")";
}

base::Result<Condition> condition_of(const RowFilter& filter, const std::vector<Column>& columns) {
  Condition out;
  if (filter.tenant) out.add(own("Tenant", columns) + " = ?", std::int64_t{filter.tenant->value});
  if (filter.from) out.add(own("EventTime", columns) + " >= ?", micros(*filter.from));
  if (filter.to) out.add(own("EventTime", columns) + " < ?", micros(*filter.to));
  if (!filter.jobs.empty()) out.add_any(own("Job", columns), filter.jobs);
  for (const auto& [name, any] : filter.texts) {
    if (std::ranges::find(columns, name, &Column::name) == columns.end()) {
      return base::fail(Errc::kInvalidArgument, "the table has no column '" + name + "'");
    }
    out.add_any(db::quoted_name(name), any);
  }
  if (!filter.search.empty()) add_search(out, columns, filter.search);
  return out;
}

void bind(db::Statement& row, int& index, const db::Value& value) {
  ++index;
  if (const auto* const number = std::get_if<std::int64_t>(&value)) row.bind(index, *number);
  if (const auto* const text = std::get_if<std::string>(&value)) row.bind(index, std::string_view(*text));
}

}  // namespace

struct TableReader::State {
  std::unique_ptr<db::Connection> connection;

  base::Result<std::vector<Column>> columns_of(std::string_view table) const;
  // The lowest and highest id; nothing in an empty table.
  base::Result<std::optional<std::pair<std::int64_t, std::int64_t>>> ids(std::string_view table, const std::vector<Column>& columns) const;
};

base::Result<std::vector<Column>> TableReader::State::columns_of(std::string_view table) const {
  auto row = MH_TRY(connection->prepare("SELECT name, type FROM output_columns WHERE table_name = ? ORDER BY position"));
  row.bind(1, table);
  std::vector<Column> out;
  while (MH_TRY(row.step())) out.push_back({std::string(row.text(0)), static_cast<ColumnType>(row.integer(1))});
  if (out.empty()) return base::fail(Errc::kNotFound, "there is no table '" + std::string(table) + "'");
  return out;
}

base::Result<std::optional<std::pair<std::int64_t, std::int64_t>>> TableReader::State::ids(std::string_view table,
                                                                                           const std::vector<Column>& columns) const {
  const auto id = own("Id", columns);
  const auto name = db::quoted_name(table);
  const auto lowest = MH_TRY(connection->query_integer("SELECT min(" + id + ") FROM " + name));
  const auto highest = MH_TRY(connection->query_integer("SELECT max(" + id + ") FROM " + name));
  if (!lowest || !highest) return std::nullopt;
  return std::pair(*lowest, *highest);
}

TableReader::TableReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TableReader::~TableReader() = default;

base::Result<std::unique_ptr<TableReader>> TableReader::open(const std::filesystem::path& file) {
  auto state = std::make_unique<State>();
  state->connection = MH_TRY(db::Connection::open(file, {.read_only = true}));
  return std::unique_ptr<TableReader>(new TableReader(std::move(state)));
}

base::Result<StoredRows> TableReader::newest(std::string_view table, const RowFilter& filter, std::size_t limit,
                                             const base::Clock& clock, std::chrono::milliseconds within) {
  StoredRows out{MH_TRY(state_->columns_of(table)), {}};
  const auto condition = MH_TRY(condition_of(filter, out.columns));
  const auto ids = MH_TRY(state_->ids(table, out.columns));
  if (!ids) return out;
  const auto id = own("Id", out.columns);
  auto row = MH_TRY(state_->connection->prepare(select_from_text(table, out.columns) + " WHERE " + id + " > ? AND " + id + " < ?" +
                                                condition.text + " ORDER BY " + id + " DESC LIMIT ?"));
  const auto begin = clock.monotonic();
  std::int64_t step = kIdsOfStep;
  auto end = std::min(filter.before_id, ids->second + 1);
  while (end > ids->first && out.rows.size() < limit) {
    const auto step_begin = clock.monotonic();
    if (step_begin - begin > within) {
      return base::fail(Errc::kTimeout, "searching the table took too long: narrow it, as by tenant or to what is newer");
    }
    int index = 2;
    row.bind(1, end - 1 - step).bind(2, end);
    for (const auto& value : condition.values) bind(row, index, value);
    row.bind(++index, static_cast<std::int64_t>(limit - out.rows.size()));
    while (MH_TRY(row.step())) out.rows.push_back(read_row(row, out.columns));
    end -= step;
    if (clock.monotonic() - step_begin < kQuick) step = std::min(2 * step, kIdsOfStepMax);
  }
  return out;
}

}  // namespace meterhub::tables
