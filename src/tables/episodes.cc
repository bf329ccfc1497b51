#include <meterhub/tables/episodes.h>

#include <string_view>

#include <fmt/format.h>

#include "episode_rows.h"

namespace meterhub::tables {
namespace {

constexpr std::string_view kHistoryColumns = "episode, at, at_text, who, what, from_state, to_state, text";
constexpr std::string_view kPendingColumns = "rule, subject_kind, subject, tenant, since, judged, count, detail";
constexpr std::string_view kFlowColumns = "tenant, rule, flood, began, raised, minute, minutes";

// What of an episode never changes is not written again.
constexpr std::string_view kEpisodeUpdate =
    "ON CONFLICT(id) DO UPDATE SET severity = excluded.severity, state = excluded.state, last_seen = excluded.last_seen, "
    "last_seen_text = excluded.last_seen_text, cleared = excluded.cleared, cleared_text = excluded.cleared_text, count = excluded.count, "
    "reopened = excluded.reopened, owner = excluded.owner, acknowledged_by = excluded.acknowledged_by, "
    "acknowledged = excluded.acknowledged, acknowledged_text = excluded.acknowledged_text, shelved_until = excluded.shelved_until, "
    "shelved_until_text = excluded.shelved_until_text, detail = excluded.detail, comment = excluded.comment, flood = excluded.flood, "
    "standing = excluded.standing, gone_since = excluded.gone_since, judged = excluded.judged";
constexpr std::string_view kPendingUpdate =
    "ON CONFLICT(rule, subject_kind, subject) DO UPDATE SET tenant = excluded.tenant, since = excluded.since, judged = excluded.judged, "
    "count = excluded.count, detail = excluded.detail";
constexpr std::string_view kFlowUpdate =
    "ON CONFLICT(tenant, rule) DO UPDATE SET flood = excluded.flood, began = excluded.began, raised = excluded.raised, "
    "minute = excluded.minute, minutes = excluded.minutes";

template <class Row>
base::Result<void> put(db::Connection& connection, std::string_view table, std::string_view columns, std::size_t count,
                       const std::vector<Row>& rows, std::string_view tail = {}) {
  if (rows.empty()) return {};
  db::BulkInsert block(connection, fmt::format("INSERT INTO {}({})", table, columns), count, std::string(tail));
  for (const auto& row : rows) MH_TRY_VOID(block.add(values_of(row)));
  return block.finish();
}

base::Result<void> remove_gone(db::Connection& connection, const alarm::Changes& changes) {
  auto pending =
      MH_TRY(connection.prepare("DELETE FROM episode_pending WHERE rule = ? AND subject_kind = ? AND subject = ?"));
  for (const auto& gone : changes.pending_gone) {
    MH_TRY_VOID(
        pending.bind_all(name(gone.rule), name(gone.subject.kind), std::string_view(gone.subject.text())).run());
  }
  auto flow = MH_TRY(connection.prepare("DELETE FROM episode_flows WHERE tenant = ? AND rule = ?"));
  for (const auto& [tenant, rule] : changes.flows_gone) {
    MH_TRY_VOID(flow.bind_all(std::int64_t{tenant.value}, name(rule)).run());
  }
  return {};
}

base::Result<std::vector<alarm::Episode>> read_all(db::Statement& row) {
  std::vector<alarm::Episode> out;
  while (MH_TRY(row.step())) out.push_back(MH_TRY(read_episode(row)));
  return out;
}

base::Result<void> read_where(db::Connection& connection, std::string_view where, std::optional<base::Timestamp> value,
                              std::vector<alarm::Episode>& out) {
  auto row = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM episodes WHERE {}", kEpisodeColumns, where)));
  if (value) row.bind(1, *value);
  while (MH_TRY(row.step())) out.push_back(MH_TRY(read_episode(row)));
  return {};
}

// A WHERE clause that grows, with its values.
class Conditions {
 public:
  explicit Conditions(const ClearedFilter& filter) {
    if (filter.tenants) {
      std::vector<db::Value> numbers;
      for (const auto tenant : *filter.tenants) numbers.emplace_back(std::int64_t{tenant.value});
      one_of("tenant", numbers);
    }
    if (!filter.rules.empty()) one_of("rule", names(filter.rules));
    if (!filter.severities.empty()) one_of("severity", names(filter.severities));
    if (filter.subject) {
      add("subject = ? AND subject_kind = ?", {filter.subject->text(), std::string(name(filter.subject->kind))});
    }
    if (filter.owner) add("owner = ?", {*filter.owner});
    if (filter.cleared_from) add("cleared >= ?", {number(*filter.cleared_from)});
    if (filter.cleared_before) add("cleared < ?", {number(*filter.cleared_before)});
  }

  void add(std::string_view text, const std::vector<db::Value>& values) {
    text_ += " AND ";
    text_ += text;
    values_.insert(values_.end(), values.begin(), values.end());
  }
  void end(std::string_view text, std::int64_t value) {
    text_ += fmt::format(" {}", text);
    values_.emplace_back(value);
  }
  static std::int64_t number(base::Timestamp at) { return at.time_since_epoch().count(); }

  base::Result<db::Statement> prepare(db::Connection& connection, std::string_view select) const {
    auto out = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM episodes WHERE {}", select, text_)));
    int index = 0;
    for (const auto& value : values_) db::bind_value(out, ++index, value);
    return out;
  }

