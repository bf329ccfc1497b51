#include <meterhub/base/assert.h>

#include "states.h"

namespace meterhub::duck {
namespace {

using base::Errc;

Errc class_of(duckdb_error_type type) {
  switch (type) {
    case DUCKDB_ERROR_IO:
    case DUCKDB_ERROR_CONNECTION:
      return Errc::kIo;
    case DUCKDB_ERROR_OUT_OF_MEMORY:
      return Errc::kResourceExhausted;
    case DUCKDB_ERROR_PERMISSION:
      return Errc::kForbidden;
    case DUCKDB_ERROR_INTERRUPT:
      return Errc::kCancelled;
    case DUCKDB_ERROR_FATAL:
    case DUCKDB_ERROR_INTERNAL:
      return Errc::kInternal;
    default:
      return Errc::kInvalidArgument;
  }
}

std::unexpected<base::Error> failed(duckdb_result& result) {
  const char* text = duckdb_result_error(&result);
  return base::fail(class_of(duckdb_result_error_type(&result)), text != nullptr ? text : "DuckDB failed");
}

base::Result<void> checked(duckdb_state state, const char* what) {
  if (state == DuckDBError) return base::fail(Errc::kInvalidArgument, what);
  return {};
}

Type decimal_type(duckdb_logical_type type) {
  const bool ours = duckdb_decimal_scale(type) == 3 && duckdb_decimal_internal_type(type) == DUCKDB_TYPE_BIGINT;
  return ours ? Type::kDecimal : Type::kOther;
}

Type type_of(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN: return Type::kBoolean;
    case DUCKDB_TYPE_UTINYINT: return Type::kUtinyint;
    case DUCKDB_TYPE_INTEGER: return Type::kInteger;
    case DUCKDB_TYPE_UINTEGER: return Type::kUinteger;
    case DUCKDB_TYPE_BIGINT: return Type::kBigint;
    case DUCKDB_TYPE_UBIGINT: return Type::kUbigint;
    case DUCKDB_TYPE_DOUBLE: return Type::kDouble;
    case DUCKDB_TYPE_VARCHAR: return Type::kVarchar;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ: return Type::kTimestamp;
    case DUCKDB_TYPE_DECIMAL: return decimal_type(type);
    case DUCKDB_TYPE_HUGEINT: return Type::kHugeint;
    default: return Type::kOther;
  }
}

std::string settings_of(const Options& options) {
  std::string sql = "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; ";
  sql += "SET memory_limit = '" + std::to_string(options.memory_limit) + "B'; ";
  sql += "SET threads = " + std::to_string(options.threads) + "; ";
  sql += "SET temp_directory = " + literal(options.temp_directory) + "; ";
  sql += "SET TimeZone = 'UTC'; ";
  if (!options.external_access) {
    std::string list;
    for (const auto& directory : options.allowed_directories) {
      list += (list.empty() ? "" : ", ") + literal(directory);
    }
    if (!list.empty()) sql += "SET allowed_directories = [" + list + "]; ";
    sql += "SET enable_external_access = false; ";
  }
  if (options.lock_configuration) sql += "SET lock_configuration = true; ";
  return sql;
}

void destroy_chunk(void* chunk) {
  auto handle = static_cast<duckdb_data_chunk>(chunk);
  duckdb_destroy_data_chunk(&handle);
}

}  // namespace

std::string literal(std::string_view text) {
  std::string sql = "'";
  for (const char c : text) sql.append(c == '\'' ? 2 : 1, c);
  return sql += '\'';
}

std::string identifier(std::string_view name) {
  std::string sql = "\"";
  for (const char c : name) sql.append(c == '"' ? 2 : 1, c);
  return sql += '"';
}

base::Result<Database> Database::open(const Options& options) {
  auto state = std::make_shared<State>();
  char* error = nullptr;
  const char* path = options.path.empty() ? nullptr : options.path.c_str();
  if (duckdb_open_ext(path, &state->handle, nullptr, &error) == DuckDBError) {
    std::string text = error != nullptr ? error : "DuckDB does not open";
    duckdb_free(error);
    return base::fail(Errc::kIo, std::move(text));
  }
  Database database(std::move(state));
  auto connection = MH_TRY(database.connect());
  if (auto set = connection.query(settings_of(options)); !set) {
    return std::unexpected(std::move(set.error()).in("DuckDB settings"));
  }
  return database;
}

