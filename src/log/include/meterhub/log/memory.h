// The log in memory: for tests and simulation, gone with the process. Runs no thread
// and reads no clock but the one given, so a platform on it is repeatable.
#pragma once

#include <memory>

#include <meterhub/log/log.h>

namespace meterhub::log {

struct MemoryOptions {
  // Over all logs; 0 = none (fill() stays 0).
  std::uint64_t quota_bytes = 0;
};

// Any thread. A transaction takes effect inside transact(); `done`, watches and listeners
// run only through the executors given, which must outlive what was asked of them.
class MemoryLog final : public Log {
 public:
  explicit MemoryLog(const base::Clock& clock, MemoryOptions options = {});
  ~MemoryLog() override;

  base::Result<base::TopicId> declare(const TopicSpec& spec) override;
  base::Result<base::TopicId> topic(std::string_view name) const override;
  std::string topic_name(base::TopicId topic) const override;
  std::uint32_t partitions(base::TopicId topic) const override;
  std::vector<std::string> topics() const override;
  void transact(Transaction transaction, base::Executor& reply_on, Done done) override;
  base::Result<std::unique_ptr<Cursor>> open(TopicPartition partition, From from) override;
  std::unique_ptr<Watch> watch(TopicPartition partition, base::Offset position, base::Executor& call_on,
                               base::Task appended) override;
  base::Timestamp complete_until() const override;
  base::Result<Bounds> bounds(TopicPartition partition) const override;
  base::Result<base::Offset> offset_for_time(TopicPartition partition, base::Timestamp time) const override;
  base::Result<std::optional<base::Offset>> committed(std::string_view group,
                                                      TopicPartition partition) const override;
  base::Result<std::optional<std::string>> state(std::string_view group, TopicPartition partition,
                                                 std::string_view name) const override;
  base::Result<void> scan_state(
      std::string_view group, TopicPartition partition, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view value)>& visit) const override;
  base::Result<std::unique_ptr<Membership>> join(std::string_view group, std::vector<base::TopicId> topics,
                                                 std::vector<TopicPartition> only, base::Executor& executor,
                                                 GroupListener& listener) override;
  double fill() const override;

  // Applies retention now. Each transaction with appends does it too.
  void retain();

 private:
  struct Core;
  std::shared_ptr<Core> core_;  // cursors and callbacks may outlive the log
};

}  // namespace meterhub::log
