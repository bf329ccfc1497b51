// The engine behind EmbeddedLog: the queue of waiting transactions, the commit of a group,
// retention. docs/internals/locks.md has the order of its locks.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <meterhub/log/embedded.h>

#include "../groups.h"
#include "../watches.h"
#include "index.h"
#include "store.h"

namespace meterhub::log {

class EmbeddedLog::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(EmbeddedOptions options, const base::Clock& clock, base::Executor& writer, base::Metrics& metrics);
  ~Core();

  base::Result<void> start();
  void close();

  base::Result<base::TopicId> declare(const TopicSpec& spec);
  void transact(Transaction transaction, base::Executor& reply_on, Done done);
  void after_what_waits(base::Task task);  // Groups::Barrier
  base::Result<std::vector<BlockRef>> read(TopicPartition partition, base::Offset position, std::size_t max_bytes);
  void maintain();
  double fill() const;
  base::Timestamp complete_until() const;

  Index& index() { return index_; }
  const Store& store() const { return *store_; }
  Groups& groups() { return *groups_; }
  Watches& watches() { return watches_; }

 private:
  struct Waiting {
    Transaction transaction;
    std::size_t size = 0;
    base::Executor* reply_on = nullptr;
    Done done;
  };
  struct Reply {
    base::Executor* on = nullptr;
    Done done;
    base::Result<Committed> result;
  };
  class Group;  // what one commit writes
  struct Counters {
    explicit Counters(base::Metrics& m)
        : commits(m.counter("meterhub_log_commits_total", "Groups of transactions written and synced together")),
          transactions(m.counter("meterhub_log_transactions_total", "Transactions made durable")),
          fenced(m.counter("meterhub_log_fenced_total", "Transactions refused: their owner is not the newest")),
          refused(m.counter("meterhub_log_refused_total", "Transactions refused: quota, queue or shape")),
          failures(m.counter("meterhub_log_failures_total", "Writes or syncs that failed; none is tolerated")),
          dropped(m.counter("meterhub_log_dropped_segments_total", "Segments dropped by retention")),
          fill(m.gauge("meterhub_log_fill_ratio", "Bytes of all logs over the quota")) {}
    base::Counter& commits;
    base::Counter& transactions;
    base::Counter& fenced;
    base::Counter& refused;
    base::Counter& failures;
    base::Counter& dropped;
    base::Gauge& fill;
  };

  // What was appended to one log; labelled with its name.
  struct Appended {
    base::Counter& records;
    base::Counter& bytes;
  };

  base::Result<void> admit(Waiting& waiting);
  base::Result<void> check_open() const MH_REQUIRES(queue_mutex_);
  void schedule() MH_REQUIRES(queue_mutex_);
  void commit();  // on the writer
  base::Result<void> write(Group& group) MH_REQUIRES(commit_mutex_);
  Appended& appended(base::TopicId topic) MH_REQUIRES(commit_mutex_);
  void reply(std::vector<Reply> replies);
  void fail_for_good(const base::Error& error);

  base::Result<SegmentRef> segment_for(base::TopicId topic, kv::Batch& batch) MH_REQUIRES(commit_mutex_);
  std::uint64_t segment_limit(const TopicSpec& spec) const;
  bool full(const Segment& segment, const TopicSpec& spec) const;
  base::Result<void> roll_aged(base::TopicId topic) MH_REQUIRES(commit_mutex_);
  base::Result<void> retain(base::TopicId topic) MH_REQUIRES(commit_mutex_);
  base::Result<void> shrink_to_quota() MH_REQUIRES(commit_mutex_);
  bool may_drop(base::TopicId topic, const TopicSpec& spec, const Segment& next) const;
  base::Result<void> drop_oldest(base::TopicId topic, const SegmentRef& segment) MH_REQUIRES(commit_mutex_);
  base::Result<void> maintain_all() MH_REQUIRES(commit_mutex_);
  void measure_quota();
  void arm();

  const EmbeddedOptions options_;
  const base::Clock& clock_;
  base::Executor& writer_;
  base::Metrics& metrics_;
  Counters counters_;
  Index index_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Groups> groups_;
  Watches watches_;
  std::atomic<std::uint64_t> quota_{0};  // bytes that count as full; 0 = unknown yet

  base::Mutex declare_mutex_;  // one declare() at a time
  base::Mutex commit_mutex_;   // held by the writer through a commit, and by close()
  bool closed_ MH_GUARDED_BY(commit_mutex_) = false;
  std::map<base::TopicId, Appended> appended_ MH_GUARDED_BY(commit_mutex_);

  mutable base::Mutex queue_mutex_;
  std::vector<Waiting> waiting_ MH_GUARDED_BY(queue_mutex_);
  std::vector<base::Task> barriers_ MH_GUARDED_BY(queue_mutex_);
  std::size_t waiting_bytes_ MH_GUARDED_BY(queue_mutex_) = 0;  // of what waits and what is being written
  bool scheduled_ MH_GUARDED_BY(queue_mutex_) = false;
  bool closing_ MH_GUARDED_BY(queue_mutex_) = false;
  std::optional<base::Error> failed_ MH_GUARDED_BY(queue_mutex_);
  std::optional<base::Timestamp> commit_time_ MH_GUARDED_BY(queue_mutex_);      // of the records that are being written
  base::MonotonicTime not_before_ MH_GUARDED_BY(queue_mutex_){};  // when the next commit should begin
};

}  // namespace meterhub::log
