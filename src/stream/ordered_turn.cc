#include "ordered_run.h"

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

namespace meterhub::stream {
namespace {

constexpr std::chrono::milliseconds kIdleLook{1'000};
constexpr std::chrono::milliseconds kReferenceLook{5'000};
// Reading a million meters takes seconds, and while flats are fitted out they change all the time: it rests so many
// times as long as it read.
constexpr int kReferenceRest = 20;
constexpr std::size_t kBatchBytes = 256 * 1024;         // of a partition, a turn
constexpr std::size_t kLingerBatchBytes = 1024 * 1024;  // of one that lingers, since its files shall be large

std::size_t bytes_of(const log::Batch& batch) {
  std::size_t sum = 0;
  for (const auto& record : batch.records) sum += record.body.size();
  return sum;
}

}  // namespace

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
  if (const auto fits = check_memory(); !fits) {
    pause_ = kRetryPauseMax;
    return begin_again(fits.error());
  }
  const auto ran = read_and_run();
  if (!ran) return begin_again(ran.error());
  if (!failed_) return begin_again(failed_.error());
  if (!next_manifest_ && executor_.clock().monotonic() - last_checkpoint_ >= spec_.checkpoint_pause) begin_checkpoint();
  take_pieces();
  if (const auto kept = store_ordered(); !kept) return begin_again(kept.error());
  const bool something = !transaction_.appends.empty() || !transaction_.state.empty();
  // Full batches are not waited for, as a consumer's are not: the job would fall behind for ever.
  if (*ran && !full_) linger_until_ = executor_.clock().monotonic() + spec_.linger;
  if (something) return commit();
  if (*ran) return next_turn();
  wait_for_more();
}

base::Result<void> OrderedJob::check_memory() const {
  if (world_.memory_most == 0) return {};
  std::uint64_t kept = 0;
  for (const auto& one : state_sizes()) kept += one.bytes;
  if (kept <= world_.memory_most) return {};
  constexpr std::uint64_t kMebibyte = 1 << 20;
  return base::fail(base::Errc::kResourceExhausted,
                    "the operators of job " + spec_.name + " keep " + std::to_string(kept / kMebibyte) +
                        " MiB, more than the " + std::to_string(world_.memory_most / kMebibyte) +
                        " MiB of stream.job_memory: shorten windows and histories, group by less, or give it more");
}

// True: there may be more.
base::Result<bool> OrderedJob::read_and_run() {
  bool any = false;
  full_ = false;
  const auto most = spec_.linger >= kFilesLinger ? kLingerBatchBytes : kBatchBytes;
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
  for (auto i = first; i < end; ++i)
    events.push_back(event_of(spec_, source.batch.records[i], source.assignment.partition.partition));
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

base::Result<void> OrderedJob::add(JobOutputWriter& output, const engine::OutputRow& row, base::PartitionId part,
                                   base::Offset pos) {
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

void OrderedJob::give(Output& output, JobOutputWriter& writer, const engine::OutputRow& row, base::PartitionId part,
                      base::Offset pos) {
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
    if (note) transaction_.state.push_back(state(note_name(output.name, part_of(partition)), std::move(note)));
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
    if (note) transaction_.state.push_back(state(note_name(output.name, kOrderedPart), std::move(note)));
    output.in_order->take_appends(transaction_.appends);
    output.sent = output.next;
  }
  if (!moved && transaction_.state.empty()) return {};
  for (const auto& output : outputs_)
    stored_.sequences[output.name] = std::max(stored_.sequences[output.name], output.next);
  for (const auto& [partition, source] : sources_)
    stored_.offsets[partition] = std::max(stored_.offsets[partition], source.next);
  stored_.letters = std::max(stored_.letters, letters_);
  transaction_.state.push_back(state(std::string(kStored), encode(stored_)));
  base::commit_point("job.outputs_before_offset");
  return {};
}

void OrderedJob::commit() {
  for (const auto& [partition, epoch] : owned_) transaction_.owners.push_back({group_, partition, epoch});
  committing_ = true;
  world_.log.transact(std::exchange(transaction_, {}), executor_,
                      [this, run = run_, life = std::weak_ptr(life_)](const base::Result<log::Committed>& result) {
                        if (!life.lock()) return;
                        committing_ = false;
                        if (run == run_) committed(result);
                        else if (drained_) std::exchange(drained_, std::nullopt).value()();
                      });
}

void OrderedJob::committed(const base::Result<log::Committed>& result) {
  if (!result) {
    const auto& error = result.error();
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
                                      if (bounds && bounds->next == source.next && source.replay.empty())
                                        notes.push_back({partition, source.next, watermark});
                                    }
                                  }
                                  if (!notes.empty()) {
                                    idle_.insert(idle_.end(), notes.begin(), notes.end());
                                    transaction_.state.push_back(state(std::string(kIdle), encode(idle_)));
                                    // Applied once they are durable: a replay must find them. They come first in the
                                    // next turn.
                                    for (const auto& note : notes) sources_[note.partition].replay.push_back(note);
                                    commit();
                                  }
                                  look_for_idle();
                                }));
}

base::Result<void> OrderedJob::look_at_references(bool first) {
  bool may_change = false;
  const auto begin = executor_.clock().monotonic();
  for (const auto& reference : spec_.references) {
    may_change = may_change || reference.version;
    auto& known = reference_versions_[reference.name];
    const auto version = reference.version ? reference.version() : known;
    if (!first && version == known) continue;
    MH_TRY_VOID(pipeline_->set_reference(reference.name, first ? 0 : engine::to_ticks(executor_.clock().now()),
                                         reference.rows));
    known = version;
    // What is read again after a crash meets the new rows only: it should be little.
    if (!first) last_checkpoint_ -= spec_.checkpoint_pause;
  }
  if (!may_change) return {};
  const auto rest =
      std::max<base::MonotonicTime::duration>(kReferenceLook, kReferenceRest * (executor_.clock().monotonic() - begin));
  reference_timer_ = executor_.after(rest, of_this_run([this] {
                                       if (const auto looked = look_at_references(false); !looked)
                                         begin_again(looked.error());
                                     }));
  return {};
}

}  // namespace meterhub::stream
