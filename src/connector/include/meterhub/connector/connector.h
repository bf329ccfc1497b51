// The connector role: reads `telemetry` (and `retry`), has the packets opened, decodes
// payloads, and writes `decoded`, `status`, `joins`, `deadletter` and `noise` together
// with its offset, in one transaction a batch (design part 4, connector).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/metrics.h>
#include <meterhub/base/result.h>
#include <meterhub/connector/transport.h>
#include <meterhub/log/log.h>
#include <meterhub/registry/directory.h>

namespace meterhub::connector {

struct FromCommitted {};
// Where a partition of `telemetry` begins when a member of the group first gets it: where the group had come to (the earliest
// record, where it never was), at the earliest record that is kept, or at a time. What is read once more ends in
// deduplication as copies. `retry` always goes on where the group had come to.
using Start = std::variant<FromCommitted, log::Earliest, base::Timestamp>;

// kRetry: only what is driven again; a connector outside reads `telemetry`.
enum class Reads : std::uint8_t { kAll, kRetry };

struct ConnectorOptions {
  Reads reads = Reads::kAll;
  Start start = FromCommitted{};
  // Partitions of `telemetry`, when it is read; empty: shared with the group's other members. `retry` is shared in any
  // case.
  std::vector<base::PartitionId> partitions;
  std::size_t batch_bytes = 256 * 1024;
  // Batches being opened per partition; their transactions go one after another.
  std::size_t batches_in_flight = 4;
  // How long to ask again when the sessions are older than the packet.
  std::chrono::seconds stale_sessions_wait{10};
};

// Executor's thread, but for create(). What is passed outlives the connector.
class Connector {
 public:
  // Joins the group; kNotFound when a log it needs was not declared. `fatal` is called once
  // when the log can no longer be trusted (kIo).
  static base::Result<std::unique_ptr<Connector>> create(log::Log& log, registry::Directory& directory,
                                                         Transport& transport, base::Executor& executor,
                                                         base::Metrics& metrics, ConnectorOptions options,
                                                         std::function<void(base::Error)> fatal);
  virtual ~Connector() = default;
  // Finishes what is in flight, gives the partitions back, then calls `done`.
  virtual void drain(base::Task done) = 0;
};

}  // namespace meterhub::connector
