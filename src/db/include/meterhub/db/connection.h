// SQL databases behind one small interface: SQLite now. SQL is kept portable to
// PostgreSQL: parameters are written `?` and bound in order from 1, times are BIGINT
// microseconds, upserts are ON CONFLICT, keys come from RETURNING or AUTOINCREMENT columns.
//
// Errors of every call: kUnavailable (another process holds the write lock longer than
// the busy timeout; try again), kAlreadyExists (a UNIQUE or PRIMARY KEY), kPrecondition
// (any other constraint), kCorrupt (not a database, or damaged), kTooLarge, kIo (disk),
// kInvalidArgument (SQL that does not compile, or an unreadable path).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <meterhub/base/bytes.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>

struct sqlite3;
struct sqlite3_stmt;

namespace meterhub::db {

// A compiled statement. Belongs to its Connection's thread and dies before it. Texts and
// blobs are copied at bind(); views given by text() and blob() live until the next step().
class Statement {
 public:
  // Parameters, from 1. A mistake here (index, size) is reported by the next step().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, base::BytesView blob);
  Statement& bind(int index, base::Timestamp time) { return bind(index, std::int64_t{time.time_since_epoch().count()}); }
  Statement& bind_null(int index);
  template <class... Values>
  Statement& bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
    return *this;
  }

  // True: a row is there. False: done, and the statement is ready to run again.
  base::Result<bool> step();
  // Runs to the end, whatever rows come; ready to run again, bound values kept.
  base::Result<void> run();
  // Gives up a half-read result.
  void reset();

  // Columns of the current row, from 0. A value of another type is converted as SQL does.
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string_view text(int column) const;
  base::BytesView blob(int column) const;
  base::Timestamp time(int column) const { return base::Timestamp(base::Duration(integer(column))); }
  int columns() const;
  std::string_view column_name(int column) const;

 private:
  friend class Connection;
  struct Close {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  void note(int code);

  std::unique_ptr<sqlite3_stmt, Close> statement_;
  int bind_error_ = 0;
};

struct OpenOptions {
  bool read_only = false;
  // How long a statement waits for another process's write lock.
  std::chrono::milliseconds busy_timeout = std::chrono::seconds(5);
  // Memory for pages; more only helps bulk loads.
  std::uint64_t cache_bytes = 16ULL << 20;
};

// One connection to one database file, in WAL mode with synchronous=FULL (a commit is on
// disk when it returns) and foreign keys on. One thread at a time.
class Connection {
 public:
  // Makes the file (mode 0600) when it is not there, unless read_only.
  static base::Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file, const OpenOptions& options = {});

  base::Result<Statement> prepare(std::string_view sql);
  // One or more statements without parameters or result, separated by `;`.
  base::Result<void> execute(std::string_view sql);
  // First column of the first row as a number; nothing when there is no row or it is NULL.
  base::Result<std::optional<std::int64_t>> query_integer(std::string_view sql);

  // Rows changed by the last INSERT, UPDATE or DELETE.
  std::int64_t changes() const;
  std::int64_t last_insert_id() const;
  bool in_transaction() const;
  void set_busy_timeout(std::chrono::milliseconds timeout);
  void set_cache_bytes(std::uint64_t bytes);
  // Moves the write-ahead log into the file and empties it, where no reader holds it back.
  base::Result<void> checkpoint();

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept;
  };
  explicit Connection(sqlite3* database) : database_(database) {}

  std::unique_ptr<sqlite3, Close> database_;
};

// A write transaction: takes the write lock at once, so that two processes cannot
// deadlock; rolls back unless committed. Not nested.
class Transaction {
 public:
  static base::Result<Transaction> begin(Connection& connection);
  Transaction(Transaction&& other) noexcept : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() { rollback(); }

  base::Result<void> commit();
  void rollback() noexcept;

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}
  Connection* connection_;
};

// `name` as an SQL identifier, quoted.
std::string quoted_name(std::string_view name);

}  // namespace meterhub::db
