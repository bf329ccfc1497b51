#include "replay.h"

#include <algorithm>
#include <charconv>

#include <meterhub/base/time_text.h>
#include <meterhub/log/replay.h>

#include "logs.h"

namespace meterhub::app {
namespace {

using base::Errc;

constexpr std::size_t kMessagesMax = 1'000;
constexpr std::size_t kBytesMax = 8 << 20;
constexpr std::size_t kReadMax = 32 << 20;
constexpr std::size_t kReadAtOnce = 256 << 10;
// Gateways keep credit up to 85 % of the quota.
constexpr double kFillMax = 0.8;
constexpr std::string_view kEarliest = "earliest";

base::Result<std::optional<base::Timestamp>> time_in(const http::Request& request, std::string_view name) {
  const auto text = request.query_value(name);
  if (text.empty()) return std::optional<base::Timestamp>();
  return std::optional(MH_TRY(base::parse_rfc3339(text)).at);
}

base::Result<base::TopicId> telemetry_of(const log::Log& log) { return log.topic(log::topics::kTelemetry); }

// When the first record that is left of a partition came; nothing when none is left.
base::Result<std::optional<base::Timestamp>> oldest_in(log::Log& log, log::TopicPartition partition) {
  const auto cursor = MH_TRY(log.open(partition, log::Earliest{}));
  const auto batch = cursor->next(1);
  if (!batch || batch->records.empty()) return std::optional<base::Timestamp>();
  return std::optional(batch->records.front().enqueued);
}

// The time from which all that came is there; the beginning of time when nothing is gone. A log is dropped in whole
// segments, all partitions at once: what came after the oldest record of any partition is there.
base::Result<base::Timestamp> kept_since(log::Log& log, base::TopicId topic) {
  bool gone = false;
  base::Timestamp newest{};
  auto oldest = base::Timestamp::max();
  for (std::uint32_t number = 0; number < log.partitions(topic); ++number) {
    const log::TopicPartition partition{topic, base::PartitionId(number)};
    const auto bounds = MH_TRY(log.bounds(partition));
    gone = gone || bounds.first.value > 0;
    newest = std::max(newest, bounds.last_enqueued);
    if (const auto first = MH_TRY(oldest_in(log, partition))) oldest = std::min(oldest, *first);
  }
  if (!gone) return base::Timestamp{};
  return oldest == base::Timestamp::max() ? newest + base::Duration(1) : oldest;
}

base::Result<void> check_kept(base::Timestamp from, base::Timestamp to, base::Timestamp since) {
  if (from >= since) return {};
  const auto since_text = base::rfc3339(since);
  if (to <= since) {
    return base::fail(Errc::kPrecondition, "of that time nothing is kept: log telemetry holds messages since " +
                                               since_text + " (log.telemetry_retention)");
  }
  return base::fail(Errc::kPrecondition,
                    "of that time not all is kept: log telemetry holds messages since " + since_text +
                        " (log.telemetry_retention); begin there, or with \"earliest\" at whatever is left");
}

// The first offset that is not to be driven: of its time, or not decoded yet.
base::Result<base::Offset> end_of(const log::Log& log, log::TopicPartition partition, base::Timestamp to) {
  const auto decoded = MH_TRY(log.committed(log::groups::kConnector, partition)).value_or(base::Offset(0));
  return std::min(decoded, MH_TRY(log.offset_for_time(partition, to)));
}

base::Result<bool> has_to_wait(log::Log& log) {
  if (log.fill() > kFillMax) return true;
  return MH_TRY(backlog(log, log::groups::kConnector, log::topics::kRetry, base::Timestamp{})).records >=
         kReplayWaitingMax;
}

// One block in the making.
class Block {
 public:
  Block(log::Log& log, const ReplayQuery& query, ReplayStep& step, base::TopicId telemetry, base::TopicId retry)
      : log_(log), query_(query), step_(step), telemetry_(telemetry), retry_{retry, base::PartitionId(0)} {}

  base::Result<void> fill() {
    for (std::uint32_t number = 0; number < step_.position.next.size() && !is_full(); ++number) {
      MH_TRY_VOID(read({telemetry_, base::PartitionId(number)}, step_.position.next[number]));
    }
    for (std::uint32_t number = 0; number < step_.position.next.size(); ++number) {
      const auto end = MH_TRY(end_of(log_, {telemetry_, base::PartitionId(number)}, step_.position.to));
      step_.left += end.value - std::min(end, step_.position.next[number]).value;
    }
    step_.done = step_.left == 0;
    return {};
  }
  log::Transaction take() { return std::move(out_); }

 private:
  bool is_full() const {
    return step_.messages >= kMessagesMax || out_.appends.bytes() >= kBytesMax || read_ >= kReadMax;
  }

