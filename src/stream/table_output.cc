#include <utility>

#include "job_outputs.h"
#include "output_cells.h"

namespace meterhub::stream {
namespace {

class TableWriter final : public JobOutputWriter {
 public:
  TableWriter(tables::Database& database, tables::OutputId id, std::vector<tables::Column> columns)
      : database_(database), id_(id), columns_(std::move(columns)) {}

  base::Result<void> begin(const log::Assignment& assignment,
                           const std::optional<std::string>& /*committed*/) override {
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
    for (const auto& column : columns_) out.cells.push_back(MH_TRY(cell_of(row, column)));
    rows_.push_back(std::move(out));
    return {};
  }

  base::Result<std::optional<std::string>> store(const log::Assignment& assignment, base::Offset /*from*/,
                                                 base::Offset next) override {
    const auto part = assignment.partition.partition.value;
    const auto to = static_cast<std::int64_t>(next.value);
    auto rows = std::exchange(rows_, {});
    if (to <= stored_[part]) return std::nullopt;
    // Most batches have no alert. Progress says which rows are there already, and needs not move without any; an owner
    // of before that wakes up writes the same rows, at which this one is fenced and reads progress again.
    if (rows.empty()) return std::nullopt;
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
  // The columns of `alerts` are fixed.
  auto columns = sink.table == tables::kAlertsTable ? tables::alert_columns() : MH_TRY(columns_of(plan, output));
  const auto id = MH_TRY(database.declare({job, output, sink.table, columns, sink.retention}));
  return std::make_unique<TableWriter>(database, id, std::move(columns));
}

}  // namespace meterhub::stream
