#include <meterhub/db/connection.h>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <limits>

#include <meterhub/base/assert.h>

namespace meterhub::db {
namespace {

using base::Errc;

Errc error_code(int extended) {
  switch (extended & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::kUnavailable;
    case SQLITE_CONSTRAINT:
      return extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
                     extended == SQLITE_CONSTRAINT_ROWID
                 ? Errc::kAlreadyExists
                 : Errc::kPrecondition;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::kCorrupt;
    case SQLITE_TOOBIG:
      return Errc::kTooLarge;
    case SQLITE_ERROR:
    case SQLITE_RANGE:
    case SQLITE_CANTOPEN:
    case SQLITE_MISMATCH:
      return Errc::kInvalidArgument;
    default:
      return Errc::kIo;
  }
}

// SQLite's message names tables and columns, never bound values.
std::unexpected<base::Error> failure(sqlite3* database) {
  return base::fail(error_code(sqlite3_extended_errcode(database)), sqlite3_errmsg(database));
}

int size_of(std::size_t size) {
  return size > static_cast<std::size_t>(std::numeric_limits<int>::max()) ? -1 : static_cast<int>(size);
}

// SQLite would make the file by the umask; keys lie in it.
base::Result<void> make_private_file(const std::filesystem::path& file) {
  const int descriptor = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) return base::fail(Errc::kInvalidArgument, "cannot open " + file.string());
  ::close(descriptor);
  return {};
}

}  // namespace

void Statement::Close::operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }

void Statement::note(int code) {
  if (code != SQLITE_OK) bind_error_ = code;
}

Statement& Statement::bind(int index, std::int64_t value) {
  note(sqlite3_bind_int64(statement_.get(), index, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  note(sqlite3_bind_double(statement_.get(), index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();
  note(sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int index, base::BytesView blob) {
  const void* data = blob.data() == nullptr ? static_cast<const void*>("") : blob.data();
  note(sqlite3_bind_blob64(statement_.get(), index, data, blob.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind_null(int index) {
  note(sqlite3_bind_null(statement_.get(), index));
  return *this;
}

base::Result<bool> Statement::step() {
  sqlite3* database = sqlite3_db_handle(statement_.get());
  if (const int code = std::exchange(bind_error_, SQLITE_OK); code != SQLITE_OK) {
    reset();
    return base::fail(error_code(code), std::string("binding a parameter: ") + sqlite3_errstr(code));
  }
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) {
    auto error = failure(database);
    reset();
    return error;
  }
  reset();
  return false;
}

base::Result<void> Statement::run() {
  while (MH_TRY(step())) {
  }
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

base::BytesView Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

int Statement::columns() const { return sqlite3_column_count(statement_.get()); }

std::string_view Statement::column_name(int column) const {
  const char* name = sqlite3_column_name(statement_.get(), column);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

void Connection::Close::operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }

base::Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, const OpenOptions& options) {
  if (!options.read_only) MH_TRY_VOID(make_private_file(file));
  sqlite3* raw = nullptr;
  const int flags = options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  // The handle exists, and is closed, even when opening failed.
  auto connection = std::unique_ptr<Connection>(new Connection(raw));
  if (code != SQLITE_OK) return base::fail(error_code(code), "cannot open " + file.string() + ": " + sqlite3_errstr(code));
  connection->set_busy_timeout(options.busy_timeout);
  connection->set_cache_bytes(options.cache_bytes);
  if (options.read_only) return connection;
  auto settings = connection->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON");
  if (!settings) return std::unexpected(std::move(settings).error().in(file.string()));
  return connection;
}

base::Result<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int size = size_of(sql.size());
  if (size < 0) return base::fail(Errc::kTooLarge, "statement too long");
  if (sqlite3_prepare_v3(database_.get(), sql.data(), size, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return failure(database_.get());
  }
  if (statement == nullptr) return base::fail(Errc::kInvalidArgument, "an empty statement");
  return Statement(statement);
}

base::Result<void> Connection::execute(std::string_view sql) {
  const std::string text(sql);
  if (sqlite3_exec(database_.get(), text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failure(database_.get());
  return {};
}

base::Result<std::optional<std::int64_t>> Connection::query_integer(std::string_view sql) {
  auto statement = MH_TRY(prepare(sql));
  if (!MH_TRY(statement.step()) || statement.is_null(0)) return std::nullopt;
  return statement.integer(0);
}

std::int64_t Connection::changes() const { return sqlite3_changes64(database_.get()); }
std::int64_t Connection::last_insert_id() const { return sqlite3_last_insert_rowid(database_.get()); }
bool Connection::in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

void Connection::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(database_.get(), static_cast<int>(timeout.count()));
}

void Connection::set_cache_bytes(std::uint64_t bytes) {
  // Negative: KiB. It cannot fail on an open connection.
  const auto text = "PRAGMA cache_size=-" + std::to_string(bytes / 1024);
  sqlite3_exec(database_.get(), text.c_str(), nullptr, nullptr, nullptr);
}

base::Result<void> Connection::checkpoint() {
  const int code = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  // A reader beside us only means that the log is emptied another time.
  if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY) return failure(database_.get());
  return {};
}

base::Result<Transaction> Transaction::begin(Connection& connection) {
  MH_ASSERT(!connection.in_transaction());
  MH_TRY_VOID(connection.execute("BEGIN IMMEDIATE"));
  return Transaction(connection);
}

base::Result<void> Transaction::commit() {
  MH_ASSERT(connection_ != nullptr);
  auto done = connection_->execute("COMMIT");
  if (done) connection_ = nullptr;
  return done;
}

void Transaction::rollback() noexcept {
  // After some errors SQLite has rolled back by itself.
  if (connection_ != nullptr && connection_->in_transaction()) (void)connection_->execute("ROLLBACK");
  connection_ = nullptr;
}

std::string quoted_name(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace meterhub::db