base::Result<Connection> Database::connect() {
  auto state = std::make_shared<Connection::State>();
  state->database = state_;
  if (duckdb_connect(state_->handle, &state->handle) == DuckDBError) {
    return base::fail(Errc::kInternal, "DuckDB refuses a connection");
  }
  return Connection(std::move(state));
}

base::Result<BatchSource> Connection::register_batch_source(const std::string& name, std::vector<Column> columns) {
  auto source = std::make_shared<SourceState>();
  source->columns = std::move(columns);
  MH_TRY_VOID(register_source(state_->handle, name, source));
  return BatchSource(std::move(source));
}

base::Result<Statement> Connection::prepare(const std::string& sql) {
  auto state = std::make_shared<Statement::State>();
  state->connection = state_;
  if (duckdb_prepare(state_->handle, sql.c_str(), &state->handle) == DuckDBError) {
    const char* text = duckdb_prepare_error(state->handle);
    return base::fail(Errc::kInvalidArgument, text != nullptr ? text : "DuckDB does not prepare the statement");
  }
  return Statement(std::move(state));
}

base::Result<Rows> Connection::query(const std::string& sql) {
  auto state = std::make_shared<Rows::State>();
  state->connection = state_;
  if (duckdb_query(state_->handle, sql.c_str(), &state->handle) == DuckDBError) return failed(state->handle);
  return Rows(std::move(state));
}

base::Result<void> Statement::bind(std::size_t parameter, std::int64_t value) {
  return checked(duckdb_bind_int64(state_->handle, parameter, value), "no such parameter");
}
base::Result<void> Statement::bind(std::size_t parameter, double value) {
  return checked(duckdb_bind_double(state_->handle, parameter, value), "no such parameter");
}
base::Result<void> Statement::bind(std::size_t parameter, std::string_view value) {
  return checked(duckdb_bind_varchar_length(state_->handle, parameter, value.data(), value.size()),
                 "no such parameter, or text that is not UTF-8");
}
base::Result<void> Statement::bind(std::size_t parameter, base::Timestamp value) {
  return checked(duckdb_bind_timestamp(state_->handle, parameter, {value.time_since_epoch().count()}),
                 "no such parameter");
}
base::Result<void> Statement::bind_null(std::size_t parameter) {
  return checked(duckdb_bind_null(state_->handle, parameter), "no such parameter");
}

base::Result<Rows> Statement::execute() {
  auto rows = std::make_shared<Rows::State>();
  rows->connection = state_->connection;
  if (duckdb_execute_prepared(state_->handle, &rows->handle) == DuckDBError) return failed(rows->handle);
  return Rows(std::move(rows));
}

void BatchSource::bind(std::vector<BatchView> batches) {
  for (const BatchView& batch : batches) MH_ASSERT(batch.columns.size() == state_->columns.size());
  state_->bound = std::move(batches);
}

Rows::Rows(std::shared_ptr<State> state) : state_(std::move(state)) {
  const idx_t columns = duckdb_column_count(&state_->handle);
  for (idx_t c = 0; c < columns; ++c) {
    duckdb_logical_type type = duckdb_column_logical_type(&state_->handle, c);
    columns_.push_back({duckdb_column_name(&state_->handle, c), type_of(type)});
    duckdb_destroy_logical_type(&type);
  }
}

std::optional<Chunk> Rows::next() {
  while (duckdb_data_chunk handle = duckdb_fetch_chunk(state_->handle)) {
    Chunk chunk(handle);
    if (chunk.rows() > 0) return chunk;
  }
  return std::nullopt;
}

std::uint64_t Rows::changed() const { return duckdb_rows_changed(&state_->handle); }

Chunk::Chunk(void* handle)
    : handle_(handle, destroy_chunk), rows_(duckdb_data_chunk_get_size(static_cast<duckdb_data_chunk>(handle))) {}

const void* Chunk::data(std::size_t column) const {
  return duckdb_vector_get_data(duckdb_data_chunk_get_vector(static_cast<duckdb_data_chunk>(handle_.get()), column));
}

bool Chunk::is_null(std::size_t column, std::size_t row) const {
  duckdb_vector vector = duckdb_data_chunk_get_vector(static_cast<duckdb_data_chunk>(handle_.get()), column);
  std::uint64_t* valid = duckdb_vector_get_validity(vector);
  return valid != nullptr && !duckdb_validity_row_is_valid(valid, row);
}

Chunk::Int128 Chunk::hugeint(std::size_t column, std::size_t row) const {
  Int128 value = 0;
  std::memcpy(&value, static_cast<const std::byte*>(data(column)) + row * sizeof value, sizeof value);
  return value;
}

}  // namespace meterhub::duck
