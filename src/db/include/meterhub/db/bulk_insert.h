// Many rows by few statements: rows are gathered and written by one multi-row INSERT.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::db {

// NULL, integer, real, text, blob.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, base::Bytes>;

// Writes inside the caller's transaction. One thread; dies before its Connection.
class BulkInsert {
 public:
  // `into` is the statement up to VALUES, as "INSERT INTO t(a, b)"; `tail` follows the
  // values, as "ON CONFLICT DO NOTHING". Rows are flushed by `rows_per_statement` (fewer
  // when the parameters would pass 32,766).
  BulkInsert(Connection& connection, std::string into, std::size_t columns, std::string tail = {},
             std::size_t rows_per_statement = 256);

  // `row` has exactly `columns` values; they are moved from.
  base::Result<void> add(std::vector<Value> row);
  // Writes what is left. Without it the last rows are lost.
  base::Result<void> finish();
  // Rows the database took (those a conflict clause skipped are not counted).
  std::int64_t inserted() const { return inserted_; }

 private:
  std::string statement_text(std::size_t rows) const;
  base::Result<void> write(Statement& statement);

  Connection& connection_;
  std::string into_;
  std::size_t columns_;
  std::string tail_;
  std::size_t rows_per_statement_;
  std::vector<Value> values_;  // of the rows gathered, row after row
  std::vector<Statement> full_;  // the compiled statement for a full block, once made
  std::int64_t inserted_ = 0;
};

// Binds one value of any kind.
void bind_value(Statement& statement, int index, const Value& value);

}  // namespace meterhub::db
