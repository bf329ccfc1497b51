// Episodes of alarms in database.sqlite (module alarm): what the engine hands out, and what it goes on from.
//
//   episodes          a row per episode, as it is now; any SQLite tool reads it: words as text, times as microseconds
//                     UTC and, in the column of that name with _text behind it, as RFC 3339
//   episode_history   who did what to it
//   episode_pending, episode_flows   what the engine must not forget over a restart
//
// All functions work on the caller's connection, inside his transaction where they write: Database::transact() and
// read(). Errors are those of db::Connection; kCorrupt where a row holds a word that is none of ours.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <meterhub/alarm/episode.h>
#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

// How long cleared episodes are kept unless a setting says otherwise: a heating season and the one before.
inline constexpr std::chrono::days kClearedEpisodesKept{400};

// Writes episodes, history, pending conditions and flows; notices are not stored here. A hundred thousand episodes with
// an entry of history each take some 0.9 s of a core.
base::Result<void> write_episodes(db::Connection& connection, const alarm::Changes& changes);

// For alarm::Episodes::load(): what is open, what still stands, what is pending, and what was cleared at `cleared_from`
// or later (src/alarm/README.md, Restart).
base::Result<alarm::Saved> read_episodes(db::Connection& connection, base::Timestamp cleared_from);

// One episode, open or not; nothing when there is none.
base::Result<std::optional<alarm::Episode>> find_episode(db::Connection& connection, alarm::EpisodeId id);

struct StoredHistory {
  std::int64_t id = 0;  // rises
  alarm::HistoryEntry entry{};
};
// Of one episode, oldest first: `limit` entries after `after_id` (0: from the beginning).
base::Result<std::vector<StoredHistory>> read_history(db::Connection& connection, alarm::EpisodeId episode,
                                                      std::int64_t after_id, std::size_t limit);

// Which cleared episodes; what is left out admits all.
struct ClearedFilter {
  std::optional<std::vector<base::TenantNumber>> tenants{};  // an empty list admits none
  std::vector<alarm::Rule> rules{};
  std::vector<alarm::Severity> severities{};
  std::optional<alarm::Subject> subject{};
  std::optional<std::string> owner{};  // "": nobody's
  std::optional<base::Timestamp> cleared_from{}, cleared_before{};
};
// After which one a page begins: the last one of the page before.
struct ClearedPlace {
  base::Timestamp cleared{};
  alarm::EpisodeId id{};
};
// Those cleared last first; at most `limit`.
base::Result<std::vector<alarm::Episode>> read_cleared(db::Connection& connection, const ClearedFilter& filter,
                                                       std::optional<ClearedPlace> after, std::size_t limit);
base::Result<std::int64_t> count_cleared(db::Connection& connection, const ClearedFilter& filter);

// Deletes episodes cleared before `before` with their history, at most `limit` of them. Returns how many.
base::Result<std::int64_t> expire_episodes(db::Connection& connection, base::Timestamp before,
                                           std::size_t limit = 10'000);

}  // namespace meterhub::tables
