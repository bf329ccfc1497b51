// The role behind History.
#pragma once

#include <deque>
#include <map>

#include <meterhub/history/history.h>
#include <meterhub/lake/writer.h>

#include "archive.h"

namespace meterhub::history {

class History::Role final : public log::GroupListener {
 public:
  Role(log::Log& log, base::Executor& executor, base::Metrics& metrics, Options options,
       std::unique_ptr<lake::Writer> writer, base::TopicId topic);
  ~Role() override;

  base::Result<void> join();
  void leave(base::Task stopped);
  void compact(std::move_only_function<void(base::Result<void>)> done);
  Status status() const;
  lake::State hold_files();
  void release_files();

  void assigned(std::vector<log::Assignment> partitions) override;
  void revoked(std::vector<log::TopicPartition> partitions, base::Task drained) override;
  void lost(std::vector<log::TopicPartition> partitions) override;

 private:
  // An hour to tidy.
  struct Work {
    base::PartitionId partition;
    lake::Hour hour;
    bool fold = false;
  };
  struct Counters {
    base::Counter& rows;
    base::Counter& malformed;
    base::Counter& failures;
    base::Counter& hours;
    base::Gauge& waiting;
  };

  base::Result<void> adopt(const log::Assignment& assignment);
  void forget(base::PartitionId partition);
  // Reads one block of one partition; goes on until all are caught up or full.
  void pump(base::PartitionId partition);
  void wait_for_records(Archive& archive);
  void start_flush_timer(Archive& archive);
  void flush_due();
  // Writes what was read of it, then commits its offset; `committed` is held until then.
  base::Result<void> flush(Archive& archive, std::shared_ptr<void> committed = nullptr);
  void commit(const Archive& archive, std::shared_ptr<void> committed);
  void failed(const base::Error& error);

  void tick();
  void queue_due_hours();
  void queue_folds();
  void work_on();
  void finish_compactions(base::Result<void> result);
  base::Timestamp watermark(const Archive& archive) const;
  std::size_t waiting() const;

  log::Log& log_;
  base::Executor& executor_;
  Options options_;
  std::unique_ptr<lake::Writer> writer_;
  base::TopicId topic_;
  Counters counters_;
  RowReader reader_;
  std::map<base::PartitionId, base::Epoch> assigned_;
  std::map<base::PartitionId, Archive> archives_;
  std::deque<Work> work_;
  bool working_ = false;             // a work_on() is posted
  bool held_ = false;                // hours wait: a backup reads the files
  base::PartitionId tidied_{};       // whose hour the writer is busy with
  std::vector<std::move_only_function<void(base::Result<void>)>> compactions_;
  base::Timestamp next_fold_{};
  base::Executor::TimerId tick_timer_ = base::Executor::TimerId::kNone;
  unsigned ticks_ = 0;
  std::string problem_;
  std::unique_ptr<log::Membership> membership_;  // goes first: it calls back into all above
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // tasks of a dead role do nothing
};

}  // namespace meterhub::history
