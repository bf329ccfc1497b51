#include <meterhub/log/consumer.h>

#include <map>
#include <utility>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/logging.h>

namespace meterhub::log {
namespace {

struct Shared {
  Log& log;
  base::Executor& executor;
  ConsumerWork& work;
  const ConsumerOptions options;
  std::function<void(base::Error)> fatal;
};

std::size_t bytes_of(const Batch& batch) {
  std::size_t sum = 0;
  for (const auto& record : batch.records) sum += record.key.size() + record.sections.size() + record.body.size();
  return sum;
}

// One partition. Callbacks hold it weakly and carry the run they belong to: after a
// rewind the answers of the run before are not heard.
class Reader : public std::enable_shared_from_this<Reader> {
 public:
  Reader(Shared& shared, Assignment assignment) : shared_(shared), assignment_(assignment) {}

  void start();
  void drain(base::Task drained);
  void stop();

 private:
  void next();
  void next_after_linger();
  void process();
  void commit(base::Result<Transaction> transaction);
  void committed(base::Result<Committed> result);
  void begin_again(const base::Error& why);
  void start_later();
  void finish_drain();
  void say(std::string_view event, const base::Error& error) const;

  Shared& shared_;
  const Assignment assignment_;
  std::unique_ptr<Cursor> cursor_;
  std::unique_ptr<Watch> watch_;
  Batch batch_;               // being processed
  base::Offset next_;         // what its commit says
  bool full_ = false;         // it was about as large as batches may be
  bool working_ = false;      // from process() until its transaction is answered
  bool committing_ = false;
  bool begun_ = false;        // work.begin() was called and not yet end()
  bool stopped_ = false;
  std::uint64_t run_ = 0;
  std::optional<base::Task> drained_;
};

void Reader::say(std::string_view event, const base::Error& error) const {
  base::logging::warn(event, {{"group", shared_.options.group},
                              {"log", shared_.log.topic_name(assignment_.partition.topic)},
                              {"partition", assignment_.partition.partition.value},
                              {"error", error.text}});
}

void Reader::start() {
  begun_ = true;
  auto from = shared_.work.begin(assignment_);
  if (!from) return begin_again(from.error());
  if (!from->has_value()) {
    const auto done = shared_.log.committed(shared_.options.group, assignment_.partition);
    if (!done) return begin_again(done.error());
    *from = done->has_value() ? From(**done) : From(Earliest{});
  }
  auto cursor = shared_.log.open(assignment_.partition, **from);
  if (!cursor) return begin_again(cursor.error());
  cursor_ = std::move(*cursor);
  next();
}

void Reader::next() {
  if (stopped_ || working_ || drained_ || !cursor_) return;
  auto read = cursor_->next(shared_.options.batch_bytes);
  if (!read && read.error().code == base::Errc::kNotFound) {
    say("consumer_behind_retention", read.error());
    read = cursor_->next(shared_.options.batch_bytes);
  }
  if (!read) return begin_again(read.error());
  if (read->records.empty()) {
    watch_ = shared_.log.watch(assignment_.partition, cursor_->position(), shared_.executor, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->next();
    });
    return;
  }
  batch_ = std::move(*read);
  next_ = cursor_->position();
  full_ = bytes_of(batch_) >= shared_.options.batch_bytes / 2;
  process();
}

void Reader::process() {
  working_ = true;
  shared_.work.process(assignment_, batch_, [weak = weak_from_this(), run = run_](base::Result<Transaction> transaction) {
    const auto self = weak.lock();
    if (self && self->run_ == run && !self->stopped_) self->commit(std::move(transaction));
  });
}

void Reader::commit(base::Result<Transaction> transaction) {
  if (!transaction) return begin_again(transaction.error());
  transaction->owners.push_back({shared_.options.group, assignment_.partition, assignment_.epoch});
  transaction->offsets.push_back({shared_.options.group, assignment_.partition, next_});
  committing_ = true;
  base::commit_point("consumer.before_commit");
  shared_.log.transact(std::move(*transaction), shared_.executor, [weak = weak_from_this(), run = run_](base::Result<Committed> result) {
    const auto self = weak.lock();
    if (!self) return;
    self->committing_ = false;
    if (self->run_ == run && !self->stopped_) self->committed(std::move(result));
  });
}

void Reader::committed(base::Result<Committed> result) {
  if (!result) {
    const auto code = result.error().code;
    if (code == base::Errc::kFenced || code == base::Errc::kCancelled || code == base::Errc::kIo) {
      say("consumer_stopped", result.error());
      stop();
      if (code == base::Errc::kIo) shared_.fatal(std::move(result).error());
      return finish_drain();
    }
    return begin_again(result.error());
  }
  base::commit_point("consumer.after_commit");
  working_ = false;
  batch_ = {};
  shared_.work.committed(assignment_);
  if (drained_) return finish_drain();
  next_after_linger();
}

// A full batch is not waited for: the next is full too, and whoever lingers after each falls
// behind for ever once more comes than a batch a linger.
void Reader::next_after_linger() {
  if (shared_.options.linger.count() == 0 || full_) return next();
  shared_.executor.after(shared_.options.linger, [weak = weak_from_this(), run = run_] {
    const auto self = weak.lock();
    if (self && self->run_ == run) self->next();
  });
}

void Reader::begin_again(const base::Error& why) {
  say("consumer_begins_again", why);
  ++run_;
  working_ = false;
  batch_ = {};
  cursor_.reset();
  watch_.reset();
  if (std::exchange(begun_, false)) shared_.work.end(assignment_.partition);
  if (drained_) return finish_drain();
  start_later();
}

// A transaction still under way decides where the committed offset stands: wait for it.
void Reader::start_later() {
  shared_.executor.after(shared_.options.retry_pause, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stopped_ || self->drained_) return;
    if (self->committing_) return self->start_later();
    self->start();
  });
}

