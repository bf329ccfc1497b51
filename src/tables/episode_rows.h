// Alarms' values as columns and back. Private.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/alarm/episode.h>
#include <meterhub/base/result.h>
#include <meterhub/db/bulk_insert.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables {

// In the order of values_of() and read_episode().
inline constexpr std::string_view kEpisodeColumns =
    "id, rule, subject_kind, subject, tenant, severity, state, raised, raised_text, last_seen, last_seen_text, cleared, cleared_text, "
    "count, reopened, owner, acknowledged_by, acknowledged, acknowledged_text, shelved_until, shelved_until_text, detail, comment, "
    "flood, standing, gone_since, judged";
inline constexpr std::size_t kEpisodeColumnCount = 27;

std::vector<db::Value> values_of(const alarm::Episode& episode);
std::vector<db::Value> values_of(
    const alarm::HistoryEntry& entry);    // episode, at, at_text, who, what, from_state, to_state, text
std::vector<db::Value> values_of(
    const alarm::Pending& pending);       // rule, kind, subject, tenant, since, judged, count, detail
std::vector<db::Value> values_of(const alarm::Flow& flow);  // tenant, rule, flood, began, raised, minute, minutes

// Columns from 0, in the same order. kCorrupt for a word that is none of ours.
base::Result<alarm::Episode> read_episode(const db::Statement& row);
base::Result<alarm::HistoryEntry> read_entry(const db::Statement& row, int first);
base::Result<alarm::Pending> read_pending(const db::Statement& row);
base::Result<alarm::Flow> read_flow(const db::Statement& row);

}  // namespace meterhub::tables
