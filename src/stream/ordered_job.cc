#include "ordered_job.h"

#include <set>

#include <meterhub/base/logging.h>

#include "ordered_run.h"

namespace meterhub::stream {
namespace {

void add_to(engine::PipelineCounters& sum, const engine::PipelineCounters& more) {
  sum.events += more.events;
  sum.rows += more.rows;
  sum.undecodable += more.undecodable;
  sum.no_time += more.no_time;
  sum.early += more.early;
  sum.late += more.late;
  sum.out_of_order += more.out_of_order;
  sum.data_errors += more.data_errors;
  sum.zero_divisions += more.zero_divisions;
}

// Two jobs with the same value do the same with the same state.
std::uint64_t hash_of(const JobSpec& spec, const sql::Plan& plan) {
  std::string text = spec.sql;
  for (const auto& input : spec.inputs) text += "\n" + input.name + "=" + input.log;
  for (const auto& output : spec.outputs) text += "\n" + output.name;
  base::ByteWriter writer(text);
  writer.number(spec.policy.late_arrival);
  writer.number(spec.policy.out_of_order);
  writer.number(static_cast<std::uint8_t>(spec.policy.action));
  writer.number(static_cast<std::uint8_t>(spec.on_runtime_error));
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash + engine::Pipeline::state_kind(plan);
}

}  // namespace

OrderedJob::OrderedJob(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan, std::function<void(base::Error)> fatal)
    : world_(world), executor_(executor), spec_(std::move(spec)), group_(group_of(spec_)), plan_(std::move(plan)), hash_(hash_of(spec_, plan_)),
      fatal_(std::move(fatal)), rows_(world.metrics.counter("meterhub_stream_job_rows_total", "Rows that a job gave out.", {{"job", spec_.name}})),
      dropped_(world.metrics.counter("meterhub_stream_job_dropped_total", "Events that a job could not use.", {{"job", spec_.name}})) {}

base::Result<void> OrderedJob::join() {
  deadletter_ = MH_TRY(world_.log.topic(log::topics::kDeadletter));
  std::vector<base::TopicId> topics;
  for (const auto& input : spec_.inputs) {
    const auto topic = MH_TRY(world_.log.topic(input.log));
    if (input_of_topic_.contains(topic)) return base::fail(base::Errc::kNotImplemented, "job " + spec_.name + ": two inputs read the log " + input.log);
    input_of_topic_[topic] = input.name;
    topics.push_back(topic);
    wanted_ += world_.log.partitions(topic);
  }
  // Whether the plan runs, and its outputs exist, is known at once.
  pipeline_ = MH_TRY(engine::Pipeline::create(plan_, {spec_.on_runtime_error, true, false, {}}));
  MH_TRY(make_outputs(world_, spec_, plan_, executor_.clock()));
  membership_ = MH_TRY(world_.log.join(group_, std::move(topics), {}, executor_, *this));
  return {};
}

// ---- ownership ----

void OrderedJob::assigned(std::vector<log::Assignment> partitions) {
  for (const auto& one : partitions) owned_[one.partition] = one.epoch;
  if (all_ours()) begin();
}

void OrderedJob::lost(std::vector<log::TopicPartition> partitions) {
  stop();
  for (const auto& partition : partitions) owned_.erase(partition);
}

void OrderedJob::revoked(std::vector<log::TopicPartition> partitions, base::Task drained) {
  auto done = [this, partitions = std::move(partitions), drained = std::move(drained)]() mutable {
    stop();
    for (const auto& partition : partitions) owned_.erase(partition);
    drained();
  };
  if (!committing_) return done();
  drained_ = std::move(done);
}

void OrderedJob::drain(base::Task done) { membership_->leave(std::move(done)); }

void OrderedJob::stop() {
  ++run_;
  executor_.cancel(std::exchange(idle_timer_, {}));
  executor_.cancel(std::exchange(reference_timer_, {}));
  if (pipeline_) {
    add_to(counters_, pipeline_->counters());
  }
  sources_.clear();
  outputs_.clear();
  pipeline_.reset();
  next_manifest_.reset();
  transaction_ = {};
  waiting_ = false;
  lingering_ = false;
  linger_until_ = {};
}

void OrderedJob::begin_again(const base::Error& why) {
  last_error_ = why.text;
  base::logging::warn("job_begins_again", {{"job", spec_.name}, {"error", why.text}});
  stop();
  if (drained_) return std::exchange(drained_, std::nullopt).value()();
  begin_later();
}

// A transaction still under way decides what is stored: it is waited for.
void OrderedJob::begin_later() {
  executor_.after(std::exchange(pause_, std::min(pause_ * 2, kRetryPauseMax)), of_this_run([this] {
                    if (!all_ours()) return;
                    if (committing_) return begin_later();
                    begin();
                  }));
}

void OrderedJob::begin() {
  const auto ready = prepare();
  if (!ready) return begin_again(ready.error());
  last_checkpoint_ = executor_.clock().monotonic();
  look_for_idle();
  turn();
}

base::Result<void> OrderedJob::prepare() {
  pipeline_ = MH_TRY(engine::Pipeline::create(plan_, {spec_.on_runtime_error, true, false, {}}));
  next_look_at_state_ = {};
  for (const auto& [partition, epoch] : owned_) {
    auto& source = sources_[partition];
    source.assignment = {partition, epoch};
    source.input = input_of_topic_.at(partition.topic);
    pipeline_->open(source.input, partition.partition);
  }
  reference_versions_.clear();
  MH_TRY_VOID(look_at_references(true));
  MH_TRY_VOID(prepare_outputs());
  MH_TRY_VOID(restore());
  return open_sources();
}

base::Result<void> OrderedJob::prepare_outputs() {
  const auto writers = engine::Pipeline::writers(plan_);
  auto at_once = MH_TRY(make_outputs(world_, spec_, plan_, executor_.clock()));
  auto in_order = MH_TRY(make_outputs(world_, spec_, plan_, executor_.clock()));
  for (std::size_t i = 0; i < plan_.outputs.size(); ++i) {
    Output output;
    output.name = plan_.outputs[i];
    if (writers[i].at_once) output.at_once = std::move(at_once[i]);
    if (writers[i].in_order) output.in_order = std::move(in_order[i]);
    MH_TRY_VOID(begin_output(output));
    outputs_.push_back(std::move(output));
  }
  return {};
}

base::Result<void> OrderedJob::begin_output(Output& output) {
  const auto begin = [&](JobOutputWriter& writer, const log::Assignment& assignment) -> base::Result<void> {
    const auto note = MH_TRY(world_.log.state(group_, anchor(), note_name(output.name, assignment.partition.partition)));
    return writer.begin(assignment, note);
  };
  if (output.in_order) MH_TRY_VOID(begin(*output.in_order, ordered_assignment()));
  if (!output.at_once) return {};
  for (const auto& [partition, source] : sources_) MH_TRY_VOID(begin(*output.at_once, output_assignment(source)));
  return {};
}

JobStatus OrderedJob::status() const {
  JobStatus status;
  status.name = spec_.name;
  status.group = group_;
  status.version = spec_.version;
  status.counters = counters_;
  status.last_error = last_error_;
  status.last_dropped = last_dropped_;
  status.last_dropped_at = last_dropped_at_;
  status.read_to = read_to_;
  status.checkpointed = checkpointed_;
  status.missed = missed_;
  status.gap = gap_;
  if (!pipeline_) return status;
  add_to(status.counters, pipeline_->counters());
  for (const auto& [partition, source] : sources_) status.next[partition] = source.next;
  if (const auto watermark = pipeline_->watermark()) status.watermark = engine::to_timestamp(*watermark);
  status.state = state_sizes();
  for (const auto& output : outputs_) {
    const auto sink = std::ranges::find(spec_.outputs, output.name, &JobOutput::name);
    status.outputs.push_back({output.name, sink_name(sink->sink), output.rows});
  }
  return status;
}

// Looks at every key where values are counted apart: at most a hundredth of the time goes into it.
std::vector<JobStateSize> OrderedJob::state_sizes() const {
  const auto begin = executor_.clock().monotonic();
  if (begin < next_look_at_state_) return state_sizes_;
  state_sizes_.clear();
  for (const auto& one : pipeline_->state_sizes()) state_sizes_.push_back({one.step, one.what, one.keys, one.bytes});
  const auto end = executor_.clock().monotonic();
  next_look_at_state_ = end + (end - begin) * 100;
  return state_sizes_;
}

base::Result<std::unique_ptr<Job>> make_ordered_job(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan,
                                                    std::function<void(base::Error)> fatal) {
  auto job = std::make_unique<OrderedJob>(world, executor, std::move(spec), std::move(plan), std::move(fatal));
  MH_TRY_VOID(job->join());
  return job;
}

}  // namespace meterhub::stream
