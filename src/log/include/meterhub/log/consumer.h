// A member of a consumer group that works partition by partition: one batch is read,
// turned into a transaction, committed with its offset, and only then the next is read.
// Deduplication and jobs are written on it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/log/log.h>

namespace meterhub::log {

// What a role does with its partitions. Called on the consumer's executor only.
class ConsumerWork {
 public:
  using Answer = std::move_only_function<void(base::Result<Transaction>)>;

  virtual ~ConsumerWork() = default;
  // A partition became ours, or begins again after a failed transaction: read the state.
  // Where to start reading; nothing = the committed offset, or the earliest record.
  virtual base::Result<std::optional<From>> begin(const Assignment& assignment) = 0;
  // Answers once, now or later, with what to write; the consumer adds ownership and offset.
  // The batch lives until the answer. An error: the partition begins again after a pause.
  virtual void process(const Assignment& assignment, const Batch& batch, Answer answer) = 0;
  // The transaction of the last process() is durable.
  virtual void committed(const Assignment& assignment) = 0;
  // The partition is gone, or what process() did came to nothing: forget its state.
  virtual void end(const TopicPartition& partition) = 0;
};

struct ConsumerOptions {
  std::string group;
  std::vector<base::TopicId> topics;
  std::vector<TopicPartition> only;         // empty: shared with the other members
  std::size_t batch_bytes = 256 * 1024;
  std::chrono::milliseconds retry_pause{500};
  // Waits this long after a batch that was not full before it reads the next, which is then larger.
  std::chrono::milliseconds linger{0};
};

// Executor's thread, but for create(). What is passed outlives the consumer.
class Consumer {
 public:
  // Joins the group. `fatal` is called once when the log can no longer be trusted (kIo).
  static base::Result<std::unique_ptr<Consumer>> create(Log& log, base::Executor& executor, ConsumerWork& work,
                                                        ConsumerOptions options,
                                                        std::function<void(base::Error)> fatal);
  virtual ~Consumer() = default;
  // Ends the batch under way in each partition, gives the partitions back, calls `done`.
  virtual void drain(base::Task done) = 0;
};

}  // namespace meterhub::log
