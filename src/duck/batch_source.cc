// The table function over bound batches. DuckDB calls bind once per prepared statement,
// init once per execution and the function until it sets no rows.
#include <algorithm>

#include "states.h"

namespace meterhub::duck {
namespace {

constexpr duckdb_type kDuckTypes[] = {
    DUCKDB_TYPE_BOOLEAN, DUCKDB_TYPE_UTINYINT, DUCKDB_TYPE_INTEGER,   DUCKDB_TYPE_UINTEGER,
    DUCKDB_TYPE_BIGINT,  DUCKDB_TYPE_UBIGINT,  DUCKDB_TYPE_DOUBLE,    DUCKDB_TYPE_VARCHAR,
    DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_DECIMAL, DUCKDB_TYPE_HUGEINT};

using SharedState = std::shared_ptr<SourceState>;

// Where one execution stands.
struct Scan {
  std::size_t batch = 0;
  std::size_t row = 0;
  std::vector<std::size_t> columns;  // asked for, in the order of the output
};

template <class T>
void destroy(void* pointer) {
  delete static_cast<T*>(pointer);
}

void bind_columns(duckdb_bind_info info) {
  const SourceState& source = **static_cast<SharedState*>(duckdb_bind_get_extra_info(info));
  for (const Column& column : source.columns) {
    duckdb_logical_type type = column.type == Type::kDecimal
                                   ? duckdb_create_decimal_type(12, 3)
                                   : duckdb_create_logical_type(kDuckTypes[static_cast<std::size_t>(column.type)]);
    duckdb_bind_add_result_column(info, column.name.c_str(), type);
    duckdb_destroy_logical_type(&type);
  }
}

void begin_scan(duckdb_init_info info) {
  auto scan = std::make_unique<Scan>();
  const idx_t columns = duckdb_init_get_column_count(info);
  for (idx_t c = 0; c < columns; ++c) scan->columns.push_back(duckdb_init_get_column_index(info, c));
  duckdb_init_set_max_threads(info, 1);
  duckdb_init_set_init_data(info, scan.release(), destroy<Scan>);
}

void fill(duckdb_vector to, const ColumnView& from, Type type, std::size_t row, std::size_t rows) {
  const std::size_t width = width_of(type);
  std::memcpy(duckdb_vector_get_data(to), static_cast<const std::byte*>(from.data) + row * width, rows * width);
  if (from.valid == nullptr) return;
  duckdb_vector_ensure_validity_writable(to);
  // `row` is a multiple of the vector size, hence of 64.
  std::memcpy(duckdb_vector_get_validity(to), from.valid + row / 64, (rows + 63) / 64 * 8);
}

void scan_some(duckdb_function_info info, duckdb_data_chunk output) {
  const SourceState& source = **static_cast<SharedState*>(duckdb_function_get_extra_info(info));
  Scan& scan = *static_cast<Scan*>(duckdb_function_get_init_data(info));
  while (scan.batch < source.bound.size() && scan.row >= source.bound[scan.batch].rows) {
    ++scan.batch;
    scan.row = 0;
  }
  if (scan.batch >= source.bound.size()) return duckdb_data_chunk_set_size(output, 0);
  const BatchView& batch = source.bound[scan.batch];
  const std::size_t rows = std::min<std::size_t>(duckdb_vector_size(), batch.rows - scan.row);
  for (std::size_t c = 0; c < scan.columns.size(); ++c) {
    const std::size_t column = scan.columns[c];
    if (column >= source.columns.size()) continue;  // a row id nobody reads (count(*))
    fill(duckdb_data_chunk_get_vector(output, c), batch.columns[column], source.columns[column].type, scan.row, rows);
  }
  scan.row += rows;
  duckdb_data_chunk_set_size(output, rows);
}

}  // namespace

base::Result<void> register_source(duckdb_connection connection, const std::string& name,
                                   const std::shared_ptr<SourceState>& source) {
  duckdb_table_function function = duckdb_create_table_function();
  duckdb_table_function_set_name(function, name.c_str());
  duckdb_table_function_set_extra_info(function, new SharedState(source), destroy<SharedState>);
  duckdb_table_function_set_bind(function, bind_columns);
  duckdb_table_function_set_init(function, begin_scan);
  duckdb_table_function_set_function(function, scan_some);
  duckdb_table_function_supports_projection_pushdown(function, true);
  const duckdb_state done = duckdb_register_table_function(connection, function);
  duckdb_destroy_table_function(&function);
  if (done == DuckDBError) {
    return base::fail(base::Errc::kInvalidArgument, "cannot register the batch source '" + name + "'");
  }
  return {};
}

}  // namespace meterhub::duck
