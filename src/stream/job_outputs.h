// Where a job's rows go, partition by partition: collected during a batch, then stored
// all at once before the batch's offset is committed. A batch that is repeated after a
// crash, or by an owner that is no more, changes nothing that is already stored.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/stream/job.h>

namespace meterhub::stream {

// One output of one job. Executor's thread.
class JobOutputWriter {
 public:
  virtual ~JobOutputWriter() = default;
  // Before the first batch of a partition: what is stored already. `committed` is the newest
  // note of store() that was committed.
  virtual base::Result<void> begin(const log::Assignment& assignment, const std::optional<std::string>& committed) = 0;
  // A row of the batch under way; `record` is the input's, for tenant and key.
  virtual base::Result<void> add(const engine::OutputRow& row, const log::RecordView& record) = 0;
  // Stores the batch's rows; its records were [from, next). The note, if any, is committed
  // together with the batch's offset.
  virtual base::Result<std::optional<std::string>> store(const log::Assignment& assignment, base::Offset from,
                                                         base::Offset next) = 0;
  // Records that go into the same transaction; asked for after store().
  virtual void take_appends(log::Appends& /*out*/) {}
  // The batch's offset and note are durable.
  virtual void committed(const log::Assignment& assignment) = 0;
  // The batch came to nothing.
  virtual void discard() = 0;
};

base::Result<std::unique_ptr<JobOutputWriter>> make_table_output(tables::Database& database, const std::string& job,
                                                                 const std::string& output, const TableOutput& sink,
                                                                 const sql::Plan& plan);
base::Result<std::unique_ptr<JobOutputWriter>> make_blob_output(base::Disk& disk, const BlobOutput& sink);
// Declares the log with as many partitions as `input` has.
base::Result<std::unique_ptr<JobOutputWriter>> make_log_output(log::Log& log, const std::string& name,
                                                               const LogOutput& sink, base::TopicId input);

base::Result<std::unique_ptr<JobOutputWriter>> make_lake_output(base::Disk& disk, const std::string& output,
                                                                const LakeOutput& sink, const sql::Plan& plan);
inline constexpr std::size_t kSecretBytesMin = 16;
// `job` as in row identities. Reads the secret.
base::Result<std::unique_ptr<JobOutputWriter>> make_webhook_output(const base::Disk& disk, const std::string& job,
                                                                   const std::string& output, const WebhookOutput& sink,
                                                                   const base::Clock& clock);

// Of the plan's outputs, in their order. kNotFound: one has no sink.
base::Result<std::vector<std::unique_ptr<JobOutputWriter>>> make_outputs(const JobWorld& world, const JobSpec& spec,
                                                                         const sql::Plan& plan,
                                                                         const base::Clock& clock);
// Where an output's note of its last committed batch is kept in the state of the job's group. By the
// output's name: another version of the job may have them in another order.
std::string note_name(std::string_view output);

// Whether the plan is an OrderedJob's: it has state, or joins reference data, which may change while the job runs.
bool runs_in_order(const sql::Plan& plan);

// compile() with its messages as an error.
base::Result<sql::Plan> plan_of(const JobSpec& spec);
// The one log that the job reads. kNotImplemented: more than one.
base::Result<base::TopicId> input_of(const log::Log& log, const JobSpec& spec);

}  // namespace meterhub::stream
