#include <utility>

#include <meterhub/engine/bounded.h>

#include "job_outputs.h"

namespace meterhub::stream {
namespace {

// Rows wait for the batch's transaction, which holds the offset too: there is nothing to repeat.
class LogWriter final : public JobOutputWriter {
 public:
  LogWriter(base::TopicId topic, std::uint32_t partitions) : topic_(topic), partitions_(partitions) {}

  base::Result<void> begin(const log::Assignment&, const std::optional<std::string>&) override { return {}; }

  base::Result<void> add(const engine::OutputRow& row, const log::RecordView& record) override {
    log::Append append{{topic_, base::PartitionId(row.partition.value % partitions_)}, {std::string(record.key), record.properties, {}, {}}};
    append.record.properties.reason.clear();
    engine::append_json(append.record.body, row);
    rows_.push_back(std::move(append));
    return {};
  }

  base::Result<std::optional<std::string>> store(const log::Assignment&, base::Offset, base::Offset) override {
    return std::nullopt;
  }

  void take_appends(log::Appends& out) override {
    for (const auto& row : std::exchange(rows_, {})) out.push_back(row);
  }

  void committed(const log::Assignment&) override {}
  void discard() override { rows_.clear(); }

 private:
  const base::TopicId topic_;
  const std::uint32_t partitions_;
  std::vector<log::Append> rows_;
};

}  // namespace

base::Result<std::unique_ptr<JobOutputWriter>> make_log_output(log::Log& log, const std::string& name,
                                                               const LogOutput& sink, base::TopicId input) {
  log::TopicSpec spec;
  spec.name = name;
  spec.partitions = log.partitions(input);
  spec.retention_age = sink.retention;
  spec.retention_bytes = sink.retention_bytes;
  const auto topic = MH_TRY(log.declare(spec));
  return std::make_unique<LogWriter>(topic, spec.partitions);
}

}  // namespace meterhub::stream
