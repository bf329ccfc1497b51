// DuckDB behind value-or-error calls: an instance with its limits, connections,
// prepared statements, results by chunks, and batches bound as tables.
//
//   auto db = MH_TRY(duck::Database::open({.threads = 1}));
//   auto connection = MH_TRY(db.connect());
//   auto source = MH_TRY(connection.register_batch_source("events", {{"meter", Type::kUinteger}, …}));
//   auto statement = MH_TRY(connection.prepare("SELECT … FROM events() WHERE …"));
//   each tick: source.bind(views); auto rows = MH_TRY(statement.execute()); source.clear();
//
// Everything made from a database may outlive it: the instance closes with the last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/duck/batch.h>

namespace meterhub::duck {

struct Options {
  std::string path{};                    // empty = in memory
  std::uint64_t memory_limit = 512ull << 20;  // bytes
  unsigned threads = 1;
  std::string temp_directory{};          // spills there; empty = never spills
  // Files the SQL may touch. Without external access, only those below the allowed
  // directories; none allowed = no file at all (kernels).
  bool external_access = false;
  std::vector<std::string> allowed_directories{};  // absolute
  // No statement may change settings afterwards.
  bool lock_configuration = true;
};

// Part of a result: up to 2,048 rows. Lives on its own.
class Chunk {
 public:
  __extension__ typedef __int128 Int128;

  std::size_t rows() const { return rows_; }
  bool is_null(std::size_t column, std::size_t row) const;
  // T must be the column's type in memory (batch.h).
  template <class T>
  std::span<const T> values(std::size_t column) const {
    return {static_cast<const T*>(data(column)), rows_};
  }
  // A kVarchar column's value; the view lives as long as the chunk.
  std::string_view text(std::size_t column, std::size_t row) const {
    return values<Text>(column)[row].view();
  }
  // A kHugeint column's value (sums of integers).
  Int128 hugeint(std::size_t column, std::size_t row) const;

 private:
  friend class Rows;
  explicit Chunk(void* handle);
  const void* data(std::size_t column) const;

  std::shared_ptr<void> handle_;
  std::size_t rows_ = 0;
};

// The rows of one execution, materialised: the sources bound to it are free again.
class Rows {
 public:
  const std::vector<Column>& columns() const { return columns_; }
  // The next chunk with at least one row; nothing at the end.
  std::optional<Chunk> next();
  // Of an INSERT, COPY, UPDATE or DELETE.
  std::uint64_t changed() const;

 private:
  friend class Connection;
  friend class Statement;
  struct State;
  explicit Rows(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;
  std::vector<Column> columns_;
};

// A prepared statement; parameters count from 1. One thread, that of its connection.
class Statement {
 public:
  base::Result<void> bind(std::size_t parameter, std::int64_t value);
  base::Result<void> bind(std::size_t parameter, double value);
  base::Result<void> bind(std::size_t parameter, std::string_view value);
  base::Result<void> bind(std::size_t parameter, base::Timestamp value);
  base::Result<void> bind_null(std::size_t parameter);
  // kInvalidArgument with DuckDB's text when the statement fails; kIo for file errors.
  base::Result<Rows> execute();

 private:
  friend class Connection;
  struct State;
  explicit Statement(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

struct SourceState;

// The table function `NAME()` that reads what is bound to it. Not bound = no rows.
// Rows come in the order of the batches, on one thread.
class BatchSource {
 public:
  // Columns as registered, in their order. What the views point at must stay until
  // the statement has run. Between executions, on the connection's thread.
  void bind(std::vector<BatchView> batches);
  void bind(BatchView batch) { bind(std::vector<BatchView>{batch}); }
  void clear() { bind(std::vector<BatchView>{}); }

 private:
  friend class Connection;
  explicit BatchSource(std::shared_ptr<SourceState> state) : state_(std::move(state)) {}
  std::shared_ptr<SourceState> state_;
};

// One thread at a time; statements of two connections run side by side.
class Connection {
 public:
  struct State;

  // `name` is a plain identifier, unique in the database.
  base::Result<BatchSource> register_batch_source(const std::string& name, std::vector<Column> columns);
  // One statement.
  base::Result<Statement> prepare(const std::string& sql);
  // One or more statements; the rows are the last one's.
  base::Result<Rows> query(const std::string& sql);

 private:
  friend class Database;
  explicit Connection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// Any thread.
class Database {
 public:
  struct State;

  static base::Result<Database> open(const Options& options);
  base::Result<Connection> connect();

 private:
  explicit Database(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// 'text' with quotes doubled; "name" likewise.
std::string literal(std::string_view text);
std::string identifier(std::string_view name);

}  // namespace meterhub::duck
