#include "core.h"

#include <algorithm>
#include <map>
#include <utility>

#include <meterhub/base/assert.h>
#include <meterhub/base/logging.h>

#include "../checks.h"

namespace meterhub::log {
namespace {

using base::Errc;

constexpr int kIncarnationShift = 32;
// The writer rests this many times as long as a commit took, up to the group window:
// under load a sync is shared by more, and one that comes after a pause goes at once.
constexpr int kRest = 3;

}  // namespace

// Collects what the transactions of one commit write, partition by partition.
class EmbeddedLog::Core::Group {
 public:
  Group(Core& core, base::Timestamp now) : core_(core), now_(now) {}

  // Fails when the store does; a fenced transaction is only answered so.
  base::Result<void> add(Waiting waiting) {
    Reply reply{waiting.reply_on, std::move(waiting.done), {}};
    base::Result<void> outcome;
    if (fenced(waiting.transaction)) {
      core_.counters_.fenced.add();
      reply.result = base::fail(Errc::kFenced, "a newer owner of the partition exists");
    } else if (reply.result = stage(waiting.transaction); !reply.result) {
      outcome = std::unexpected(reply.result.error());
    }
    replies_.push_back(std::move(reply));
    return outcome;
  }

  // Turns the last open blocks into bytes.
  void seal() {
    for (auto& [partition, stage] : stages_) seal(partition, stage);
  }

  kv::Batch& batch() { return batch_; }
  std::vector<Reply>& replies() { return replies_; }
  const std::vector<OffsetCommit>& commits() const { return commits_; }

  std::vector<Growth> growth() const {
    std::vector<Growth> out;
    for (const auto& [partition, stage] : stages_) out.push_back(stage.growth);
    return out;
  }

 private:
  struct Stage {
    Growth growth;
    base::Offset next;
    base::Timestamp last{};
    std::optional<BlockBuilder> open;
  };

  bool fenced(const Transaction& transaction) const {
    return !std::ranges::all_of(transaction.owners, [&](const auto& o) { return core_.groups_->current(o); });
  }

  base::Result<Stage*> stage_of(TopicPartition partition) {
    core_.commit_mutex_.held();  // by commit(), the only caller of add()
    auto [it, fresh] = stages_.try_emplace(partition);
    if (!fresh) return &it->second;
    auto& segment = segments_[partition.topic];
    if (!segment) segment = MH_TRY(core_.segment_for(partition.topic, batch_));
    const auto bounds = core_.index_.bounds(partition);
    it->second.growth = {partition, segment, {}, 0};
    it->second.next = bounds->next;
    it->second.last = bounds->last_enqueued;
    return &it->second;
  }

  base::Result<Committed> stage(Transaction& transaction) {
    Committed out;
    out.places.reserve(transaction.appends.size());
    for (std::size_t i = 0; i < transaction.appends.size(); ++i) {
      const auto partition = transaction.appends.to(i);
      auto& stage = *MH_TRY(stage_of(partition));
      stage.last = std::max(stage.last, now_);
      if (!stage.open) stage.open.emplace(stage.next, stage.last);
      stage.open->add(transaction.appends.record(i), stage.last);
      out.places.push_back({stage.next, stage.last});
      stage.next = base::Offset(stage.next.value + 1);
      if (stage.open->size() >= kBlockTarget) seal(partition, stage);
    }
    for (auto& commit : transaction.offsets) {
      core_.store_->put_offset(batch_, commit);
      commits_.push_back(std::move(commit));
    }
    for (const auto& write : transaction.state) core_.store_->put_state(batch_, write);
    return out;
  }

  void seal(TopicPartition partition, Stage& stage) {
    if (!stage.open) return;
    auto block = std::make_shared<const Block>(std::move(*stage.open).take());
    stage.open.reset();
    encode_block(*block, stored_);
    core_.store_->put_block(batch_, stage.growth.segment, partition.partition, block->first, stored_);
    stage.growth.stored_bytes += stored_.size();
    stage.growth.blocks.push_back(std::move(block));
  }