 private:
  template <class Enum>
  static std::vector<db::Value> names(const std::vector<Enum>& wanted) {
    std::vector<db::Value> out;
    for (const auto one : wanted) out.emplace_back(std::string(name(one)));
    return out;
  }
  // None admits none, as `IN ()` is no SQL elsewhere.
  void one_of(std::string_view column, const std::vector<db::Value>& values) {
    std::string marks;
    for (std::size_t i = 0; i < values.size(); ++i) marks += i == 0 ? "?" : ", ?";
    add(values.empty() ? "1 = 0" : fmt::format("{} IN ({})", column, marks), values);
  }

  std::string text_ = "state = 'cleared'";
  std::vector<db::Value> values_;
};

}  // namespace

base::Result<void> write_episodes(db::Connection& connection, const alarm::Changes& changes) {
  // First what has gone: a condition may be pending anew in the same block.
  MH_TRY_VOID(remove_gone(connection, changes));
  MH_TRY_VOID(put(connection, "episodes", kEpisodeColumns, kEpisodeColumnCount, changes.episodes, kEpisodeUpdate));
  MH_TRY_VOID(put(connection, "episode_history", kHistoryColumns, 8, changes.history));
  MH_TRY_VOID(put(connection, "episode_pending", kPendingColumns, 8, changes.pending, kPendingUpdate));
  return put(connection, "episode_flows", kFlowColumns, 7, changes.flows, kFlowUpdate);
}

base::Result<alarm::Saved> read_episodes(db::Connection& connection, base::Timestamp cleared_from) {
  alarm::Saved out;
  // Each its own index; no episode is in two of them.
  MH_TRY_VOID(read_where(connection, "state <> 'cleared'", {}, out.episodes));
  MH_TRY_VOID(read_where(connection, "state = 'cleared' AND standing = 1", {}, out.episodes));
  MH_TRY_VOID(
      read_where(connection, "state = 'cleared' AND standing <> 1 AND cleared >= ?", cleared_from, out.episodes));
  auto pending = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM episode_pending", kPendingColumns)));
  while (MH_TRY(pending.step())) out.pending.push_back(MH_TRY(read_pending(pending)));
  auto flow = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM episode_flows", kFlowColumns)));
  while (MH_TRY(flow.step())) out.flows.push_back(MH_TRY(read_flow(flow)));
  const auto last = MH_TRY(connection.query_integer("SELECT seq FROM sqlite_sequence WHERE name = 'episodes'"));
  out.last_id = alarm::EpisodeId(static_cast<std::uint64_t>(last.value_or(0)));
  return out;
}

base::Result<std::optional<alarm::Episode>> find_episode(db::Connection& connection, alarm::EpisodeId id) {
  auto row = MH_TRY(connection.prepare(fmt::format("SELECT {} FROM episodes WHERE id = ?", kEpisodeColumns)));
  row.bind(1, static_cast<std::int64_t>(id.value));
  if (!MH_TRY(row.step())) return std::nullopt;
  return MH_TRY(read_episode(row));
}

base::Result<std::vector<StoredHistory>> read_history(db::Connection& connection, alarm::EpisodeId episode,
                                                      std::int64_t after_id, std::size_t limit) {
  auto row = MH_TRY(connection.prepare(fmt::format(
      "SELECT id, {} FROM episode_history WHERE episode = ? AND id > ? ORDER BY id LIMIT ?", kHistoryColumns)));
  row.bind_all(static_cast<std::int64_t>(episode.value), after_id, static_cast<std::int64_t>(limit));
  std::vector<StoredHistory> out;
  while (MH_TRY(row.step())) out.push_back({row.integer(0), MH_TRY(read_entry(row, 1))});
  return out;
}

base::Result<std::vector<alarm::Episode>> read_cleared(db::Connection& connection, const ClearedFilter& filter,
                                                       std::optional<ClearedPlace> after, std::size_t limit) {
  Conditions conditions(filter);
  if (after) {
    conditions.add("(cleared, id) < (?, ?)",
                   {Conditions::number(after->cleared), static_cast<std::int64_t>(after->id.value)});
  }
  conditions.end("ORDER BY cleared DESC, id DESC LIMIT ?", static_cast<std::int64_t>(limit));
  auto row = MH_TRY(conditions.prepare(connection, kEpisodeColumns));
  return read_all(row);
}

base::Result<std::int64_t> count_cleared(db::Connection& connection, const ClearedFilter& filter) {
  auto row = MH_TRY(Conditions(filter).prepare(connection, "count(*)"));
  MH_TRY_VOID(row.step());
  return row.integer(0);
}

base::Result<std::int64_t> expire_episodes(db::Connection& connection, base::Timestamp before, std::size_t limit) {
  // One that still stands is what keeps it from being raised again.
  constexpr std::string_view kOld =
      "(SELECT id FROM episodes WHERE state = 'cleared' AND cleared < ? AND standing <> 1 ORDER BY cleared, id LIMIT ?)";
  const auto most = static_cast<std::int64_t>(limit);
  auto history = MH_TRY(connection.prepare(fmt::format("DELETE FROM episode_history WHERE episode IN {}", kOld)));
  MH_TRY_VOID(history.bind_all(before, most).run());
  auto episodes = MH_TRY(connection.prepare(fmt::format("DELETE FROM episodes WHERE id IN {}", kOld)));
  MH_TRY_VOID(episodes.bind_all(before, most).run());
  return connection.changes();
}

}  // namespace meterhub::tables
