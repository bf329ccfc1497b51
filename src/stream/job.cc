#include <meterhub/stream/job.h>

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>
#include <meterhub/log/consumer.h>

#include "job_outputs.h"
#include "job_plan.h"
#include "ordered_job.h"

namespace meterhub::stream {
namespace {

constexpr std::string_view kTimeState = "time";

// Where an output's note of its last committed batch is kept; by number, as jobs name outputs freely.
std::string note_name(std::size_t output) { return "output/" + std::to_string(output); }

class RunningJob final : public Job, public log::ConsumerWork, public engine::RowSink {
 public:
  RunningJob(const JobWorld& world, base::Executor& executor, JobSpec spec)
      : world_(world), executor_(executor), spec_(std::move(spec)), group_("job." + spec_.name),
        rows_(world.metrics.counter("meterhub_stream_job_rows_total", "Rows that a job gave out.", {{"job", spec_.name}})),
        dropped_(world.metrics.counter("meterhub_stream_job_dropped_total", "Events that a job could not use.", {{"job", spec_.name}})) {}

  base::Result<void> start(sql::Plan plan, std::function<void(base::Error)> fatal);

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
    const auto* sink = MH_TRY(sink_of(spec_, name));
    outputs_.push_back(MH_TRY(make_output(world_, spec_.name, name, *sink, pipeline_->plan())));
  }
  return {};
}

base::Result<void> RunningJob::start(sql::Plan plan, std::function<void(base::Error)> fatal) {
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
    events_.push_back(event_of(record, partition));
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
  if (!is_letter(dropped.reason)) return;
  auto letter = letter_of(spec_.name, record_at(dropped.offset), dropped.reason);
  const base::PartitionId to(dropped.partition.value % world_.log.partitions(deadletter_));
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
  auto plan = MH_TRY(compile_job(spec));
  if (engine::Pipeline::needs_order(plan)) return make_ordered_job(world, executor, std::move(spec), std::move(plan), std::move(fatal));
  auto job = std::make_unique<RunningJob>(world, executor, std::move(spec));
  MH_TRY_VOID(job->start(std::move(plan), std::move(fatal)));
  return job;
}

}  // namespace meterhub::stream
