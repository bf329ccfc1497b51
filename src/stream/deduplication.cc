#include <meterhub/stream/deduplication.h>

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <meterhub/base/byte_io.h>
#include <meterhub/base/logging.h>
#include <meterhub/dedup/windows.h>
#include <meterhub/log/consumer.h>
#include <meterhub/log/replay.h>

#include "state_blocks.h"

namespace meterhub::stream {
namespace {

constexpr std::size_t kReplayBytes = 1024 * 1024;
constexpr std::size_t kRecordsAView = 64;
constexpr std::size_t kBesideBody = 96;  // what a record's properties come to, about

struct Topics {
  base::TopicId decoded, readings, status, deadletter;
  std::uint32_t partitions = 1;             // of decoded and readings
  std::uint32_t status_partitions = 1, deadletter_partitions = 1;
};

base::Result<Topics> find_topics(const log::Log& log) {
  Topics out;
  out.decoded = MH_TRY(log.topic(log::topics::kDecoded));
  out.readings = MH_TRY(log.topic(log::topics::kReadings));
  out.status = MH_TRY(log.topic(log::topics::kStatus));
  out.deadletter = MH_TRY(log.topic(log::topics::kDeadletter));
  out.partitions = log.partitions(out.decoded);
  out.status_partitions = log.partitions(out.status);
  out.deadletter_partitions = log.partitions(out.deadletter);
  if (log.partitions(out.readings) != out.partitions) {
    return base::fail(base::Errc::kPrecondition, "logs decoded and readings must have the same number of partitions");
  }
  return out;
}

std::string snapshot_name(base::Shard shard) { return "snapshot/" + std::to_string(shard.value); }

// The four bytes as the number that the windows compare.
std::uint32_t mic_number(const std::array<std::uint8_t, 4>& mic) {
  return static_cast<std::uint32_t>(mic[0]) | static_cast<std::uint32_t>(mic[1]) << 8 |
         static_cast<std::uint32_t>(mic[2]) << 16 | static_cast<std::uint32_t>(mic[3]) << 24;
}

struct Counters {
  base::Counter& readings;
  base::Counter& duplicates;
  base::Counter& late;
  base::Counter& stale;
  base::Counter& resets;
  base::Counter& heartbeats;
  base::Counter& conflicts;
  base::Counter& counter_resets;
  base::Counter& replayed;
  base::Counter& unplaced;

  explicit Counters(base::Metrics& m)
      : readings(m.counter("meterhub_stream_readings_total", "Readings given out, each once.")),
        duplicates(m.counter("meterhub_stream_duplicates_total", "Further copies of readings: reception recorded in status.")),
        late(m.counter("meterhub_stream_late_total", "Readings behind their meter's newest, proven unseen.")),
        stale(m.counter("meterhub_stream_stale_total", "Readings too old to be proven unseen.")),
        resets(m.counter("meterhub_stream_resets_total", "Accepted restarts of a meter's counter.")),
        heartbeats(m.counter("meterhub_stream_heartbeats_total", "Frames without application data.")),
        conflicts(
            m.counter("meterhub_stream_dead_letters_total", "Copies put aside, by reason.", {{"reason", "conflict"}})),
        counter_resets(m.counter("meterhub_stream_dead_letters_total", "Copies put aside, by reason.",
                                 {{"reason", "counter_reset"}})),
        replayed(m.counter("meterhub_stream_replayed_total", "Readings given out once more, for history alone.")),
        unplaced(m.counter("meterhub_stream_replays_unplaced_total",
                           "Packets of a replay of which no reading can be told.")) {}
};

// Letters whose packet deduplication may have seen already: it was the decoding that failed (design part 4, connector).
bool passes_again(std::string_view reason) {
  return reason == "bad_length" || reason == "bad_digits" || reason == "unknown_profile" || reason == "unknown_port";
}

// State and work of one partition of `decoded`.
class Partition {
 public:
  Partition(log::Log& log, const registry::Directory& directory, const Topics& topics, Counters& counters,
            const DeduplicationOptions& options, const HighWordChanged& high_word, log::TopicPartition partition)
      : log_(log), directory_(directory), topics_(topics), counters_(counters), options_(options), high_word_(high_word),
        partition_(partition), blocks_(log, partition), windows_(blocks_) {
    for (std::uint32_t s = partition.partition.value; s < base::kShards; s += topics.partitions) {
      shards_.push_back(base::Shard(static_cast<std::uint8_t>(s)));
    }
  }

