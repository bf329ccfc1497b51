// What the public types hold. Members close in reverse order: a result before its
// connection, a connection before its database.
#pragma once

#include <duckdb.h>

#include <meterhub/duck/database.h>

namespace meterhub::duck {

struct Database::State {
  duckdb_database handle = nullptr;
  ~State() { duckdb_close(&handle); }
};

struct Connection::State {
  std::shared_ptr<Database::State> database;
  duckdb_connection handle = nullptr;
  ~State() { duckdb_disconnect(&handle); }
};

struct Statement::State {
  std::shared_ptr<Connection::State> connection;
  duckdb_prepared_statement handle = nullptr;
  ~State() { duckdb_destroy_prepare(&handle); }
};

struct Rows::State {
  std::shared_ptr<Connection::State> connection;
  duckdb_result handle{};
  ~State() { duckdb_destroy_result(&handle); }
};

// Shared with DuckDB's catalog, which may keep it longer than the BatchSource.
struct SourceState {
  std::vector<Column> columns;
  std::vector<BatchView> bound;
};

// Registers `NAME()`; the catalog takes a share of `source`.
base::Result<void> register_source(duckdb_connection connection, const std::string& name,
                                   const std::shared_ptr<SourceState>& source);

}  // namespace meterhub::duck
