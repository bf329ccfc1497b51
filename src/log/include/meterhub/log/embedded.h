// The durable log of one machine: logs, offsets and state in one RocksDB under
// `directory` (docs/formats/store.md). One process owns the directory.
#pragma once

#include <filesystem>
#include <memory>

#include <meterhub/base/metrics.h>
#include <meterhub/log/log.h>

namespace rocksdb {
class Env;
}

namespace meterhub::log {

struct EmbeddedOptions {
  std::filesystem::path directory;  // made when missing; "DIR/store" in the product
  // Over all logs. 0 = 90 % of what logs and free space of the disk come to; a larger
  // value never counts for more than that.
  std::uint64_t quota_bytes = 0;
  // A segment is sealed at this size, at an eighth of its log's limit (4 MiB at least; a log
  // without one counts as a quarter of the quota), or at 1/24 of its log's retention age
  // (5 min .. 30 h: 1 h for a log kept 24 h).
  std::uint64_t segment_bytes = std::uint64_t{8} << 30;
  // How long a transaction may wait for company. One that waits alone goes at once.
  std::chrono::milliseconds group_window{10};
  std::uint64_t wal_bytes = std::uint64_t{512} << 20;         // bound of the write-ahead log
  std::uint64_t memtable_bytes = std::uint64_t{64} << 20;     // per log, twice while flushing
  std::uint64_t tail_cache_bytes = std::uint64_t{64} << 20;   // newest blocks, over all logs
  std::uint64_t block_cache_bytes = std::uint64_t{32} << 20;  // for readers that are behind
  // Called once, on the writer's thread, when a write or sync failed: nothing will be
  // settled any more and the process should end with this error.
  std::function<void(const base::Error&)> on_failure;
  rocksdb::Env* env = nullptr;  // the file layer; tests put a failing one in. Must outlive the log.
};

// Any thread. Has no thread of its own: commits, syncs and retention run as tasks on
// `writer`, which blocks in fdatasync and should be a ThreadExecutor for this alone
// (RocksDB flushes on two threads of its own). Shutdown: roles leave and wait for their
// `done`s, cursors and watches go, then the log, then `writer` and the reply executors.
// Destroying the log fails what still waits with kCancelled.
class EmbeddedLog final : public Log {
 public:
  // kUnavailable when another process owns the directory (the text names both), kCorrupt
  // when stored bytes are not what was written, kIo. `clock`, `writer` and `metrics`
  // must outlive the log.
  static base::Result<std::unique_ptr<EmbeddedLog>> open(EmbeddedOptions options, const base::Clock& clock,
                                                         base::Executor& writer, base::Metrics& metrics);
  ~EmbeddedLog() override;

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

  // Any thread. Logs, offsets and state as they are at one moment of the call, in `directory`, which
  // must not exist yet; another log opens it like its own. Writers go on meanwhile.
  base::Result<void> checkpoint(const std::string& directory) const;

  // Applies retention now. Done every second on the writer too.
  void retain();

 private:
  class Core;
  explicit EmbeddedLog(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;  // cursors and callbacks may outlive the log
};

}  // namespace meterhub::log
