// One partition that the connector owns: batches are read ahead and opened in parallel,
// their transactions go one after another, in order of offset.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <meterhub/connector/connector.h>

#include "batch.h"

namespace meterhub::connector {

// What all lanes share. Executor's thread.
struct LaneContext {
  log::Log& log;
  const registry::Directory& directory;
  Transport& transport;
  base::Executor& executor;
  Sorter& sorter;
  const ConnectorOptions& options;
  base::Counter& packets;
  base::Counter& asked_again;
  base::Counter& rewinds;
  std::function<void(base::Error)> fatal;
  bool from_retry_topic(base::TopicId topic) const { return topic == retry; }
  base::TopicId retry;
};

// Executor's thread. Every callback that outlives the lane holds it weakly.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  Lane(LaneContext& context, log::Assignment assignment, Start start);

  void start();
  // No more reading; `drained` is called when the last transaction is answered.
  void drain(base::Task drained);
  // Forget everything; nothing is written any more.
  void stop();

  log::TopicPartition partition() const { return assignment_.partition; }

 private:
  struct Batch {
    log::Batch records;
    base::Offset next;                    // commits this
    std::vector<Source> sources;
    std::vector<std::shared_ptr<const registry::GatewayEntry>> gateways;  // keep the plug-ins' names
    std::vector<Opened> opened;           // as many as sources, once all answered
    std::vector<std::size_t> unanswered;  // asked again: sources whose answer was no verdict
    base::MonotonicTime first_asked{};
    base::Timestamp read{};               // after all of it was sent
    bool ready = false;
  };
  using BatchPtr = std::shared_ptr<Batch>;

  log::From first_position() const;
  void pump();
  bool read_one();
  void wait_for_records();
  void ask(const BatchPtr& batch, std::vector<std::size_t> which);
  void answered(const BatchPtr& batch, const std::vector<std::size_t>& which, std::vector<Opened> opened);
  void commit_front();
  void committed(base::Result<log::Committed> result);
  void rewind();
  void start_later();
  void finish_drain();

  LaneContext& context_;
  const log::Assignment assignment_;
  Start start_;  // until the first commit
  std::unique_ptr<log::Cursor> cursor_;
  std::unique_ptr<log::Watch> watch_;
  std::deque<BatchPtr> batches_;  // in order of offset; the front one commits first
  bool committing_ = false;
  bool stopped_ = false;
  bool waiting_ = false;          // a rewind's pause
  std::optional<base::Task> drained_;
  std::uint64_t run_ = 0;         // rises with each rewind: answers of earlier runs are ignored
};

}  // namespace meterhub::connector
