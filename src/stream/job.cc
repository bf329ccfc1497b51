#include <meterhub/stream/job.h>

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>
#include <meterhub/log/consumer.h>
#include <meterhub/sql/compile.h>

#include "job_outputs.h"

namespace meterhub::stream {
namespace {

constexpr std::string_view kTimeState = "time";

// Where an output's note of its last committed batch is kept; by number, as jobs name outputs freely.
std::string note_name(std::size_t output) { return "output/" + std::to_string(output); }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

base::Result<sql::Plan> compile(const JobSpec& spec) {
  sql::CompileOptions options;
  options.any_output = false;
  options.policy = spec.policy;
  for (const auto& input : spec.inputs) {
    options.inputs.push_back({input.name, sql::InputKind::kStream, {}, sql::InputMetadata::kEventHub});
  }
  for (const auto& output : spec.outputs) options.outputs.push_back(output.name);
  auto compiled = sql::compile(spec.sql, options);
  if (compiled.ok()) return std::move(compiled.plan);
  std::string text = "job " + spec.name + " does not compile";
  for (const auto& diagnostic : compiled.diagnostics) {
    if (diagnostic.severity == sql::Severity::kError) text += "\n" + sql::caret_text(spec.sql, diagnostic, spec.name);
  }
  return base::fail(base::Errc::kInvalidArgument, std::move(text));
}

class RunningJob final : public Job, public log::ConsumerWork, public engine::RowSink {
 public:
  RunningJob(const JobWorld& world, base::Executor& executor, JobSpec spec)
      : world_(world), executor_(executor), spec_(std::move(spec)), group_("job." + spec_.name),
        rows_(world.metrics.counter("meterhub_stream_job_rows_total", "Rows that a job gave out.", {{"job", spec_.name}})),
        dropped_(world.metrics.counter("meterhub_stream_job_dropped_total", "Events that a job could not use.", {{"job", spec_.name}})) {}

  base::Result<void> start(std::function<void(base::Error)> fatal);

  // ---- Job
  JobStatus status() const override { return {spec_.name, group_, pipeline_->counters(), last_error_}; }
  void drain(base::Task done) override { consumer_->drain(std::move(done)); }

  // ---- ConsumerWork
  base::Result<std::optional<log::From>> begin(const log::Assignment& assignment) override;
  void process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) override;
  void committed(const log::Assignment& assignment) override;
  void end(const log::TopicPartition& partition) override { pipeline_->forget(partition.partition); }

  // ---- RowSink
  void row(const engine::OutputRow& row) override;
  void dropped(const engine::Dropped& dropped) override;

 private:
  base::Result<void> make_outputs();
  base::Result<log::Transaction> run(const log::Assignment& assignment, const log::Batch& batch);
  const log::RecordView& record_at(base::Offset offset) const;
  void set_events(const log::Batch& batch, base::PartitionId partition);

  const JobWorld world_;
  base::Executor& executor_;
  const JobSpec spec_;
  const std::string group_;
  base::Counter& rows_;
  base::Counter& dropped_;
  base::TopicId deadletter_;
  std::map<base::TopicId, std::string> input_of_topic_;
  std::unique_ptr<engine::Pipeline> pipeline_;
  std::vector<std::unique_ptr<JobOutputWriter>> outputs_;  // in the order of Plan::outputs
  std::vector<engine::Event> events_;
  const log::Batch* batch_ = nullptr;          // while run() runs
  base::Result<void> stored_;                  // first error of an output in this batch
  log::Appends letters_;
  std::string last_error_;
  std::unique_ptr<log::Consumer> consumer_;    // goes first: its readers call this object
};

base::Result<void> RunningJob::make_outputs() {
  for (const auto& name : pipeline_->plan().outputs) {
    const auto it = std::ranges::find_if(spec_.outputs, [&](const auto& o) { return o.name == name; });
    if (it == spec_.outputs.end()) return base::fail(base::Errc::kNotFound, "job " + spec_.name + ": output " + name + " has no sink");
    if (const auto* table = std::get_if<TableOutput>(&it->sink)) {
      outputs_.push_back(MH_TRY(make_table_output(world_.database, spec_.name, name, *table, pipeline_->plan())));
    } else {
      outputs_.push_back(MH_TRY(make_blob_output(world_.disk, std::get<BlobOutput>(it->sink))));
    }
  }
  return {};
}

base::Result<void> RunningJob::start(std::function<void(base::Error)> fatal) {
  if (!is_name(spec_.name)) return base::fail(base::Errc::kInvalidArgument, "a job's name has letters, digits, '-' and '_'");
  auto plan = MH_TRY(compile(spec_));
  engine::PipelineOptions run;
  run.on_runtime_error = spec_.on_runtime_error;
  pipeline_ = MH_TRY(engine::Pipeline::create(std::move(plan), run));
  MH_TRY_VOID(make_outputs());
  deadletter_ = MH_TRY(world_.log.topic(log::topics::kDeadletter));
  log::ConsumerOptions options;
  options.group = group_;
  options.linger = spec_.linger;
  for (const auto& input : spec_.inputs) {
    const auto topic = MH_TRY(world_.log.topic(input.log));
    input_of_topic_[topic] = input.name;
    options.topics.push_back(topic);
  }
  // Outputs and time states are told apart by partition number: a second log's would count as the first's.
  if (options.topics.size() > 1) {
    return base::fail(base::Errc::kNotImplemented, "job " + spec_.name + ": one input only, this release reads one log a job");
  }
  if (spec_.linger.count() > 0) options.batch_bytes = 8 * 1024 * 1024;
  consumer_ = MH_TRY(log::Consumer::create(world_.log, executor_, *this, std::move(options), std::move(fatal)));
  return {};
}

base::Result<std::optional<log::From>> RunningJob::begin(const log::Assignment& assignment) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto note = MH_TRY(world_.log.state(group_, assignment.partition, note_name(i)));
    MH_TRY_VOID(outputs_[i]->begin(assignment, note));
  }
  const auto state = MH_TRY(world_.log.state(group_, assignment.partition, kTimeState));
  if (state) MH_TRY_VOID(pipeline_->restore(assignment.partition.partition, *state));
  return std::nullopt;
}