void Reader::drain(base::Task drained) {
  drained_ = std::move(drained);
  watch_.reset();
  if (!working_) finish_drain();
}

void Reader::finish_drain() {
  if (!drained_) return;
  auto drained = std::move(*drained_);
  drained_.reset();
  stop();
  drained();
}

void Reader::stop() {
  if (stopped_) return;
  stopped_ = true;
  working_ = false;  // nobody answers any more: a drain that comes later has nothing to wait for
  ++run_;
  cursor_.reset();
  watch_.reset();
  batch_ = {};
  if (std::exchange(begun_, false)) shared_.work.end(assignment_.partition);
}

class GroupConsumer final : public Consumer, public GroupListener {
 public:
  GroupConsumer(Log& log, base::Executor& executor, ConsumerWork& work, ConsumerOptions options,
                std::function<void(base::Error)> fatal)
      : shared_{log, executor, work, std::move(options), std::move(fatal)} {}

  ~GroupConsumer() override {
    for (const auto& [partition, reader] : readers_) reader->stop();
  }

  base::Result<void> join() {
    membership_ = MH_TRY(shared_.log.join(shared_.options.group, shared_.options.topics, shared_.options.only, shared_.executor, *this));
    return {};
  }

  void assigned(std::vector<Assignment> partitions) override {
    for (const auto& assignment : partitions) {
      const auto reader = std::make_shared<Reader>(shared_, assignment);
      readers_[assignment.partition] = reader;
      reader->start();
    }
  }

  void revoked(std::vector<TopicPartition> partitions, base::Task drained) override {
    // Shared by the readers' callbacks: when the last of them has let go, all are done.
    const std::shared_ptr<void> all(nullptr, [drained = std::make_shared<base::Task>(std::move(drained))](void*) { (*drained)(); });
    for (const auto& partition : partitions) {
      const auto found = readers_.find(partition);
      if (found == readers_.end()) continue;
      // It stays ours until then: this object's end, or the partition's loss, is its end too.
      const auto reader = found->second;
      reader->drain([this, partition, all] { readers_.erase(partition); });
    }
  }

  void lost(std::vector<TopicPartition> partitions) override {
    for (const auto& partition : partitions) {
      const auto node = readers_.extract(partition);
      if (!node.empty()) node.mapped()->stop();
    }
  }

  void drain(base::Task done) override { membership_->leave(std::move(done)); }

 private:
  Shared shared_;
  std::map<TopicPartition, std::shared_ptr<Reader>> readers_;
  std::unique_ptr<Membership> membership_;  // goes first: no calls after it
};

}  // namespace

base::Result<std::unique_ptr<Consumer>> Consumer::create(Log& log, base::Executor& executor, ConsumerWork& work,
                                                         ConsumerOptions options, std::function<void(base::Error)> fatal) {
  auto consumer = std::make_unique<GroupConsumer>(log, executor, work, std::move(options), std::move(fatal));
  MH_TRY_VOID(consumer->join());
  return consumer;
}

}  // namespace meterhub::log
