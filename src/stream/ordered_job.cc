#include "ordered_job.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <meterhub/base/byte_io.h>
#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

#include "job_events.h"
#include "job_manifest.h"
#include "job_outputs.h"

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kManifest = "manifest";
constexpr std::string_view kStored = "stored";
constexpr std::string_view kIdle = "idle";
constexpr std::chrono::milliseconds kRetryPause{500};
constexpr std::chrono::milliseconds kRetryPauseMax{30'000};
constexpr std::chrono::milliseconds kIdleLook{1'000};
constexpr std::chrono::milliseconds kReferenceLook{5'000};
constexpr std::size_t kBatchBytes = 256 * 1024;       // of a partition, a turn
constexpr std::size_t kLingerBatchBytes = 1024 * 1024;  // of one that lingers, since its files shall be large
constexpr std::size_t kPieceBytes = 8 * 1024 * 1024;  // of a checkpoint's pieces, a transaction
// Rows with state stand behind this number in an output's progress, those without behind their
// partition's.
constexpr base::PartitionId kOrderedPart(0x8000);

std::string piece_name(std::uint64_t checkpoint, std::string_view piece) { return "c" + std::to_string(checkpoint) + "/" + std::string(piece); }
std::string note_name(std::string_view output, base::PartitionId part) { return stream::note_name(output) + "/" + std::to_string(part.value); }

// Two jobs with the same value do the same with the same state.
std::uint64_t hash_of(const JobSpec& spec) {
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
  return hash;
}

// The longest time that anything in the plan looks back.
engine::Ticks longest_memory(const sql::Plan& plan) {
  engine::Ticks most = 0;
  for (const auto& step : plan.steps) {
    for (const auto& branch : step.branches) {
      for (const auto& call : branch.analytics) most = std::max(most, call.duration);
      for (const auto& source : branch.sources) {
        if (source.join && source.join->bound) most = std::max({most, source.join->bound->upper_ticks, -source.join->bound->lower_ticks});
      }
      if (branch.match) most = std::max(most, branch.match->duration);
      if (!branch.grouping) continue;
      for (const auto& window : branch.grouping->windows) most = std::max({most, window.size, window.maximum + window.timeout});
    }
  }
  return most;
}

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

std::size_t bytes_of(const log::Batch& batch) {
  std::size_t sum = 0;
  for (const auto& record : batch.records) sum += record.body.size();
  return sum;
}

// A partition that is read.
struct Source {
  log::Assignment assignment;
  std::string input;
  std::unique_ptr<log::Cursor> cursor;
  std::unique_ptr<log::Watch> watch;
  base::Offset next;          // to be run
  log::Batch batch;           // in the engine's hands
  bool at_end = false;
  std::vector<IdleNote> replay;  // of before a restart, oldest first
};

class OrderedJob final : public Job, public log::GroupListener, public engine::RowSink {
 public:
  OrderedJob(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan, std::function<void(base::Error)> fatal)
      : world_(world), executor_(executor), spec_(std::move(spec)), group_(group_of(spec_)), plan_(std::move(plan)), hash_(hash_of(spec_)),
        fatal_(std::move(fatal)), rows_(world.metrics.counter("meterhub_stream_job_rows_total", "Rows that a job gave out.", {{"job", spec_.name}})),
        dropped_(world.metrics.counter("meterhub_stream_job_dropped_total", "Events that a job could not use.", {{"job", spec_.name}})) {}
  ~OrderedJob() override { stop(); }

  base::Result<void> join();

  // ---- Job
  JobStatus status() const override;
  void drain(base::Task done) override;

  // ---- GroupListener
  void assigned(std::vector<log::Assignment> partitions) override;
  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override;
  void lost(std::vector<log::TopicPartition> partitions) override;

  // ---- RowSink
  void row(const engine::OutputRow& row) override;
  void dropped(const engine::Dropped& dropped) override;

 private:
  struct Output {
    std::string name;
    std::unique_ptr<JobOutputWriter> at_once, in_order;  // for statements without and with state; null where there are none
    std::uint64_t next = 0;                              // sequence of its next row
    std::uint64_t sent = 0;                              // up to this the writer was told
    std::uint64_t rows = 0;                              // given out in this run
  };

  void send_letter_of(const engine::Dropped& dropped);
  // Runs `task` unless this run, or this object, has ended by then.
  template <class Run>
  auto of_this_run(Run&& task) {
    return [this, run = run_, life = std::weak_ptr(life_), task = std::forward<Run>(task)]() mutable {
      if (const auto lives = life.lock(); lives && run == run_) task();
    };
  }

  // How a run begins and ends: all partitions are ours; everything is read anew from the last
  // checkpoint whenever one run came to nothing.
  void begin();
  void begin_later();
  base::Result<void> prepare();
  base::Result<void> prepare_outputs();
  base::Result<void> begin_output(Output& output);
  base::Result<void> restore();
  base::Result<JobManifest> first_manifest();
  base::Result<JobManifest> taken_over(const JobManifest& old);
  base::Result<void> open_sources();
  void note_gap(Source& source, base::Offset to);
  void stop();
  void begin_again(const base::Error& why);

  // A turn: a batch of each partition through the engine, its rows to the outputs, one transaction.
  void turn();
  void turn_soon();
  // A turn when those who linger have done so.
  void next_turn();
  base::Result<bool> read_and_run();
  base::Result<void> run_batch(Source& source);
  base::Result<void> run_events(Source& source, std::size_t first, std::size_t end);
  base::Result<void> replay_idle(Source& source);
  base::Result<void> store_rows(Source& source, base::Offset from);
  base::Result<void> store_ordered();
  void store();
  void commit();
  void committed(base::Result<log::Committed> result);
  void outputs_committed();
  void wait_for_more();

  void look_for_idle();
  base::Result<void> apply_idle(const std::vector<IdleNote>& notes);
  std::vector<JobStateSize> state_sizes() const;
  base::Result<void> look_at_references(bool first);

  void begin_checkpoint();
  void take_pieces();
  void finish_checkpoint();

  void give(Output& output, JobOutputWriter& writer, const engine::OutputRow& row, base::PartitionId part, base::Offset pos);
  base::Result<void> add(JobOutputWriter& output, const engine::OutputRow& row, base::PartitionId part, base::Offset pos);
  // By what number outputs know a partition. Two logs have partitions of the same numbers: those of the first log,
  // which most jobs have alone, keep theirs; others have their log's number above it.
  base::PartitionId part_of(const log::TopicPartition& partition) const {
    if (partition.topic == anchor().topic) return partition.partition;
    return base::PartitionId((partition.topic.value + 1U) << 16U | partition.partition.value);
  }
  log::Assignment output_assignment(const Source& source) const {
    const auto& own = source.assignment;
    return {{own.partition.topic, part_of(own.partition)}, own.epoch};
  }
  log::Assignment ordered_assignment() const { return {{anchor().topic, kOrderedPart}, sources_.begin()->second.assignment.epoch}; }
  const log::TopicPartition& anchor() const { return sources_.begin()->first; }
  log::StateWrite state(std::string name, std::optional<std::string> value) const { return {group_, anchor(), std::move(name), std::move(value)}; }
  bool all_ours() const { return owned_.size() == wanted_ && wanted_ > 0; }

  const JobWorld world_;
  base::Executor& executor_;
  const JobSpec spec_;
  const std::string group_;
  const sql::Plan plan_;
  const std::uint64_t hash_;
  std::function<void(base::Error)> fatal_;
  base::Counter& rows_;
  base::Counter& dropped_;
  base::TopicId deadletter_;
  std::map<base::TopicId, std::string> input_of_topic_;
  std::size_t wanted_ = 0;                                      // partitions of all inputs
  std::map<log::TopicPartition, base::Epoch> owned_;

  // Of the run:
  std::unique_ptr<engine::Pipeline> pipeline_;
  std::vector<Output> outputs_;                                 // by Plan::outputs
  std::map<log::TopicPartition, Source> sources_;
  JobManifest manifest_;                                        // the last that counts
  StoredNote stored_;                                           // what outputs and letters hold
  std::uint64_t letters_ = 0;                                   // events whose turn failed, so far
  std::vector<IdleNote> idle_;                                  // since the manifest
  std::map<std::string, std::uint64_t> reference_versions_;     // by source
  const Source* running_ = nullptr;
  base::Result<void> failed_;                                   // first error of an output in this turn
  log::Transaction transaction_;
  bool committing_ = false;
  bool waiting_ = false;                                        // for records
  bool lingering_ = false;                                      // so that the next batches are larger
  base::MonotonicTime linger_until_{};
  bool full_ = false;                                           // a batch of this turn was as large as they may be
  std::uint64_t run_ = 0;
  std::chrono::milliseconds pause_ = kRetryPause;
  base::Executor::TimerId idle_timer_{}, reference_timer_{};

  // Of a checkpoint under way:
  std::optional<JobManifest> next_manifest_;
  std::size_t idle_before_ = 0;                                 // notes that the new manifest makes needless
  mutable std::vector<JobStateSize> state_sizes_;
  mutable base::MonotonicTime next_look_at_state_{};
  base::MonotonicTime last_checkpoint_{};
  std::optional<base::Timestamp> checkpointed_;
  std::vector<std::string> pieces_;                             // of the new one
  std::set<std::string> old_pieces_;                            // to be removed with the manifest
  bool manifest_pending_ = false;                               // in the transaction under way

  engine::PipelineCounters counters_;                           // of runs before
  std::string last_error_;
  std::string last_dropped_;
  base::Timestamp last_dropped_at_{};
  std::optional<base::Timestamp> read_to_;
  std::uint64_t missed_ = 0;
  std::optional<JobGap> gap_;
  std::optional<base::Task> drained_;
  std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
  std::unique_ptr<log::Membership> membership_;                 // goes first
};

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

base::Result<void> OrderedJob::restore() {
  const auto stored = MH_TRY(world_.log.state(group_, anchor(), kStored));
  stored_ = StoredNote{};
  if (stored) stored_ = MH_TRY(decode_stored(*stored));
  const auto record = MH_TRY(world_.log.state(group_, anchor(), kManifest));
  auto read = record ? decode_manifest(*record) : first_manifest();
  manifest_ = MH_TRY(std::move(read));
  const auto idle = MH_TRY(world_.log.state(group_, anchor(), kIdle));
  idle_.clear();
  if (idle) idle_ = MH_TRY(decode_idle(*idle));
  const bool changed = record && manifest_.plan != hash_;
  if (changed) {
    manifest_ = MH_TRY(taken_over(manifest_));
    idle_.clear();
    transaction_.state.push_back(state(std::string(kIdle), std::nullopt));
  }
  // Where a run without state begins is settled once: after a restart it is the same place.
  if (!record || changed) transaction_.state.push_back(state(std::string(kManifest), encode(manifest_)));
  old_pieces_.clear();
  pieces_.clear();
  base::Result<void> loaded;
  const auto prefix = piece_name(manifest_.number, "");
  MH_TRY_VOID(world_.log.scan_state(group_, anchor(), "c", [&](std::string_view name, std::string_view value) {
    if (!name.starts_with(prefix)) {
      old_pieces_.emplace(name);  // of a checkpoint that never came to count
      return true;
    }
    if (!manifest_.fresh) loaded = pipeline_->restore_piece({std::string(name.substr(prefix.size())), std::string(value)});
    pieces_.emplace_back(name);
    return loaded.has_value();
  }));
  MH_TRY_VOID(std::move(loaded));
  MH_TRY_VOID(pipeline_->restored());
  for (auto& output : outputs_) output.next = output.sent = manifest_.sequences[output.name];
  letters_ = manifest_.letters;
  base::logging::info("job_restored", {{"job", spec_.name}, {"checkpoint", manifest_.number}, {"fresh", manifest_.fresh ? "true" : "false"}});
  return {};
}

base::Result<JobManifest> OrderedJob::first_manifest() {
  JobManifest manifest;
  manifest.plan = hash_;
  for (const auto& [partition, source] : sources_) {
    manifest.offsets[partition] = MH_TRY(world_.log.offset_for_time(partition, spec_.starts));
  }
  return manifest;
}

// Another text: its state cannot be used. It is made anew from the longest that the new text
// looks back, and only what the old one had not given out is given out.
base::Result<JobManifest> OrderedJob::taken_over(const JobManifest& old) {
  JobManifest manifest;
  manifest.number = old.number + 1;
  manifest.plan = hash_;
  manifest.taken_over_at = old.watermark;
  manifest.sequences = stored_.sequences;
  manifest.letters = stored_.letters;
  for (const auto& [partition, source] : sources_) {
    const auto bounds = MH_TRY(world_.log.bounds(partition));
    auto from = old.offsets.contains(partition) ? old.offsets.at(partition) : bounds.next;
    if (old.watermark) {
      const auto warm = engine::to_timestamp(*old.watermark - longest_memory(plan_) - spec_.policy.late_arrival);
      from = std::min(from, MH_TRY(world_.log.offset_for_time(partition, warm)));
    }
    manifest.offsets[partition] = std::max(from, bounds.first);
  }
  base::logging::info("job_changed", {{"job", spec_.name}});
  return manifest;
}

base::Result<void> OrderedJob::open_sources() {
  for (auto& [partition, source] : sources_) {
    const auto bounds = MH_TRY(world_.log.bounds(partition));
    const auto found = manifest_.offsets.find(partition);
    source.next = found == manifest_.offsets.end() ? bounds.first : found->second;
    if (source.next < bounds.first) note_gap(source, bounds.first);
    source.cursor = MH_TRY(world_.log.open(partition, source.next));
    for (const auto& note : idle_) {
      if (note.partition == partition) source.replay.push_back(note);
    }
  }
  return {};
}

// Retention took records before they were read.
void OrderedJob::note_gap(Source& source, base::Offset to) {
  gap_ = JobGap{source.assignment.partition.partition, source.next, to};
  missed_ += to.value - source.next.value;
  base::logging::warn("job_gap", {{"job", spec_.name}, {"partition", gap_->partition.value}, {"from", gap_->from.value}, {"to", gap_->to.value}});
  source.next = to;
}

// ---- a turn ----

void OrderedJob::turn_soon() {
  executor_.post(of_this_run([this] { turn(); }));
}

void OrderedJob::next_turn() {
  if (lingering_) return;
  const auto left = linger_until_ - executor_.clock().monotonic();
  if (left.count() <= 0) return turn_soon();
  lingering_ = true;
  executor_.after(left, of_this_run([this] {
                    lingering_ = false;
                    turn();
                  }));
}

void OrderedJob::turn() {
  if (committing_ || !pipeline_) return;
  waiting_ = false;
  failed_ = {};
  const auto ran = read_and_run();
  if (!ran) return begin_again(ran.error());
  if (!failed_) return begin_again(failed_.error());
  if (!next_manifest_ && executor_.clock().monotonic() - last_checkpoint_ >= spec_.checkpoint_pause) begin_checkpoint();
  take_pieces();
  if (const auto kept = store_ordered(); !kept) return begin_again(kept.error());
  const bool something = !transaction_.appends.empty() || !transaction_.state.empty();
  if (something) {
    // Full batches are not waited for, as a consumer's are not: the job would fall behind for ever.
    if (*ran && !full_) linger_until_ = executor_.clock().monotonic() + spec_.linger;
    return commit();
  }
  if (*ran) return turn_soon();
  wait_for_more();
}

// True: there may be more.
base::Result<bool> OrderedJob::read_and_run() {
  bool any = false;
  full_ = false;
  const auto most = spec_.linger.count() > 0 ? kLingerBatchBytes : kBatchBytes;
  for (auto& [partition, source] : sources_) {
    MH_TRY_VOID(replay_idle(source));
    auto batch = source.cursor->next(most);
    if (!batch && batch.error().code == base::Errc::kNotFound) {
      note_gap(source, source.cursor->position());
      batch = source.cursor->next(most);
    }
    if (!batch) return std::unexpected(std::move(batch).error());
    source.batch = std::move(*batch);
    source.at_end = source.batch.records.empty();
    if (source.at_end) continue;
    any = true;
    full_ = full_ || bytes_of(source.batch) >= most / 2;
    const auto from = source.batch.records.front().offset;
    MH_TRY_VOID(run_batch(source));
    MH_TRY_VOID(store_rows(source, from));
    source.batch = {};
  }
  return any;
}

// The batch up to where the clock moved the watermark before a restart, that, and so on.
base::Result<void> OrderedJob::run_batch(Source& source) {
  running_ = &source;
  std::size_t done = 0;
  const auto& records = source.batch.records;
  while (done < records.size()) {
    auto end = records.size();
    if (!source.replay.empty()) {
      const auto at = std::ranges::lower_bound(records, source.replay.front().before, {}, &log::RecordView::offset);
      end = std::max<std::size_t>(static_cast<std::size_t>(at - records.begin()), done);
    }
    if (end > done) MH_TRY_VOID(run_events(source, done, end));
    done = end;
    source.next = done < records.size() ? records[done].offset : base::Offset(records.back().offset.value + 1);
    MH_TRY_VOID(replay_idle(source));
  }
  return {};
}

base::Result<void> OrderedJob::run_events(Source& source, std::size_t first, std::size_t end) {
  std::vector<engine::Event> events;
  events.reserve(end - first);
  for (auto i = first; i < end; ++i) events.push_back(event_of(spec_, source.batch.records[i], source.assignment.partition.partition));
  read_to_ = std::max(read_to_.value_or(base::Timestamp{}), *events.back().arrival);
  return pipeline_->run(source.input, events, *this);
}

base::Result<void> OrderedJob::replay_idle(Source& source) {
  while (!source.replay.empty() && source.replay.front().before <= source.next) {
    const auto note = source.replay.front();
    source.replay.erase(source.replay.begin());
    MH_TRY_VOID(pipeline_->idle(source.input, source.assignment.partition.partition, note.watermark, *this));
  }
  return {};
}

base::Result<void> OrderedJob::add(JobOutputWriter& output, const engine::OutputRow& row, base::PartitionId part, base::Offset pos) {
  auto placed = row;
  placed.partition = part;
  placed.offset = pos;
  log::RecordView record;
  record.offset = pos;
  record.properties.tenant = base::TenantNumber(row.tenant);
  record.properties.time = engine::to_timestamp(row.time);
  return output.add(placed, record);
}

void OrderedJob::row(const engine::OutputRow& row) {
  auto& output = outputs_[row.output];
  if (!row.sequence) {
    if (running_ == nullptr || row.offset < stored_.offsets[running_->assignment.partition]) return;  // a replay
    give(output, *output.at_once, row, part_of(running_->assignment.partition), row.offset);
    return;
  }
  if (manifest_.taken_over_at && row.time <= *manifest_.taken_over_at) return;
  const auto sequence = output.next++;
  if (sequence < stored_.sequences[output.name]) return;  // a replay
  give(output, *output.in_order, row, kOrderedPart, base::Offset(sequence));
}

void OrderedJob::give(Output& output, JobOutputWriter& writer, const engine::OutputRow& row, base::PartitionId part, base::Offset pos) {
  rows_.add();
  ++output.rows;
  if (failed_) failed_ = add(writer, row, part, pos);
}

void OrderedJob::dropped(const engine::Dropped& dropped) {
  dropped_.add();
  last_dropped_ = dropped_text(dropped);
  last_dropped_at_ = executor_.clock().now();
  if (!is_letter(dropped.reason)) return;
  if (dropped.event == nullptr) {
    if (letters_++ >= stored_.letters) send_letter_of(dropped);
    return;
  }
  if (running_ == nullptr || dropped.offset < stored_.offsets[running_->assignment.partition]) return;
  const auto& records = running_->batch.records;
  const auto& record = records[dropped.offset.value - records.front().offset.value];
  const base::PartitionId to(dropped.partition.value % world_.log.partitions(deadletter_));
  transaction_.appends.push_back({{deadletter_, to}, letter_of(spec_.name, record, dropped.reason)});
}

// Its turn came later than its batch: the record is read once more. A window's result is of no
// record; its error is told by the job.
void OrderedJob::send_letter_of(const engine::Dropped& dropped) {
  for (const auto& [partition, source] : sources_) {
    if (partition.partition != dropped.partition || source.input != dropped.input) continue;
    const auto cursor = world_.log.open(partition, dropped.offset);
    if (!cursor) return;
    const auto batch = (*cursor)->next(1);
    if (!batch || batch->records.empty() || batch->records.front().offset != dropped.offset) return;
    const base::PartitionId to(dropped.partition.value % world_.log.partitions(deadletter_));
    transaction_.appends.push_back({{deadletter_, to}, letter_of(spec_.name, batch->records.front(), dropped.reason)});
  }
}

// Rows of statements without state, partition by partition.
base::Result<void> OrderedJob::store_rows(Source& source, base::Offset from) {
  const auto partition = source.assignment.partition;
  const auto stored = stored_.offsets[partition];
  if (source.next <= stored) return {};  // a replay: all is there
  for (auto& output : outputs_) {
    if (!output.at_once) continue;
    // Rows before `stored` were left out: a file with the name of the one that holds them would take its place.
    auto note = MH_TRY(output.at_once->store(output_assignment(source), std::max(from, stored), source.next));
    if (note) transaction_.state.push_back(state(note_name(output.name, part_of(partition)), std::move(*note)));
    output.at_once->take_appends(transaction_.appends);
  }
  return {};
}

base::Result<void> OrderedJob::store_ordered() {
  bool moved = !transaction_.appends.empty();
  for (auto& output : outputs_) {
    const auto from = std::max(output.sent, stored_.sequences[output.name]);
    if (!output.in_order || output.next <= from) continue;
    moved = true;
    auto note = MH_TRY(output.in_order->store(ordered_assignment(), base::Offset(from), base::Offset(output.next)));
    if (note) transaction_.state.push_back(state(note_name(output.name, kOrderedPart), std::move(*note)));
    output.in_order->take_appends(transaction_.appends);
    output.sent = output.next;
  }
  if (!moved && transaction_.state.empty()) return {};
  for (const auto& output : outputs_) stored_.sequences[output.name] = std::max(stored_.sequences[output.name], output.next);
  for (const auto& [partition, source] : sources_) stored_.offsets[partition] = std::max(stored_.offsets[partition], source.next);
  stored_.letters = std::max(stored_.letters, letters_);
  transaction_.state.push_back(state(std::string(kStored), encode(stored_)));
  base::commit_point("job.outputs_before_offset");
  return {};
}

void OrderedJob::commit() {
  for (const auto& [partition, epoch] : owned_) transaction_.owners.push_back({group_, partition, epoch});
  committing_ = true;
  world_.log.transact(std::exchange(transaction_, {}), executor_,
                      [this, run = run_, life = std::weak_ptr(life_)](base::Result<log::Committed> result) {
                        if (!life.lock()) return;
                        committing_ = false;
                        if (run == run_) committed(std::move(result));
                        else if (drained_) std::exchange(drained_, std::nullopt).value()();
                      });
}

void OrderedJob::committed(base::Result<log::Committed> result) {
  if (!result) {
    const auto error = std::move(result).error();
    if (error.code == base::Errc::kIo) fatal_(error);
    if (error.code == base::Errc::kFenced || error.code == base::Errc::kCancelled || error.code == base::Errc::kIo) {
      last_error_ = error.text;
      stop();
    } else {
      return begin_again(error);
    }
  }
  // Before whoever waits hears of the end: a job that is stopped for good has all of its files in their place.
  if (result) outputs_committed();
  if (drained_) return std::exchange(drained_, std::nullopt).value()();
  if (!pipeline_) return;
  pause_ = kRetryPause;
  finish_checkpoint();
  next_turn();
}

void OrderedJob::outputs_committed() {
  for (auto& output : outputs_) {
    if (output.at_once) {
      for (const auto& [partition, source] : sources_) output.at_once->committed(output_assignment(source));
    }
    if (output.in_order) output.in_order->committed(ordered_assignment());
  }
}

void OrderedJob::wait_for_more() {
  waiting_ = true;
  for (auto& [partition, source] : sources_) {
    source.watch = world_.log.watch(partition, source.cursor->position(), executor_, of_this_run([this] {
                                      if (waiting_) turn();
                                    }));
  }
}

// ---- time without events ----

void OrderedJob::look_for_idle() {
  idle_timer_ = executor_.after(kIdleLook, of_this_run([this] {
    const auto complete = world_.complete_until ? world_.complete_until() : std::nullopt;
    std::vector<IdleNote> notes;
    if (complete && !committing_ && (waiting_ || lingering_)) {
      const auto watermark = engine::to_ticks(*complete) - spec_.policy.late_arrival;
      for (const auto& [partition, source] : sources_) {
        // Records that came between the two looks count first.
        const auto bounds = world_.log.bounds(partition);
        if (bounds && bounds->next == source.next && source.replay.empty()) notes.push_back({partition, source.next, watermark});
      }
    }
    if (!notes.empty()) {
      idle_.insert(idle_.end(), notes.begin(), notes.end());
      transaction_.state.push_back(state(std::string(kIdle), encode(idle_)));
      // Applied once they are durable: a replay must find them. They come first in the next turn.
      for (const auto& note : notes) sources_[note.partition].replay.push_back(note);
      commit();
    }
    look_for_idle();
  }));
}

base::Result<void> OrderedJob::look_at_references(bool first) {
  bool may_change = false;
  for (const auto& reference : spec_.references) {
    may_change = may_change || reference.version;
    auto& known = reference_versions_[reference.name];
    const auto version = reference.version ? reference.version() : known;
    if (!first && version == known) continue;
    auto table = std::make_shared<engine::ReferenceTable>();
    table->rows = MH_TRY(reference.rows());
    pipeline_->set_reference(reference.name, first ? 0 : engine::to_ticks(executor_.clock().now()), std::move(table));
    known = version;
    // What is read again after a crash meets the new rows only: it should be little.
    if (!first) last_checkpoint_ -= spec_.checkpoint_pause;
  }
  if (!may_change) return {};
  reference_timer_ = executor_.after(kReferenceLook, of_this_run([this] {
                                       if (const auto looked = look_at_references(false); !looked) begin_again(looked.error());
                                     }));
  return {};
}

// ---- checkpoints ----

void OrderedJob::begin_checkpoint() {
  last_checkpoint_ = executor_.clock().monotonic();
  JobManifest next;
  next.number = manifest_.number + 1;
  next.fresh = false;
  next.plan = hash_;
  for (const auto& [partition, source] : sources_) next.offsets[partition] = source.next;
  for (const auto& output : outputs_) next.sequences[output.name] = output.next;
  next.letters = letters_;
  next.taken_over_at = manifest_.taken_over_at;
  next.watermark = pipeline_->watermark();
  next_manifest_ = std::move(next);
  idle_before_ = idle_.size();
  old_pieces_.insert(pieces_.begin(), pieces_.end());
  pieces_.clear();
  pipeline_->begin_checkpoint();
}

// Some of it with every turn; the manifest with the last.
void OrderedJob::take_pieces() {
  if (!next_manifest_) return;
  for (std::size_t bytes = 0; bytes < kPieceBytes;) {
    auto piece = pipeline_->next_piece();
    if (!piece) {
      base::commit_point("job.state_before_manifest");
      transaction_.state.push_back(state(std::string(kManifest), encode(*next_manifest_)));
      const std::vector<IdleNote> left(idle_.begin() + static_cast<std::ptrdiff_t>(idle_before_), idle_.end());
      transaction_.state.push_back(state(std::string(kIdle), encode(left)));
      for (const auto& name : old_pieces_) transaction_.state.push_back(state(name, std::nullopt));
      old_pieces_.clear();
      for (const auto& [partition, offset] : next_manifest_->offsets) transaction_.offsets.push_back({group_, partition, offset});
      idle_ = left;
      manifest_ = *std::exchange(next_manifest_, std::nullopt);
      manifest_pending_ = true;
      return;
    }
    bytes += piece->bytes.size();
    pieces_.push_back(piece_name(next_manifest_->number, piece->name));
    old_pieces_.erase(pieces_.back());  // one of a try that was cut off
    transaction_.state.push_back(state(pieces_.back(), std::move(piece->bytes)));
  }
}

void OrderedJob::finish_checkpoint() {
  if (std::exchange(manifest_pending_, false)) checkpointed_ = executor_.clock().now();
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

}  // namespace

base::Result<std::unique_ptr<Job>> make_ordered_job(const JobWorld& world, base::Executor& executor, JobSpec spec, sql::Plan plan,
                                                    std::function<void(base::Error)> fatal) {
  auto job = std::make_unique<OrderedJob>(world, executor, std::move(spec), std::move(plan), std::move(fatal));
  MH_TRY_VOID(job->join());
  return job;
}

}  // namespace meterhub::stream
