#include <meterhub/stream/job.h>

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>
#include <meterhub/log/consumer.h>
#include <meterhub/sql/compile.h>

#include "job_events.h"
#include "job_outputs.h"
#include "ordered_job.h"

namespace meterhub::stream {
namespace {

// The time state's name holds the version that wrote it: that of another plan may not fit.
constexpr std::string_view kTimeState = "time";

std::string time_state_name(std::uint64_t version) { return std::string(kTimeState) + "/" + std::to_string(version); }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

class RunningJob final : public Job, public log::ConsumerWork, public engine::RowSink {
 public:
  RunningJob(const JobWorld& world, base::Executor& executor, JobSpec spec)
      : world_(world),
        executor_(executor),
        spec_(std::move(spec)),
        group_(group_of(spec_)),
        rows_(world.metrics.counter("meterhub_stream_job_rows_total", "Rows that a job gave out.",
                                    {{"job", spec_.name}})),
        dropped_(world.metrics.counter("meterhub_stream_job_dropped_total", "Events that a job could not use.",
                                       {{"job", spec_.name}})) {}

  base::Result<void> start(sql::Plan plan, std::function<void(base::Error)> fatal);

  // ---- Job
  JobStatus status() const override;
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
  base::Result<void> restore_time(const log::TopicPartition& partition);
  void save_time(const log::TopicPartition& partition, log::Transaction& transaction);
  void note_gap(const log::Assignment& assignment, const log::Batch& batch);
  void count_gap(const log::TopicPartition& partition);
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
  std::map<log::TopicPartition, std::string> older_time_;   // by another version, removed with the next commit
  std::map<log::TopicPartition, base::Offset> next_;        // what each partition is to give next
  std::map<log::TopicPartition, base::Timestamp> batch_to_; // hub's time of the newest event of the batch under way
  std::vector<std::uint64_t> output_rows_;                  // in the order of Plan::outputs
  std::string last_dropped_;
  base::Timestamp last_dropped_at_{};
  std::optional<base::Timestamp> read_to_;
  std::map<log::TopicPartition, JobGap> batch_gap_;         // before the batch under way
  std::uint64_t missed_ = 0;
  std::optional<JobGap> gap_;
  std::unique_ptr<log::Consumer> consumer_;    // goes first: its readers call this object
};

base::Result<void> RunningJob::start(sql::Plan plan, std::function<void(base::Error)> fatal) {
  engine::PipelineOptions run;
  run.on_runtime_error = spec_.on_runtime_error;
  pipeline_ = MH_TRY(engine::Pipeline::create(std::move(plan), run));
  outputs_ = MH_TRY(make_outputs(world_, spec_, pipeline_->plan(), executor_.clock()));
  output_rows_.resize(outputs_.size());
  deadletter_ = MH_TRY(world_.log.topic(log::topics::kDeadletter));
  log::ConsumerOptions options;
  options.group = group_;
  options.linger = spec_.linger;
  options.topics = {MH_TRY(input_of(world_.log, spec_))};
  input_of_topic_[options.topics.front()] = spec_.inputs.front().name;
  if (spec_.linger >= kFilesLinger) options.batch_bytes = 8 * 1024 * 1024;
  consumer_ = MH_TRY(log::Consumer::create(world_.log, executor_, *this, std::move(options), std::move(fatal)));
  return {};
}

JobStatus RunningJob::status() const {
  JobStatus out;
  out.name = spec_.name;
  out.group = group_;
  out.version = spec_.version;
  out.counters = pipeline_->counters();
  out.last_error = last_error_;
  out.last_dropped = last_dropped_;
  out.last_dropped_at = last_dropped_at_;
  out.read_to = read_to_;
  out.missed = missed_;
  out.gap = gap_;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto& name = pipeline_->plan().outputs[i];
    const auto it = std::ranges::find_if(spec_.outputs, [&](const auto& o) { return o.name == name; });
    out.outputs.push_back({name, sink_name(it->sink), output_rows_[i]});
  }
  return out;
}

// Of the version before where there is none of this one, and only if it fits: a changed job keeps what it knows of
// the input's times.
base::Result<void> RunningJob::restore_time(const log::TopicPartition& partition) {
  older_time_.erase(partition);
  const auto number = partition.partition;
  const auto own = MH_TRY(world_.log.state(group_, partition, time_state_name(spec_.version)));
  if (own) return pipeline_->restore(number, *own);
  std::string state;
  MH_TRY_VOID(world_.log.scan_state(group_, partition, kTimeState, [&](std::string_view name, std::string_view value) {
    older_time_[partition] = name;
    state = value;
    return false;
  }));
  if (!older_time_.contains(partition)) return {};
  if (const auto restored = pipeline_->restore(number, state); !restored) {
    base::logging::info("job_begins_without_times",
                        {{"job", spec_.name}, {"partition", number.value}, {"reason", restored.error().text}});
  }
  return {};
}

void RunningJob::save_time(const log::TopicPartition& partition, log::Transaction& transaction) {
  transaction.state.push_back(
      {group_, partition, time_state_name(spec_.version), pipeline_->save(partition.partition)});
  const auto older = older_time_.find(partition);
  if (older != older_time_.end()) transaction.state.push_back({group_, partition, older->second, std::nullopt});
}

base::Result<std::optional<log::From>> RunningJob::begin(const log::Assignment& assignment) {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto note = MH_TRY(world_.log.state(group_, assignment.partition, note_name(pipeline_->plan().outputs[i])));
    MH_TRY_VOID(outputs_[i]->begin(assignment, note));
  }
  MH_TRY_VOID(restore_time(assignment.partition));
  next_.erase(assignment.partition);
  batch_gap_.erase(assignment.partition);
  const auto done = MH_TRY(world_.log.committed(group_, assignment.partition));
  if (done) {
    next_[assignment.partition] = *done;
    return std::nullopt;
  }
  return log::From(spec_.starts);
}