  base::Result<void> read(log::TopicPartition partition, base::Offset& next) {
    const auto end = MH_TRY(end_of(log_, partition, step_.position.to));
    const auto cursor = MH_TRY(log_.open(partition, next));
    while (next < end && !is_full()) {
      const auto batch = cursor->next(kReadAtOnce);
      if (!batch && batch.error().code == Errc::kNotFound) {  // retention was faster
        next = cursor->position();
        continue;
      }
      if (!batch) return std::unexpected(batch.error());
      if (batch->records.empty()) return {};
      for (const auto& record : batch->records) {
        if (record.offset >= end || is_full()) break;
        read_ += record.body.size();
        if (query_.gateway.empty() || record.properties.gateway == query_.gateway) drive(partition, record);
        next = base::Offset(record.offset.value + 1);
      }
    }
    return {};
  }

  void drive(log::TopicPartition from, const log::RecordView& record) {
    ++step_.messages;
    if (query_.dry_run) return;
    auto properties = record.properties;
    if (properties.origin.log.empty()) {
      properties.origin = {std::string(log::topics::kTelemetry), from.partition, record.offset, 0, record.enqueued};
    }
    properties.redo = true;
    properties.reason = log::kReplay;
    out_.appends.add(retry_, {record.key, properties, {}, record.body});
  }

  log::Log& log_;
  const ReplayQuery& query_;
  ReplayStep& step_;
  const base::TopicId telemetry_;
  const log::TopicPartition retry_;
  std::size_t read_ = 0;
  log::Transaction out_;
};

// What there is to be done for a block; nothing to append where it waits or only counts.
base::Result<log::Transaction> make_block(log::Log& log, const ReplayQuery& query, ReplayStep& step) {
  const auto telemetry = MH_TRY(telemetry_of(log));
  const auto retry = MH_TRY(log.topic(log::topics::kRetry));
  if (step.position.next.size() != log.partitions(telemetry)) {
    return base::fail(Errc::kInvalidArgument, "\"next\" is of another log");
  }
  step.waits = !query.dry_run && MH_TRY(has_to_wait(log));
  if (step.waits) return log::Transaction();
  Block block(log, query, step, telemetry, retry);
  MH_TRY_VOID(block.fill());
  return block.take();
}

template <class T>
bool take_number(std::string_view& text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}

}  // namespace

base::Result<ReplayQuery> replay_query(const http::Request& request) {
  ReplayQuery out;
  if (request.query_value("from") != kEarliest) {
    out.from = MH_TRY(time_in(request, "from"));
    if (!out.from) return base::fail(Errc::kInvalidArgument, "name a time to begin with (from), or \"earliest\"");
  }
  out.to = MH_TRY(time_in(request, "to"));
  if (out.from && out.to && *out.from >= *out.to)
    return base::fail(Errc::kInvalidArgument, "nothing lies between from and to");
  out.gateway = request.query_value("gateway");
  out.dry_run = !request.query_value("dry_run").empty();
  return out;
}

std::string ReplayPosition::text() const {
  auto out = std::to_string(to.time_since_epoch().count());
  for (const auto offset : next) out += "." + std::to_string(offset.value);
  return out;
}

base::Result<ReplayPosition> ReplayPosition::parse(std::string_view text) {
  ReplayPosition out;
  std::int64_t to = 0;
  bool good = take_number(text, to);
  out.to = base::Timestamp(base::Duration(to));
  while (good && text.starts_with('.')) {
    text.remove_prefix(1);
    std::uint64_t offset = 0;
    good = take_number(text, offset);
    out.next.emplace_back(offset);
  }
  if (!good || !text.empty()) return base::fail(Errc::kInvalidArgument, "\"next\" is not what a replay answered");
  return out;
}

base::Result<ReplayPosition> begin_replay(log::Log& log, const ReplayQuery& query, base::Timestamp now) {
  const auto telemetry = MH_TRY(telemetry_of(log));
  ReplayPosition out{query.to.value_or(now), {}};
  bool read = false;
  bool any = false;
  for (std::uint32_t number = 0; number < log.partitions(telemetry); ++number) {
    const log::TopicPartition partition{telemetry, base::PartitionId(number)};
    any = any || MH_TRY(log.bounds(partition)).next.value > 0;
    read = read || MH_TRY(log.committed(log::groups::kConnector, partition)).has_value();
    out.next.push_back(query.from ? MH_TRY(log.offset_for_time(partition, *query.from))
                                  : MH_TRY(log.bounds(partition)).first);
  }
  if (any && !read) {
    return base::fail(Errc::kPrecondition,
                      "no connector of this platform has read log telemetry: the one that does (connector.enabled) "
                      "has to send its documents again");
  }
  const auto since = MH_TRY(kept_since(log, telemetry));
  if (query.from) MH_TRY_VOID(check_kept(*query.from, out.to, since));
  return out;
}

void go_on_with_replay(log::Log& log, base::Executor& executor, const ReplayQuery& query, ReplayPosition position,
                       ReplayDone done) {
  ReplayStep step{.position = std::move(position)};
  auto block = make_block(log, query, step);
  if (!block) return done(std::unexpected(block.error()));
  if (block->appends.empty()) return done(std::move(step));
  log.transact(std::move(*block), executor,
               [step = std::move(step), done = std::move(done)](base::Result<log::Committed> committed) mutable {
                 if (!committed) return done(std::unexpected(committed.error()));
                 done(std::move(step));
               });
}

}  // namespace meterhub::app