  base::Result<void> rebuild(base::Timestamp now);
  base::Result<log::Transaction> judge(const log::Batch& batch, const base::Clock& clock);
  void committed();

 private:
  base::Result<void> restore(base::Shard shard, base::Offset& replay_from);
  base::Result<void> replay(base::Offset from);
  base::Result<void> judge(const registry::Directory::View& meters, const log::RecordView& record, log::Transaction& out);
  base::Result<void> judge_all(const log::Batch& batch, log::Transaction& out);
  base::Result<dedup::Judgement> judge(const dedup::Copy& copy);
  base::Result<void> judge_replay(const dedup::Copy& copy, const log::RecordView& record, log::Transaction& out);
  base::Result<bool> passes_once_more(const log::RecordView& record, const dedup::Judgement& judgement);
  base::Result<void> note_redone(const log::RecordView& record, const dedup::Judgement& judgement);
  void give_out(const log::RecordView& record, const dedup::Judgement& judgement, log::Transaction& out);
  void give_to_history(const log::RecordView& record, base::Generation generation, log::Transaction& out);
  void record_reception(const log::RecordView& record, log::Transaction& out);
  void put_aside(const log::RecordView& record, std::string_view reason, log::Transaction& out);
  base::Result<void> keep_house(const base::Clock& clock, log::Transaction& out);
  log::TopicPartition readings() const { return {topics_.readings, partition_.partition}; }
  void count(dedup::Verdict verdict);

