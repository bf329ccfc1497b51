// The one interface through which roles meet: partitioned logs with atomic
// transactions, cursors, consumer groups with fencing, and small state.
// Implementations: memory/ (tests, simulation), embedded/ (RocksDB), kafka/ (later).
// All pass one contract suite, tests/log/contract.
//
// Promises of every implementation:
//  * transact() is all or nothing, and `done` reports success only after the records
//    are as durable as the implementation ever makes them;
//  * within a partition offsets rise by one and enqueue times never fall
//    (time = max(previous in the partition, clock));
//  * a transaction by an owner whose epoch is not the partition's newest fails with
//    kFenced and changes nothing;
//  * retention never passes the committed offset of a protected group.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/log/appends.h>
#include <meterhub/log/record.h>

namespace meterhub::log {

// How a log is kept. Declaring an existing log with another number of partitions is
// an error (kPrecondition); the other values may change.
struct TopicSpec {
  std::string name{};
  std::uint32_t partitions = 8;
  std::chrono::seconds retention_age = std::chrono::hours(24);
  // Over the whole log, all partitions; 0 = only the quota of all logs bounds it.
  std::uint64_t retention_bytes = 0;
  // Retention by age or bytes never passes what these groups have committed.
  std::vector<std::string> protected_groups{};
};

// Who writes. Outside writers (the hub) are refused with kResourceExhausted when the
// logs fill 95 % of the quota (the hub stops giving credit at 85 %, so this is the
// last line), inner ones at 97 %.
enum class Writer : std::uint8_t { kOutside, kInner };

// Proof of ownership: a group's member holds `partition` of the read topic since `epoch`.
struct Ownership {
  std::string group;
  TopicPartition partition;
  base::Epoch epoch;
};

struct OffsetCommit {
  std::string group;
  TopicPartition partition;
  base::Offset next;  // the first offset not yet done
};

// One named value kept beside a group's partition: checkpoints, snapshots, blocks of
// seen counters. No value = remove. At most 64 MiB a transaction.
struct StateWrite {
  std::string group;
  TopicPartition partition;
  std::string name;
  std::optional<std::string> value;
};

struct Transaction {
  Writer writer = Writer::kInner;
  // Every ownership must be current or nothing is done. Required for state, and for commits: of
  // the partition itself, or of the partition of the same number in another log that the group reads.
  std::vector<Ownership> owners;
  Appends appends;
  std::vector<OffsetCommit> offsets;
  std::vector<StateWrite> state;
};

// What became of the appends, in their order.
struct Committed {
  struct Place {
    base::Offset offset;
    base::Timestamp enqueued;
  };
  std::vector<Place> places;
};
using Done = std::move_only_function<void(base::Result<Committed>)>;

// A block of records and what keeps their bytes alive.
struct Batch {
  std::vector<RecordView> records;
  std::shared_ptr<const void> storage;
};

// Reads one partition in order. One thread at a time; many cursors may read one partition.
class Cursor {
 public:
  virtual ~Cursor() = default;
  // The next records, at least one if any is there, else an empty batch: never waits.
  // Stops after about `max_bytes` of keys, sections and bodies. kNotFound when retention
  // has dropped the position (position() then is the first that is left).
  virtual base::Result<Batch> next(std::size_t max_bytes) = 0;
  virtual base::Offset position() const = 0;
  virtual void seek(base::Offset to) = 0;
};

// Where a cursor starts.
struct Earliest {};
struct Latest {};
using From = std::variant<Earliest, Latest, base::Offset, base::Timestamp>;

// What a partition holds. Empty when first == next.
struct Bounds {
  base::Offset first;
  base::Offset next;
  base::Timestamp last_enqueued{};  // of the newest record ever; 0 when there was none
};

struct Assignment {
  TopicPartition partition;
  base::Epoch epoch;
};

// Told about partitions on the executor given to join(); one call at a time.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  virtual void assigned(std::vector<Assignment> partitions) = 0;
  // Finish what is in flight, commit, then call `drained`; after 10 s the partitions are
  // given away all the same and the old epoch is fenced.
  virtual void revoked(std::vector<TopicPartition> partitions, base::Task drained) = 0;
  // Already somebody else's: discard, commit nothing.
  virtual void lost(std::vector<TopicPartition> partitions) = 0;
};