  Core& core_;
  const base::Timestamp now_;  // the commit's; its records came before it
  std::string stored_;         // the block being written
  kv::Batch batch_;
  std::map<base::TopicId, SegmentRef> segments_;
  std::map<TopicPartition, Stage> stages_;
  std::vector<OffsetCommit> commits_;
  std::vector<Reply> replies_;
};

EmbeddedLog::Core::Core(EmbeddedOptions options, const base::Clock& clock, base::Executor& writer,
                        base::Metrics& metrics)
    : options_(std::move(options)),
      clock_(clock),
      writer_(writer),
      metrics_(metrics),
      counters_(metrics),
      index_(options_.tail_cache_bytes) {}

EmbeddedLog::Core::~Core() = default;

base::Result<void> EmbeddedLog::Core::start() {
  store_ = MH_TRY(Store::open(options_, index_));
  groups_ = std::make_unique<Groups>(clock_, base::Epoch(store_->incarnation() << kIncarnationShift),
                                     [weak = weak_from_this()](base::Task task) {
                                       if (const auto core = weak.lock()) core->after_what_waits(std::move(task));
                                     });
  measure_quota();
  arm();
  return {};
}

void EmbeddedLog::Core::close() {
  const base::Lock commit_lock(commit_mutex_);
  closed_ = true;
  std::vector<Reply> cancelled;
  bool healthy = false;
  {
    const base::Lock lock(queue_mutex_);
    closing_ = true;
    healthy = !failed_;
    for (auto& waiting : std::exchange(waiting_, {})) {
      cancelled.push_back({waiting.reply_on, std::move(waiting.done), base::fail(Errc::kCancelled, "closing")});
    }
    barriers_.clear();
  }
  reply(std::move(cancelled));
  if (healthy) store_->flush_all(index_);
}

base::Result<base::TopicId> EmbeddedLog::Core::declare(const TopicSpec& spec) {
  MH_TRY_VOID(check_spec(spec));
  const base::Lock lock(declare_mutex_);
  const auto known = index_.find(spec.name);
  if (known && index_.spec(*known)->partitions != spec.partitions) {
    return base::fail(Errc::kPrecondition, "log " + spec.name + " has another number of partitions");
  }
  if (!known && index_.topic_count() > UINT16_MAX) return base::fail(Errc::kResourceExhausted, "too many logs");
  const auto id = known ? *known : base::TopicId(static_cast<std::uint16_t>(index_.topic_count()));
  MH_TRY_VOID(store_->save_topic(id, spec));
  if (!known) return index_.add(spec);
  index_.update(id, spec);
  return id;
}

base::Result<void> EmbeddedLog::Core::check_open() const {
  if (closing_) return base::fail(Errc::kCancelled, "closing");
  if (failed_) return std::unexpected(*failed_);
  return {};
}

base::Result<void> EmbeddedLog::Core::admit(Waiting& waiting) {
  const auto& transaction = waiting.transaction;
  waiting.size = transaction_size(transaction);
  MH_TRY_VOID(check_shape(transaction, waiting.size));
  for (std::size_t i = 0; i < transaction.appends.size(); ++i) {
    if (i > 0 && transaction.appends.to(i) == transaction.appends.to(i - 1)) continue;
    if (!index_.exists(transaction.appends.to(i))) return base::fail(Errc::kNotFound, "no such log or partition");
  }
  MH_TRY_VOID(check_quota(transaction, fill()));
  const base::Lock lock(queue_mutex_);
  MH_TRY_VOID(check_open());
  if (waiting_bytes_ != 0 && waiting_bytes_ + waiting.size > kTransactionLimit) {
    return base::fail(Errc::kResourceExhausted, "64 MiB of transactions wait for the disk");
  }
  waiting_bytes_ += waiting.size;
  waiting_.push_back(std::move(waiting));
  schedule();
  return {};
}

void EmbeddedLog::Core::transact(Transaction transaction, base::Executor& reply_on, Done done) {
  Waiting waiting{std::move(transaction), 0, &reply_on, std::move(done)};
  if (auto admitted = admit(waiting); !admitted) {
    counters_.refused.add();
    std::vector<Reply> refused;
    refused.push_back({&reply_on, std::move(waiting.done), std::unexpected(std::move(admitted).error())});
    reply(std::move(refused));
  }
}

void EmbeddedLog::Core::after_what_waits(base::Task task) {
  const base::Lock lock(queue_mutex_);
  if (!check_open()) return;
  barriers_.push_back(std::move(task));
  schedule();
}

// Under one lock with the commit's own look at the clock: a commit that begins later has a later time.
base::Timestamp EmbeddedLog::Core::complete_until() const {
  const base::Lock lock(queue_mutex_);
  const auto now = clock_.now();
  return commit_time_ ? std::min(now, *commit_time_) : now;
}

void EmbeddedLog::Core::schedule() {
  if (std::exchange(scheduled_, true)) return;
  auto task = [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->commit();
  };
  const auto rest = not_before_ - clock_.monotonic();
  if (rest > std::chrono::nanoseconds(0)) {
    writer_.after(rest, std::move(task));
  } else {
    writer_.post(std::move(task));
  }
}

void EmbeddedLog::Core::commit() {
  const base::Lock commit_lock(commit_mutex_);
  if (closed_) return;
  const auto begun = clock_.monotonic();
  std::vector<Waiting> taken;
  std::vector<base::Task> barriers;
  base::Timestamp now;
  {
    const base::Lock lock(queue_mutex_);
    if (failed_) return;
    now = clock_.now();
    commit_time_ = now;
    taken = std::exchange(waiting_, {});
    barriers = std::exchange(barriers_, {});
  }
  std::size_t bytes = 0;
  Group group(*this, now);
  base::Result<void> outcome;
  for (auto& waiting : taken) {
    bytes += waiting.size;
    if (outcome) {
      outcome = group.add(std::move(waiting));
    } else {  // only collected, to be told
      group.replies().push_back({waiting.reply_on, std::move(waiting.done), {}});
    }
  }
  if (outcome && !taken.empty()) outcome = write(group);
  if (!outcome) {
    for (auto& reply : group.replies()) reply.result = std::unexpected(outcome.error());
    reply(std::move(group.replies()));
    fail_for_good(outcome.error());
    return;
  }
  reply(std::move(group.replies()));
  for (auto& barrier : barriers) barrier();
  const auto ended = clock_.monotonic();
  const base::Lock lock(queue_mutex_);
  waiting_bytes_ -= bytes;
  commit_time_.reset();
  not_before_ = ended + std::min<std::chrono::nanoseconds>(options_.group_window, kRest * (ended - begun));
  scheduled_ = false;
  if (!waiting_.empty() || !barriers_.empty()) schedule();
}

base::Result<void> EmbeddedLog::Core::write(Group& group) {
  group.seal();
  if (group.batch().empty()) return {};
  MH_TRY_VOID(store_->write(group.batch()));
  MH_TRY_VOID(store_->sync());
  const auto growth = group.growth();
  index_.grow(growth);
  index_.commit(group.commits());
  for (const auto& g : growth) {
    auto& counters = appended(g.partition.topic);
    counters.records.add(g.blocks.back()->end().value - g.blocks.front()->first.value);  // blocks follow each other
    counters.bytes.add(g.stored_bytes);
    watches_.advanced(g.partition, g.blocks.back()->end());
  }
  counters_.commits.add();
  counters_.transactions.add(group.replies().size());
  return {};
}

EmbeddedLog::Core::Appended& EmbeddedLog::Core::appended(base::TopicId topic) {
  const auto known = appended_.find(topic);
  if (known != appended_.end()) return known->second;
  const base::Labels labels{{"log", index_.spec(topic)->name}};
  const Appended made{metrics_.counter("meterhub_log_appended_records_total", "Records made durable", labels),
                      metrics_.counter("meterhub_log_stored_bytes_total", "Bytes written to segments, compressed", labels)};
  return appended_.emplace(topic, made).first->second;
}

// One task an executor, in the order of the transactions.
void EmbeddedLog::Core::reply(std::vector<Reply> replies) {
  std::map<base::Executor*, std::vector<Reply>> by_executor;
  for (auto& reply : replies) by_executor[reply.on].push_back(std::move(reply));
  for (auto& [executor, its] : by_executor) {
    executor->post([own = std::move(its)]() mutable {
      for (auto& reply : own) reply.done(std::move(reply.result));
    });
  }
}

void EmbeddedLog::Core::fail_for_good(const base::Error& error) {
  counters_.failures.add();
  base::logging::error("log_failed", {{"error", error.text}});
  std::vector<Reply> rest;
  {
    const base::Lock lock(queue_mutex_);
    failed_ = base::Error(Errc::kIo, error.text);
    for (auto& waiting : std::exchange(waiting_, {})) {
      rest.push_back({waiting.reply_on, std::move(waiting.done), std::unexpected(*failed_)});
    }
    barriers_.clear();
  }
  reply(std::move(rest));
  // As a task: commit_mutex_ is held here, and no lock over a caller's callback.
  if (options_.on_failure) writer_.post([hook = options_.on_failure, error] { hook(error); });
}

base::Result<std::vector<BlockRef>> EmbeddedLog::Core::read(TopicPartition partition, base::Offset position,
                                                            std::size_t max_bytes) {
  auto found = index_.locate(partition, position, max_bytes);
  if (position < found.bounds.first) return base::fail(Errc::kNotFound, "retention has dropped this position");
  if (!found.segment) return std::move(found.blocks);
  // A disk read costs the same for little and for much.
  constexpr std::size_t kReadAhead = 256 * 1024;
  return read_blocks(*found.segment, partition.partition, position, found.bounds.next,
                     std::max(max_bytes, kReadAhead));
}

double EmbeddedLog::Core::fill() const {
  const auto quota = quota_.load(std::memory_order_relaxed);
  return quota == 0 ? 0 : static_cast<double>(index_.bytes()) / static_cast<double>(quota);
}

}  // namespace meterhub::log
