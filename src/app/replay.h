// Stored messages decoded once more: log `telemetry` -> log `retry`, a block at a time (docs/replay.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/executor.h>
#include <meterhub/http/message.h>
#include <meterhub/log/log.h>

namespace meterhub::app {

// Messages that the hub took in [from, to).
struct ReplayQuery {
  std::optional<base::Timestamp> from{};  // none: from the earliest that is kept
  std::optional<base::Timestamp> to{};    // none: up to now
  std::string gateway{};                  // hub device; empty = all
  bool dry_run = false;                 // counts, drives nothing
};
// From `from` (a time, or "earliest"), `to`, `gateway` and `dry_run`. kInvalidArgument.
base::Result<ReplayQuery> replay_query(const http::Request& request);

// How far a replay is. Whoever drives it keeps this between two blocks: the platform remembers nothing of it, and a
// block that is repeated changes nothing.
struct ReplayPosition {
  base::Timestamp to{};
  std::vector<base::Offset> next;  // by partition of `telemetry`

  std::string text() const;
  // kInvalidArgument for text that is not of ours.
  static base::Result<ReplayPosition> parse(std::string_view text);
  bool operator==(const ReplayPosition&) const = default;
};

// One block.
struct ReplayStep {
  ReplayPosition position;     // where the next begins
  std::uint64_t messages = 0;  // driven again, or counted
  std::uint64_t left = 0;      // to be looked at
  bool done = false;
  bool waits = false;  // nothing was done: the connector has to take up first what was driven before
};

// Records in `retry` that may wait for the connector before a block; one more block comes on top.
inline constexpr std::uint64_t kReplayWaitingMax = 10'000;

// kPrecondition when a part of the time is no longer kept, with the time from which all is; when no connector of ours
// reads `telemetry`. kInvalidArgument when nothing lies between from and to.
base::Result<ReplayPosition> begin_replay(log::Log& log, const ReplayQuery& query, base::Timestamp now);

// Reads on and appends what belongs to the query to `retry`, at most a block (1,000 messages, 8 MiB), reading at most
// 32 MiB for it. What the connector has not decoded yet is left to it. Blocks for the reading; `done` runs on the
// executor.
using ReplayDone = std::move_only_function<void(base::Result<ReplayStep>)>;
void go_on_with_replay(log::Log& log, base::Executor& executor, const ReplayQuery& query, ReplayPosition position,
                       ReplayDone done);

}  // namespace meterhub::app