// A member of a group. Destroying it leaves the group at once, without drain; leave()
// first where work is in flight. Destroy it on its executor's thread or after that has
// stopped: then the listener is certain not to be called any more.
class Membership {
 public:
  virtual ~Membership() = default;
  // Gives all partitions back through revoked(), then calls `left` on the executor.
  virtual void leave(base::Task left) = 0;
};

// A member that has shown no life for this long loses its partitions.
inline constexpr std::chrono::seconds kSessionTimeout{10};

// Handle of a watch(); destroying it cancels: from the executor's own thread the task is
// certain not to run any more.
struct Watch {
  virtual ~Watch() = default;
};

class Log {
 public:
  virtual ~Log() = default;

  // Any thread. Makes the log or takes the stored one.
  virtual base::Result<base::TopicId> declare(const TopicSpec& spec) = 0;
  // Any thread. kNotFound when it was never declared.
  virtual base::Result<base::TopicId> topic(std::string_view name) const = 0;
  virtual std::string topic_name(base::TopicId topic) const = 0;
  virtual std::uint32_t partitions(base::TopicId topic) const = 0;
  virtual std::vector<std::string> topics() const = 0;

  // Any thread. `done` runs on `reply_on`, after durability or failure; transactions of
  // one thread take effect in their order. Errors: kFenced, kResourceExhausted (quota, or
  // over 64 MiB of transactions wait), kTooLarge (this one alone), kNotFound (topic),
  // kInvalidArgument (offsets or state without their ownership), kIo (a failed sync:
  // nothing will be settled any more), kCancelled (closing).
  virtual void transact(Transaction transaction, base::Executor& reply_on, Done done) = 0;

  virtual base::Result<std::unique_ptr<Cursor>> open(TopicPartition partition, From from) = 0;
  // Any thread. Calls `appended` on `call_on` once, when the partition has records at or
  // after `position` (at once if it already has); cancelled by destroying the handle.
  virtual std::unique_ptr<Watch> watch(TopicPartition partition, base::Offset position, base::Executor& call_on,
                                       base::Task appended) = 0;

  virtual base::Result<Bounds> bounds(TopicPartition partition) const = 0;
  // A time before which nothing can come any more: every record with an earlier enqueue time can be read. About now,
  // or, while records are being made durable, the time that those will have.
  virtual base::Timestamp complete_until() const = 0;
  // First offset whose enqueue time is at or after `time`; bounds().next if none is.
  virtual base::Result<base::Offset> offset_for_time(TopicPartition partition, base::Timestamp time) const = 0;
  // Nothing when the group never committed there.
  virtual base::Result<std::optional<base::Offset>> committed(std::string_view group,
                                                              TopicPartition partition) const = 0;

  virtual base::Result<std::optional<std::string>> state(std::string_view group, TopicPartition partition,
                                                         std::string_view name) const = 0;
  // In order of name, those that begin with `prefix`. Return false from `visit` to stop.
  virtual base::Result<void> scan_state(
      std::string_view group, TopicPartition partition, std::string_view prefix,
      const std::function<bool(std::string_view name, std::string_view value)>& visit) const = 0;

  // Any thread. Joins a group that shares the partitions of `topics` evenly. `only` limits
  // this member to a fixed list (the case study's "one or more specific queues"), which
  // goes before automatic members; empty = automatic. The listener is called on `executor`,
  // whose timers also show life. kNotFound: no such log or partition.
  virtual base::Result<std::unique_ptr<Membership>> join(std::string_view group, std::vector<base::TopicId> topics,
                                                         std::vector<TopicPartition> only, base::Executor& executor,
                                                         GroupListener& listener) = 0;

  // Bytes used of the quota of all logs, 0..1 (and above, when the disk shrank).
  virtual double fill() const = 0;
};

// Names of the platform's own logs.
namespace topics {
inline constexpr std::string_view kTelemetry = "telemetry";
inline constexpr std::string_view kDecoded = "decoded";
inline constexpr std::string_view kReadings = "readings";
inline constexpr std::string_view kStatus = "status";
inline constexpr std::string_view kJoins = "joins";
inline constexpr std::string_view kRetry = "retry";
inline constexpr std::string_view kDeadletter = "deadletter";
inline constexpr std::string_view kNoise = "noise";
}  // namespace topics

// Consumer groups of the platform's own roles.
namespace groups {
inline constexpr std::string_view kConnector = "connector";
inline constexpr std::string_view kDeduplication = "deduplication";
inline constexpr std::string_view kArchive = "archive";
inline constexpr std::string_view kJoins = "joins";
}  // namespace groups

}  // namespace meterhub::log
