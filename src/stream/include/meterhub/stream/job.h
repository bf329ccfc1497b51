// A job: a script of the stream language with its inputs and outputs, running on the log.
// Each has its own consumer group (`job.<name>`), time state and outputs; a stuck output
// stops only its job. Design part 4, stream; stream-sql 10.
#pragma once

#include <chrono>
#include <functional>
#include <map>
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
// One JSON object a record, in the log `job.NAME.OUTPUT` (log_of()), which has as many partitions as
// the input; each once, as the records go with the input's offset. Key and properties are the input
// record's, so that a job that reads it sees the same meter, tenant and time.
struct LogOutput {
  std::chrono::seconds retention = std::chrono::hours(24);
  std::uint64_t retention_bytes = 0;  // 0: only the quota of all logs bounds it
};
// Parquet files `<folder>/part-PP-<first offset>.parquet`, by the scheme of BlobOutput: the output's columns, then
// Tenant, EventTime and the row's identity Part, Pos, Sub. On the operating system's disk.
struct LakeOutput {
  std::string folder;
};
enum class OnRefused : std::uint8_t { kRetry, kDrop };
// Rows as JSON in POST requests of at most 500, each with an identity that a repeat repeats, so that a receiver can
// leave it out: at least once. What does not go through comes again, half a second to a minute later; meanwhile
// the log keeps what follows.
struct WebhookOutput {
  std::string url;           // http::check_post_url()
  std::string secret_file;   // for the signature, 16 bytes or more; empty: none
  std::string ca_file;       // PEM; empty: the system's authorities
  std::chrono::milliseconds timeout{10'000};
  OnRefused refused = OnRefused::kRetry;  // by a status of 300 to 499 but 408, 425, 429
};
using JobSink = std::variant<TableOutput, BlobOutput, LogOutput, LakeOutput, WebhookOutput>;
std::string_view sink_name(const JobSink& sink);  // "table", "blob", "log", "lake", "webhook"

struct JobInput {
  std::string name;   // in the SQL, as EventHubInput
  std::string log = std::string(log::topics::kReadings);
};
// Data that statements join without a time bound.
struct JobReference {
  std::string name;   // in the SQL, as Meters
  // The rows as they are now. Any thread; may block.
  engine::ReferenceRows rows;
  // Another number whenever the rows are others; null: they are read at the start only. Any thread.
  std::function<std::uint64_t()> version = nullptr;
};
struct JobOutput {
  std::string name;   // in the SQL, as SQLOutput
  JobSink sink;
};

inline constexpr std::chrono::milliseconds kFilesLinger{1'000};

struct JobSpec {
  std::string name;   // letters, digits, '-', '_'
  // A job that has the name of one that was removed shares nothing with it: from 2 on the number is
  // part of the group and of the rows' identity.
  std::uint32_t incarnation = 1;
  // Rises with every change. A changed job goes on at the committed offsets of the version before:
  // for statements without state there is neither gap nor repeat. Those with state find here that
  // their checkpoint was written by another version, and give out only what lies after its last
  // final time (stream-sql 10.2).
  std::uint64_t version = 1;
  std::string sql;
  std::vector<JobInput> inputs;
  std::vector<JobReference> references;
  std::vector<JobOutput> outputs;
  // Only this tenant's events; 0: all.
  base::TenantNumber tenant;
  // Where a partition begins that was never read: the first record of this enqueue time or later.
  base::Timestamp starts{};
  sql::TimePolicy policy;
  engine::OnRuntimeError on_runtime_error = engine::OnRuntimeError::kDropEvent;
  // Waits this long after a batch that was not full, so that the next is larger: fewer commits, and from kFilesLinger on
  // batches of megabytes, for outputs that make files.
  std::chrono::milliseconds linger{0};
  // Between two checkpoints of a job with state; a restart reads again what came since the last.
  std::chrono::milliseconds checkpoint_pause{60'000};
};

// "NAME", or "NAME#2": the job in row identities; its group is "job." and this.
std::string identity_of(const JobSpec& spec);
std::string group_of(const JobSpec& spec);
// The log of a LogOutput: "job.NAME.OUTPUT". The name is free for the job that takes it up again.
std::string log_of(std::string_view job, std::string_view output);

// The script with the names that the job gives it. Pure.
sql::Compiled compile(const JobSpec& spec);

// What a job writes to beside the log.
struct JobWorld {
  log::Log& log;
  tables::Database& database;
  base::Disk& disk;
  base::Metrics& metrics;
  // A time up to which all that the hub took stands in the log that jobs read; nothing: stages
  // before still have something to read (stream-sql 5.3). Job's thread.
  std::function<std::optional<base::Timestamp>()> complete_until = nullptr;
  // What the operators of one job may keep, bytes as they count them: a job beyond it begins again from its last
  // checkpoint, every half minute, until it is changed or has more. 0: anything.
  std::uint64_t memory_most = 0;
};

struct JobOutputStatus {
  std::string name;
  std::string_view kind;
  std::uint64_t rows = 0;  // given out since the start
};
// What an operator keeps.
struct JobStateSize {
  std::string step;
  std::string what;
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;
};
// Records that retention took before the job had read them.
struct JobGap {
  base::PartitionId partition;
  base::Offset from;
  base::Offset to;  // exclusive
};

struct JobStatus {
  std::string name;
  std::string group;
  std::uint64_t version = 1;
  engine::PipelineCounters counters;  // since the start
  std::string last_error;  // of an output; empty when the last batch went through
  // What was left out last and why, and when; empty when nothing was.
  std::string last_dropped;
  base::Timestamp last_dropped_at{};
  // Hub's time of the newest event that is done.
  std::optional<base::Timestamp> read_to;
  // What statements with state have done up to; nothing where there are none.
  std::optional<base::Timestamp> watermark;
  std::vector<JobStateSize> state;
  std::optional<base::Timestamp> checkpointed;  // when the last checkpoint was complete
  std::vector<JobOutputStatus> outputs;
  // Where reading goes on, of a job that commits its offsets with checkpoints only; else empty.
  std::map<log::TopicPartition, base::Offset> next;
  std::uint64_t missed = 0;  // records of all gaps
  std::optional<JobGap> gap;  // the newest
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

// Compiles and makes what the outputs write to, tables and logs, without running anything. The errors of
// Job::create(). Beside a version of the job that runs, too.
base::Result<void> prepare_outputs(const JobWorld& world, const JobSpec& spec, const base::Clock& clock);
// Puts rows in their place that were committed and, after a crash, are not there yet: before another version,
// with other outputs, takes over a job that does not run.
base::Result<void> settle_outputs(const JobWorld& world, const JobSpec& spec, const base::Clock& clock);

}  // namespace meterhub::stream
