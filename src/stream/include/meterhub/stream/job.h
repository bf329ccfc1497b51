// A job: a script of the stream language with its inputs and outputs, running on the log.
// Each has its own consumer group (`job.<name>`), time state and outputs; a stuck output
// stops only its job. Design part 4, stream; stream-sql 10.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <meterhub/base/disk.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/engine/pipeline.h>
#include <meterhub/log/log.h>
#include <meterhub/tables/database.h>

namespace meterhub::stream {

// Rows of a table in the database; each once, by identity and fenced progress.
struct TableOutput {
  std::string table;
  std::chrono::seconds retention = std::chrono::days(7);
};
// One JSON object a line, in files `<folder>/part-PP-<first offset>.jsonl`; a file counts
// from the moment it has its name. What is in `<folder>/staging` does not count (yet).
struct BlobOutput {
  std::string folder;
};
using JobSink = std::variant<TableOutput, BlobOutput>;

struct JobInput {
  std::string name;   // in the SQL, as EventHubInput
  std::string log = std::string(log::topics::kReadings);
};
// Reference data (stream-sql 6.7): rows that events are joined with.
struct JobReference {
  std::string name;    // in the SQL, as Meters
  std::string source;  // what JobWorld::reference calls it
};
struct JobOutput {
  std::string name;   // in the SQL, as SQLOutput
  JobSink sink;
};

struct JobSpec {
  std::string name;   // letters, digits, '-', '_'
  std::string sql;
  std::vector<JobInput> inputs;
  std::vector<JobOutput> outputs;
  std::vector<JobReference> references;
  sql::TimePolicy policy;
  engine::OnRuntimeError on_runtime_error = engine::OnRuntimeError::kDropEvent;
  // Waits this long after a batch, so that the next is larger. For outputs that make files.
  std::chrono::milliseconds linger{0};
  // Where the first start begins: at what comes from now on, or at the oldest that is kept.
  bool from_now = false;
  // Between two checkpoints of a job with state; a restart reads again what came since the last.
  std::chrono::seconds checkpoint_pause{60};
};

// A version of reference data.
struct ReferenceVersion {
  std::uint64_t number = 0;  // another whenever the rows are
  std::shared_ptr<const engine::ReferenceTable> table;
};

// What a job writes to beside the log.
struct JobWorld {
  log::Log& log;
  tables::Database& database;
  base::Disk& disk;
  base::Metrics& metrics;
  // The newest version of reference data by its source's name, when it is another than `known`;
  // no table: nothing newer. Job's thread.
  std::function<base::Result<ReferenceVersion>(std::string_view source, std::uint64_t known)> reference = nullptr;
  // A time up to which all that the hub took stands in the log that jobs read; nothing: stages
  // before still have something to read (stream-sql 5.3). Job's thread.
  std::function<std::optional<base::Timestamp>()> complete_until = nullptr;
};

struct JobStatus {
  std::string name;
  std::string group;
  engine::PipelineCounters counters;
  std::string last_error;  // of an output; empty when the last batch went through
  // Of jobs with state:
  std::optional<base::Timestamp> watermark{};    // what is final
  std::vector<engine::StateSize> state{};
  std::optional<base::Timestamp> checkpointed{}; // when the last checkpoint was complete
};

// Executor's thread, but for create().
class Job {
 public:
  // Compiles and joins. kInvalidArgument with the compiler's messages; kNotImplemented names
  // what this engine does not run; kNotFound for an input's log or an output without a sink.
  static base::Result<std::unique_ptr<Job>> create(const JobWorld& world, base::Executor& executor, JobSpec spec,
                                                   std::function<void(base::Error)> fatal);
  virtual ~Job() = default;
  virtual JobStatus status() const = 0;
  virtual void drain(base::Task done) = 0;
};

}  // namespace meterhub::stream