// Offsets rise by one: what is missing was dropped by retention before it was read. It counts with the commit
// of what follows.
void RunningJob::note_gap(const log::Assignment& assignment, const log::Batch& batch) {
  const auto first = batch.records.front().offset;
  const auto expected = next_.find(assignment.partition);
  if (expected != next_.end() && first > expected->second) {
    batch_gap_[assignment.partition] = {assignment.partition.partition, expected->second, first};
  }
  next_[assignment.partition] = base::Offset(batch.records.back().offset.value + 1);
}

void RunningJob::count_gap(const log::TopicPartition& partition) {
  const auto node = batch_gap_.extract(partition);
  if (node.empty()) return;
  gap_ = node.mapped();
  missed_ += gap_->to.value - gap_->from.value;
  base::logging::warn(
      "job_gap",
      {{"job", spec_.name}, {"partition", gap_->partition.value}, {"from", gap_->from.value}, {"to", gap_->to.value}});
}

void RunningJob::set_events(const log::Batch& batch, base::PartitionId partition) {
  events_.clear();
  for (const auto& record : batch.records) events_.push_back(event_of(spec_, record, partition));
}

const log::RecordView& RunningJob::record_at(base::Offset offset) const {
  // Offsets of a batch rise by one.
  return batch_->records[offset.value - batch_->records.front().offset.value];
}

void RunningJob::row(const engine::OutputRow& row) {
  rows_.add();
  ++output_rows_[row.output];
  if (stored_) stored_ = outputs_[row.output]->add(row, record_at(row.offset));
}

void RunningJob::dropped(const engine::Dropped& dropped) {
  dropped_.add();
  last_dropped_ = dropped_text(dropped);
  last_dropped_at_ = executor_.clock().now();
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
    if (note)
      transaction.state.push_back(
          {group_, assignment.partition, note_name(pipeline_->plan().outputs[i]), std::move(note)});
  }
  base::commit_point("job.outputs_before_offset");
  transaction.appends = std::exchange(letters_, {});
  for (const auto& output : outputs_) output->take_appends(transaction.appends);
  save_time(assignment.partition, transaction);
  batch_to_[assignment.partition] = *events_.back().arrival;
  return transaction;
}

void RunningJob::process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) {
  note_gap(assignment, batch);
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
  older_time_.erase(assignment.partition);
  count_gap(assignment.partition);
  read_to_ = std::max(read_to_.value_or(base::Timestamp{}), batch_to_[assignment.partition]);
  for (const auto& output : outputs_) output->committed(assignment);
}

}  // namespace

base::Result<std::unique_ptr<Job>> Job::create(const JobWorld& world, base::Executor& executor, JobSpec spec,
                                               std::function<void(base::Error)> fatal) {
  if (!is_name(spec.name))
    return base::fail(base::Errc::kInvalidArgument, "a job's name has letters, digits, '-' and '_'");
  auto plan = MH_TRY(plan_of(spec));
  if (runs_in_order(plan)) return make_ordered_job(world, executor, std::move(spec), std::move(plan), std::move(fatal));
  auto job = std::make_unique<RunningJob>(world, executor, std::move(spec));
  MH_TRY_VOID(job->start(std::move(plan), std::move(fatal)));
  return job;
}

}  // namespace meterhub::stream