  log::Log& log_;
  const registry::Directory& directory_;
  const Topics& topics_;
  Counters& counters_;
  const DeduplicationOptions& options_;
  const HighWordChanged& high_word_;
  const log::TopicPartition partition_;
  StateBlocks blocks_;
  dedup::MeterWindows windows_;
  std::vector<base::Shard> shards_;
  std::vector<base::Offset> replay_from_;  // in the order of shards_: what its snapshot does not hold
  std::size_t next_snapshot_ = 0;
  std::optional<base::MonotonicTime> last_snapshot_;
  std::uint32_t next_sweep_ = 1;
  std::vector<std::pair<base::MeterNumber, base::SessionNumber>> rolled_over_;  // of this batch
  log::Properties properties_;  // of the record being written: its texts keep their memory
};

// `record` as it goes on, with properties of its own; the sections of the sender's message end here.
void append_copy(log::Appends& out, log::TopicPartition to, const log::RecordView& record,
                 const log::Properties& properties) {
  out.add(to, {record.key, properties, {}, record.body});
}

base::Result<void> Partition::rebuild(base::Timestamp now) {
  blocks_.set_now(now);
  replay_from_.assign(shards_.size(), base::Offset(0));
  for (std::size_t i = 0; i < shards_.size(); ++i) MH_TRY_VOID(restore(shards_[i], replay_from_[i]));
  return replay(std::ranges::min(replay_from_));
}

// A snapshot is the next offset of `readings` when it was made, then the windows.
base::Result<void> Partition::restore(base::Shard shard, base::Offset& replay_from) {
  const auto stored = MH_TRY(log_.state(log::groups::kDeduplication, partition_, snapshot_name(shard)));
  if (!stored) return {};
  base::ByteReader reader(*stored);
  const base::Offset from(reader.number<std::uint64_t>());
  if (!reader.ok()) return base::fail(base::Errc::kCorrupt, "a snapshot of deduplication is cut short");
  MH_TRY_VOID(windows_.restore(shard, std::string_view(*stored).substr(8)));
  replay_from = from;
  return {};
}

base::Result<void> Partition::replay(base::Offset from) {
  const auto bounds = MH_TRY(log_.bounds(readings()));
  if (from < bounds.first) from = bounds.first;
  auto cursor = MH_TRY(log_.open(readings(), from));
  for (;;) {
    const auto batch = MH_TRY(cursor->next(kReplayBytes));
    if (batch.records.empty()) return {};
    for (const auto& record : batch.records) {
      const auto& p = record.properties;
      MH_TRY_VOID(windows_.apply_reading({p.meter, p.session, p.generation, p.fcnt, mic_number(p.mic), p.origin.enqueued, p.stale}));
    }
  }
}

base::Result<log::Transaction> Partition::judge(const log::Batch& batch, const base::Clock& clock) {
  blocks_.set_now(clock.now());
  rolled_over_.clear();
  log::Transaction out;
  std::size_t bytes = 0;
  for (const auto& record : batch.records) bytes += record.key.size() + record.body.size() + kBesideBody;
  out.appends.reserve(batch.records.size(), bytes);
  MH_TRY_VOID(judge_all(batch, out));
  blocks_.collect(out.state);
  MH_TRY_VOID(keep_house(clock, out));
  return out;
}

// Edits of the registry wait for a view: it is held for some records, not for the batch.
base::Result<void> Partition::judge_all(const log::Batch& batch, log::Transaction& out) {
  const std::span all(batch.records);
  for (std::size_t from = 0; from < all.size(); from += kRecordsAView) {
    const auto meters = directory_.view();
    const auto some = all.subspan(from, std::min(kRecordsAView, all.size() - from));
    for (const auto& record : some) meters.prefetch(record.properties.meter);
    for (const auto& record : some) MH_TRY_VOID(judge(meters, record, out));
  }
  return {};
}

base::Result<void> Partition::judge(const registry::Directory::View& meters, const log::RecordView& record,
                                    log::Transaction& out) {
  const auto& p = record.properties;
  if (p.heartbeat) {
    counters_.heartbeats.add();
    record_reception(record, out);
    return {};
  }
  const auto* const meter = meters.meter(p.meter);
  const dedup::Copy copy{p.meter,           p.session,         p.fcnt,
                         mic_number(p.mic), p.origin.enqueued, p.unproven || (meter != nullptr && meter->allow_resets)};
  if (log::is_replay(p)) return judge_replay(copy, record, out);
  const auto judgement = MH_TRY(judge(copy));
  count(judgement.verdict);
  switch (judgement.verdict) {
    case dedup::Verdict::kDuplicate:
      if (!MH_TRY(passes_once_more(record, judgement))) {
        record_reception(record, out);
        return {};
      }
      break;  // history replaces the row of that identity
    case dedup::Verdict::kConflict: put_aside(record, "conflict", out); return {};
    case dedup::Verdict::kCounterReset: put_aside(record, "counter_reset", out); return {};
    default: break;
  }
  give_out(record, judgement, out);
  return note_redone(record, judgement);
}

base::Result<dedup::Judgement> Partition::judge(const dedup::Copy& copy) {
  const auto high_before = windows_.high_word(copy.meter, copy.session);
  const auto judgement = MH_TRY(windows_.judge(copy));
  if (windows_.high_word(copy.meter, copy.session) != high_before) rolled_over_.emplace_back(copy.meter, copy.session);
  return judgement;
}

// What was seen goes to history alone. What never was (its meter was unknown, say) is the reading now, as a letter
// driven again would be. Nothing is put aside: that happened to it the first time.
base::Result<void> Partition::judge_replay(const dedup::Copy& copy, const log::RecordView& record,
                                           log::Transaction& out) {
  const auto found = MH_TRY(windows_.find(copy));
  if (found.known == dedup::Known::kSeen) {
    give_to_history(record, found.generation, out);
    return {};
  }
  // Without proof its session is the meter's of today, and perhaps another reading's.
  if (found.known == dedup::Known::kUnclear || record.properties.unproven) {
    counters_.unplaced.add();
    return {};
  }
  const auto judgement = MH_TRY(judge(copy));
  switch (judgement.verdict) {
    case dedup::Verdict::kDuplicate: give_to_history(record, judgement.generation, out); return {};
    case dedup::Verdict::kConflict:
    case dedup::Verdict::kCounterReset: counters_.unplaced.add(); return {};
    default: break;
  }
  count(judgement.verdict);
  give_out(record, judgement, out);
  return {};
}

dedup::BlockKey redone_key(const log::Properties& p, base::Generation generation) {
  return {p.meter, p.session, generation, dedup::kRedone | p.fcnt / dedup::kWindow};
}

// Of a reading whose decoding had failed each gateway's copy may be driven again, in retries of their own:
// the first that is decoded passes, or jobs would judge the reading once a copy.
base::Result<bool> Partition::passes_once_more(const log::RecordView& record, const dedup::Judgement& judgement) {
  const auto& p = record.properties;
  if (!p.redo || !passes_again(p.reason)) return false;
  const auto block = MH_TRY(blocks_.get(redone_key(p, judgement.generation)));
  return !block || ((*block)[p.fcnt % dedup::kWindow / 8] >> (p.fcnt % 8) & 1) == 0;
}

base::Result<void> Partition::note_redone(const log::RecordView& record, const dedup::Judgement& judgement) {
  const auto& p = record.properties;
  if (!p.redo || p.undecoded) return {};
  const auto key = redone_key(p, judgement.generation);
  auto block = MH_TRY(blocks_.get(key)).value_or(dedup::Block{});
  auto& byte = block[p.fcnt % dedup::kWindow / 8];
  byte = static_cast<std::uint8_t>(byte | 1u << (p.fcnt % 8));
  blocks_.put(key, block);
  return {};
}

void Partition::count(dedup::Verdict verdict) {
  if (dedup::is_reading(verdict)) counters_.readings.add();
  switch (verdict) {
    case dedup::Verdict::kDuplicate: counters_.duplicates.add(); return;
    case dedup::Verdict::kLate: counters_.late.add(); return;
    case dedup::Verdict::kStale: counters_.stale.add(); return;
    case dedup::Verdict::kReset: counters_.resets.add(); return;
    case dedup::Verdict::kConflict: counters_.conflicts.add(); return;
    case dedup::Verdict::kCounterReset: counters_.counter_resets.add(); return;
    case dedup::Verdict::kAccept: return;
  }
}

void Partition::give_out(const log::RecordView& record, const dedup::Judgement& judgement, log::Transaction& out) {
  properties_ = record.properties;
  properties_.generation = judgement.generation;
  properties_.late = judgement.verdict == dedup::Verdict::kLate || judgement.verdict == dedup::Verdict::kDuplicate;
  properties_.stale = judgement.verdict == dedup::Verdict::kStale;
  // Of a stale one nobody knows whether it was there: it stays a replay, and history replaces the row where there is
  // one.
  if (log::is_replay(properties_) && !properties_.stale) properties_.reason.clear();
  append_copy(out.appends, readings(), record, properties_);
}

void Partition::give_to_history(const log::RecordView& record, base::Generation generation, log::Transaction& out) {
  counters_.replayed.add();
  properties_ = record.properties;
  properties_.generation = generation;
  properties_.late = true;
  append_copy(out.appends, readings(), record, properties_);
}

void Partition::record_reception(const log::RecordView& record, log::Transaction& out) {
  const base::PartitionId to(partition_.partition.value % topics_.status_partitions);
  append_copy(out.appends, {topics_.status, to}, record, record.properties);
}

void Partition::put_aside(const log::RecordView& record, std::string_view reason, log::Transaction& out) {
  properties_ = record.properties;
  properties_.reason = reason;
  const base::PartitionId to(partition_.partition.value % topics_.deadletter_partitions);
  append_copy(out.appends, {topics_.deadletter, to}, record, properties_);
}

// Now and then one shard's snapshot and a look for expired blocks ride with a batch.
base::Result<void> Partition::keep_house(const base::Clock& clock, log::Transaction& out) {
  const auto now = clock.monotonic();
  if (last_snapshot_ && now - *last_snapshot_ < options_.snapshot_pause) return {};
  last_snapshot_ = now;
  const auto turn = next_snapshot_++ % shards_.size();
  const auto shard = shards_[turn];
  const auto bounds = MH_TRY(log_.bounds(readings()));
  std::string value;
  base::ByteWriter(value).number(bounds.next.value);
  value += windows_.snapshot(shard);
  out.state.push_back({std::string(log::groups::kDeduplication), partition_, snapshot_name(shard), std::move(value)});
  // Retention leaves what a restart has to read again, however long this partition then rests.
  replay_from_[turn] = bounds.next;
  out.offsets.push_back({std::string(log::groups::kDeduplication), readings(), std::ranges::min(replay_from_)});
  const auto highest = directory_.highest_meter().value;
  for (std::uint32_t i = 0; i < options_.sweep_meters && highest > 0; ++i) {
    if (next_sweep_ > highest) next_sweep_ = 1;
    const base::MeterNumber meter(next_sweep_++);
    if (base::partition_of(base::shard_of(meter), topics_.partitions) != partition_.partition) continue;
    MH_TRY_VOID(blocks_.sweep(meter, out.state));
  }
  windows_.forget_older_windows(clock.now() - dedup::kBlockLifetime);
  return {};
}

void Partition::committed() {
  blocks_.committed();
  for (const auto& [meter, session] : rolled_over_) {
    if (high_word_) high_word_(meter, session, windows_.high_word(meter, session));
  }
  rolled_over_.clear();
}

class Stage final : public Deduplication, public log::ConsumerWork {
 public:
  Stage(log::Log& log, const registry::Directory& directory, base::Executor& executor, base::Metrics& metrics,
        DeduplicationOptions options, HighWordChanged high_word, Topics topics)
      : log_(log), directory_(directory), executor_(executor), counters_(metrics), options_(options),
        high_word_(std::move(high_word)), topics_(topics) {}