void RunningJob::set_events(const log::Batch& batch, base::PartitionId partition) {
  events_.clear();
  for (const auto& record : batch.records) {
    engine::Event event;
    event.body = record.body;
    // The hub's time, from origin: the same whenever the reading came through (stream-sql 5.1).
    event.arrival = record.properties.origin.log.empty() ? record.enqueued : record.properties.origin.enqueued;
    event.partition = partition;
    event.offset = record.offset;
    event.device = record.properties.gateway;
    event.late = record.properties.late;
    event.stale = record.properties.stale;
    events_.push_back(event);
  }
}

const log::RecordView& RunningJob::record_at(base::Offset offset) const {
  // Offsets of a batch rise by one.
  return batch_->records[offset.value - batch_->records.front().offset.value];
}

void RunningJob::row(const engine::OutputRow& row) {
  rows_.add();
  if (stored_) stored_ = outputs_[row.output]->add(row, record_at(row.offset));
}

void RunningJob::dropped(const engine::Dropped& dropped) {
  dropped_.add();
  const bool by_policy = dropped.reason == engine::DropReason::kEarly || dropped.reason == engine::DropReason::kLate ||
                         dropped.reason == engine::DropReason::kOutOfOrder;
  if (by_policy) return;
  const auto& record = record_at(dropped.event->offset);
  log::NewRecord letter;
  letter.key = record.key;
  letter.properties = record.properties;
  letter.properties.reason = "job." + spec_.name + "." + std::string(engine::drop_reason_name(dropped.reason));
  letter.body = record.body;
  const base::PartitionId to(dropped.event->partition.value % world_.log.partitions(deadletter_));
  letters_.push_back({{deadletter_, to}, std::move(letter)});
}

base::Result<log::Transaction> RunningJob::run(const log::Assignment& assignment, const log::Batch& batch) {
  batch_ = &batch;
  stored_ = {};
  letters_ = {};
  set_events(batch, assignment.partition.partition);
  MH_TRY_VOID(pipeline_->run(input_of_topic_.at(assignment.partition.topic), events_, *this));
  MH_TRY_VOID(std::move(stored_));
  const base::Offset next(batch.records.back().offset.value + 1);
  log::Transaction transaction;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    auto note = MH_TRY(outputs_[i]->store(assignment, batch.records.front().offset, next));
    if (note) transaction.state.push_back({group_, assignment.partition, note_name(i), std::move(*note)});
  }
  base::commit_point("job.outputs_before_offset");
  transaction.appends = std::exchange(letters_, {});
  transaction.state.push_back({group_, assignment.partition, std::string(kTimeState), pipeline_->save(assignment.partition.partition)});
  return transaction;
}

void RunningJob::process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) {
  auto transaction = run(assignment, batch);
  batch_ = nullptr;
  if (!transaction) {
    for (const auto& output : outputs_) output->discard();
    last_error_ = transaction.error().text;
  }
  answer(std::move(transaction));
}

void RunningJob::committed(const log::Assignment& assignment) {
  last_error_.clear();
  for (const auto& output : outputs_) output->committed(assignment);
}

}  // namespace

base::Result<std::unique_ptr<Job>> Job::create(const JobWorld& world, base::Executor& executor, JobSpec spec,
                                               std::function<void(base::Error)> fatal) {
  auto job = std::make_unique<RunningJob>(world, executor, std::move(spec));
  MH_TRY_VOID(job->start(std::move(fatal)));
  return job;
}

}  // namespace meterhub::stream
