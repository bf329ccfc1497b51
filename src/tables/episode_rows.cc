#include "episode_rows.h"

#include <charconv>
#include <utility>

#include <meterhub/base/time_text.h>

namespace meterhub::tables {
namespace {

db::Value number(base::Timestamp at) { return std::int64_t{at.time_since_epoch().count()}; }
db::Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }
db::Value number(std::optional<base::Timestamp> at) { return at ? number(*at) : db::Value(); }
db::Value word(std::string_view text) { return std::string(text); }
db::Value text_of(std::optional<base::Timestamp> at) { return at ? db::Value(base::rfc3339(*at)) : db::Value(); }

std::optional<base::Timestamp> time(const db::Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.time(column));
}

template <class Enum, std::size_t N>
base::Result<Enum> read_word(const alarm::Names<N>& names, std::string_view text) {
  if (const auto found = alarm::from_name<Enum>(names, text)) return *found;
  return base::fail(base::Errc::kCorrupt, "an alarm's row says '" + std::string(text) + "'");
}

base::Result<alarm::Subject> read_subject(std::string_view kind, std::string_view text) {
  const auto known = MH_TRY(read_word<alarm::SubjectKind>(alarm::kSubjectKindNames, kind));
  if (known != alarm::SubjectKind::kMeter) return alarm::Subject::named(known, std::string(text));
  const auto eui = base::Eui64::parse(text);
  if (!eui) return base::fail(base::Errc::kCorrupt, "an alarm's row names meter '" + std::string(text) + "'");
  return alarm::Subject::meter(*eui);
}

// A list in braces would copy every text once more.
template <class... Values>
std::vector<db::Value> row_of(Values&&... values) {
  std::vector<db::Value> out;
  out.reserve(sizeof...(values));
  (out.emplace_back(std::forward<Values>(values)), ...);
  return out;
}

base::TenantNumber tenant(const db::Statement& row, int column) {
  return base::TenantNumber(static_cast<std::uint32_t>(row.integer(column)));
}

}  // namespace

std::vector<db::Value> values_of(const alarm::Episode& episode) {
  return row_of(number(episode.id.value), word(name(episode.rule)), word(name(episode.subject.kind)),
                episode.subject.text(), number(episode.tenant.value), word(name(episode.severity)),
                word(name(episode.state)), number(episode.raised), base::rfc3339(episode.raised),
                number(episode.last_seen), base::rfc3339(episode.last_seen), number(episode.cleared),
                text_of(episode.cleared), number(episode.count), number(episode.reopened), episode.owner,
                episode.acknowledged_by, number(episode.acknowledged), text_of(episode.acknowledged),
                number(episode.shelved_until), text_of(episode.shelved_until), episode.detail, episode.comment,
                number(std::uint64_t{episode.flood}), number(std::uint64_t{episode.standing}),
                number(episode.gone_since), number(episode.judged));
}

base::Result<alarm::Episode> read_episode(const db::Statement& row) {
  return alarm::Episode{.id = alarm::EpisodeId(static_cast<std::uint64_t>(row.integer(0))),
                        .rule = MH_TRY(read_word<alarm::Rule>(alarm::kRuleNames, row.text(1))),
                        .subject = MH_TRY(read_subject(row.text(2), row.text(3))),
                        .tenant = tenant(row, 4),
                        .severity = MH_TRY(read_word<alarm::Severity>(alarm::kSeverityNames, row.text(5))),
                        .state = MH_TRY(read_word<alarm::State>(alarm::kStateNames, row.text(6))),
                        .raised = row.time(7),
                        .last_seen = row.time(9),
                        .cleared = time(row, 11),
                        .count = static_cast<std::uint64_t>(row.integer(13)),
                        .reopened = static_cast<std::uint32_t>(row.integer(14)),
                        .owner = std::string(row.text(15)),
                        .acknowledged_by = std::string(row.text(16)),
                        .acknowledged = time(row, 17),
                        .shelved_until = time(row, 19),
                        .detail = std::string(row.text(21)),
                        .comment = std::string(row.text(22)),
                        .flood = row.integer(23) != 0,
                        .standing = row.integer(24) != 0,
                        .gone_since = time(row, 25),
                        .judged = row.time(26)};
}

std::vector<db::Value> values_of(const alarm::HistoryEntry& entry) {
  return row_of(number(entry.episode.value), number(entry.at), base::rfc3339(entry.at), entry.who,
                word(name(entry.what)), word(name(entry.from)), word(name(entry.to)), entry.text);
}

base::Result<alarm::HistoryEntry> read_entry(const db::Statement& row, int first) {
  return alarm::HistoryEntry{.episode = alarm::EpisodeId(static_cast<std::uint64_t>(row.integer(first))),
                             .at = row.time(first + 1),
                             .who = std::string(row.text(first + 3)),
                             .what = MH_TRY(read_word<alarm::Event>(alarm::kEventNames, row.text(first + 4))),
                             .from = MH_TRY(read_word<alarm::State>(alarm::kStateNames, row.text(first + 5))),
                             .to = MH_TRY(read_word<alarm::State>(alarm::kStateNames, row.text(first + 6))),
                             .text = std::string(row.text(first + 7))};
}

std::vector<db::Value> values_of(const alarm::Pending& pending) {
  return row_of(word(name(pending.rule)), word(name(pending.subject.kind)), pending.subject.text(),
                number(pending.tenant.value), number(pending.since), number(pending.judged), number(pending.count),
                pending.detail);
}

base::Result<alarm::Pending> read_pending(const db::Statement& row) {
  return alarm::Pending{.rule = MH_TRY(read_word<alarm::Rule>(alarm::kRuleNames, row.text(0))),
                        .subject = MH_TRY(read_subject(row.text(1), row.text(2))),
                        .tenant = tenant(row, 3),
                        .since = row.time(4),
                        .judged = row.time(5),
                        .count = static_cast<std::uint32_t>(row.integer(6)),
                        .detail = std::string(row.text(7))};
}

std::vector<db::Value> values_of(const alarm::Flow& flow) {
  std::string minutes;
  for (const auto count : flow.minutes) minutes += (minutes.empty() ? "" : ",") + std::to_string(count);
  return row_of(number(flow.tenant.value), word(name(flow.rule)), number(std::uint64_t{flow.flood}), number(flow.began),
                number(flow.raised), flow.minute, std::move(minutes));
}

base::Result<alarm::Flow> read_flow(const db::Statement& row) {
  alarm::Flow out{.tenant = tenant(row, 0),
                  .rule = MH_TRY(read_word<alarm::Rule>(alarm::kRuleNames, row.text(1))),
                  .flood = row.integer(2) != 0,
                  .began = row.time(3),
                  .raised = static_cast<std::uint64_t>(row.integer(4)),
                  .minute = row.integer(5)};
  const auto text = row.text(6);
  for (const char* at = text.data(); at < text.data() + text.size(); ++at) {
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(at, text.data() + text.size(), count);
    if (error != std::errc())
      return base::fail(base::Errc::kCorrupt, "an alarm's minutes are '" + std::string(text) + "'");
    out.minutes.push_back(count);
    at = end;
  }
  return out;
}

}  // namespace meterhub::tables