  base::Result<void> start(std::function<void(base::Error)> fatal) {
    log::ConsumerOptions options;
    options.group = log::groups::kDeduplication;
    options.topics = {topics_.decoded};
    options.batch_bytes = options_.batch_bytes;
    options.linger = options_.linger;
    consumer_ = MH_TRY(log::Consumer::create(log_, executor_, *this, std::move(options), std::move(fatal)));
    return {};
  }

  base::Result<std::optional<log::From>> begin(const log::Assignment& assignment) override {
    auto partition = std::make_unique<Partition>(log_, directory_, topics_, counters_, options_, high_word_, assignment.partition);
    MH_TRY_VOID(partition->rebuild(executor_.clock().now()));
    partitions_[assignment.partition] = std::move(partition);
    return std::nullopt;
  }

  void process(const log::Assignment& assignment, const log::Batch& batch, Answer answer) override {
    answer(partitions_.at(assignment.partition)->judge(batch, executor_.clock()));
  }

  void committed(const log::Assignment& assignment) override { partitions_.at(assignment.partition)->committed(); }
  void end(const log::TopicPartition& partition) override { partitions_.erase(partition); }
  void drain(base::Task done) override { consumer_->drain(std::move(done)); }

 private:
  log::Log& log_;
  const registry::Directory& directory_;
  base::Executor& executor_;
  Counters counters_;
  const DeduplicationOptions options_;
  const HighWordChanged high_word_;
  const Topics topics_;
  std::map<log::TopicPartition, std::unique_ptr<Partition>> partitions_;
  std::unique_ptr<log::Consumer> consumer_;  // goes first: its readers call this object
};

}  // namespace

base::Result<std::unique_ptr<Deduplication>> Deduplication::create(log::Log& log, const registry::Directory& directory,
                                                                   base::Executor& executor, base::Metrics& metrics,
                                                                   DeduplicationOptions options, HighWordChanged high_word,
                                                                   std::function<void(base::Error)> fatal) {
  const auto topics = MH_TRY(find_topics(log));
  auto stage = std::make_unique<Stage>(log, directory, executor, metrics, options, std::move(high_word), topics);
  MH_TRY_VOID(stage->start(std::move(fatal)));
  return stage;
}

}  // namespace meterhub::stream
