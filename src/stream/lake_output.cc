#include <filesystem>
#include <optional>
#include <utility>

#include <meterhub/duck/database.h>

#include "job_outputs.h"
#include "output_cells.h"
#include "staged_files.h"

namespace meterhub::stream {
namespace {

constexpr std::uint64_t kMemory = 128ull << 20;
constexpr std::string_view kSource = "job_rows";
constexpr std::string_view kParquet = " (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, USE_TMP_FILE false)";

duck::Type type_of(tables::ColumnType type) {
  switch (type) {
    case tables::ColumnType::kBigint: return duck::Type::kBigint;
    case tables::ColumnType::kFloat: return duck::Type::kDouble;
    case tables::ColumnType::kDatetime: return duck::Type::kTimestamp;
    case tables::ColumnType::kBit: return duck::Type::kBoolean;
    default: return duck::Type::kVarchar;
  }
}

// The output's columns, then the row's tenant, time and identity, as a table of the database has them.
std::vector<duck::Column> file_columns(const std::vector<tables::Column>& columns) {
  std::vector<duck::Column> out;
  for (const auto& column : columns) out.push_back({column.name, type_of(column.type)});
  out.push_back({tables::own_column_name("Tenant", columns), duck::Type::kUinteger});
  out.push_back({tables::own_column_name("EventTime", columns), duck::Type::kTimestamp});
  out.push_back({tables::own_column_name("Part", columns), duck::Type::kUinteger});
  out.push_back({tables::own_column_name("Pos", columns), duck::Type::kUbigint});
  out.push_back({tables::own_column_name("Sub", columns), duck::Type::kUinteger});
  return out;
}

std::int64_t microseconds(base::Timestamp time) { return time.time_since_epoch().count(); }

void append(duck::Batch& batch, std::size_t column, const tables::Cell& cell) {
  if (const auto* whole = std::get_if<std::int64_t>(&cell)) return batch.append(column, *whole);
  if (const auto* number = std::get_if<double>(&cell)) return batch.append(column, *number);
  if (const auto* text = std::get_if<std::string>(&cell)) return batch.append_copy(column, *text);
  if (const auto* time = std::get_if<base::Timestamp>(&cell)) return batch.append(column, microseconds(*time));
  if (const auto* bit = std::get_if<bool>(&cell)) return batch.append(column, *bit);
  batch.append_null(column);
}

class LakeWriter final : public JobOutputWriter {
 public:
  LakeWriter(base::Disk& disk, const std::string& folder, std::vector<tables::Column> columns,
             duck::Connection connection, duck::BatchSource source)
      : files_(disk, folder, ".parquet"),
        columns_(std::move(columns)),
        batch_(file_columns(columns_)),
        connection_(std::move(connection)),
        source_(std::move(source)) {}

  base::Result<void> begin(const log::Assignment& assignment, const std::optional<std::string>& committed) override {
    return files_.begin(assignment, committed);
  }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView& record) override {
    std::vector<tables::Cell> cells;
    for (const auto& column : columns_) cells.push_back(MH_TRY(cell_of(row, column)));
    std::size_t at = 0;
    for (const auto& cell : cells) append(batch_, at++, cell);
    batch_.append(at++, record.properties.tenant.value);
    batch_.append(at++, microseconds(engine::to_timestamp(row.time)));
    batch_.append(at++, row.partition.value);
    batch_.append(at++, row.offset.value);
    batch_.append(at, row.place);
    return {};
  }

  base::Result<std::optional<std::string>> store(const log::Assignment& assignment, base::Offset from,
                                                 base::Offset /*next*/) override {
    MH_TRY_VOID(files_.next(assignment));
    if (batch_.rows() == 0) return std::nullopt;
    source_.bind(batch_.view());
    const auto path = std::filesystem::absolute(files_.path(assignment, from)).string();
    auto copied = connection_.query("COPY (SELECT * FROM " + std::string(kSource) + "()) TO " + duck::literal(path) +
                                    std::string(kParquet));
    source_.clear();
    batch_.clear();
    if (!copied) return std::unexpected(std::move(copied).error());
    return MH_TRY(files_.written(assignment, from));
  }

  void committed(const log::Assignment& assignment) override { files_.committed(assignment); }
  void discard() override { batch_.clear(); }

 private:
  StagedFiles files_;
  const std::vector<tables::Column> columns_;
  duck::Batch batch_;
  duck::Connection connection_;
  duck::BatchSource source_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_lake_output(base::Disk& disk, const std::string& output,
                                                                const LakeOutput& sink, const sql::Plan& plan) {
  auto columns = MH_TRY(columns_of(plan, output));
  MH_TRY_VOID(disk.make_directories(sink.folder));
  duck::Options options;
  options.memory_limit = kMemory;
  options.allowed_directories = {std::filesystem::absolute(sink.folder).string()};
  auto database = MH_TRY(duck::Database::open(options));
  auto connection = MH_TRY(database.connect());
  auto source = MH_TRY(connection.register_batch_source(std::string(kSource), file_columns(columns)));
  return std::make_unique<LakeWriter>(disk, sink.folder, std::move(columns), std::move(connection), std::move(source));
}

}  // namespace meterhub::stream
