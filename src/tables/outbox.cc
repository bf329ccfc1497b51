#include <meterhub/tables/outbox.h>

#include <set>
#include <unordered_set>

#include <meterhub/db/bulk_insert.h>

namespace meterhub::tables::outbox {
namespace {

std::int64_t micros(base::Timestamp at) { return at.time_since_epoch().count(); }

std::optional<base::Timestamp> time_or_nothing(const db::Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.time(column);
}

Channel channel_at(const db::Statement& row, int column) {
  return Channel(static_cast<std::uint32_t>(row.integer(column)));
}

template <class... Values>
base::Result<std::uint64_t> run(db::Connection& connection, std::string_view sql, const Values&... values) {
  auto statement = MH_TRY(connection.prepare(sql));
  MH_TRY_VOID(statement.bind_all(values...).run());
  return static_cast<std::uint64_t>(connection.changes());
}

base::Result<std::int64_t> waiting_of(db::Connection& connection, Channel channel) {
  auto row = MH_TRY(connection.prepare("SELECT count(*) FROM outbox_notices WHERE state = 'waiting' AND channel = ?"));
  row.bind(1, std::int64_t{channel.value});
  MH_TRY_VOID(row.step());
  return row.integer(0);
}

// The oldest `excess` are counted by rule, and stay as dropped rows.
base::Result<std::uint64_t> gather_oldest(db::Connection& connection, Channel channel, std::int64_t excess) {
  const std::int64_t number{channel.value};
  MH_TRY_VOID(
      run(connection,
          "INSERT INTO outbox_gathered(channel, rule, count) SELECT ?, rule, count(*) FROM (SELECT rule FROM "
          "outbox_notices WHERE state = 'waiting' AND channel = ? ORDER BY id LIMIT ?) WHERE true GROUP BY rule "
          "ON CONFLICT(channel, rule) DO UPDATE SET count = count + excluded.count",
          number, number, excess));
  return run(
      connection,
      "UPDATE outbox_notices SET state = 'dropped', reason = 'too many waited: counted' WHERE id IN (SELECT id FROM "
      "outbox_notices WHERE state = 'waiting' AND channel = ? ORDER BY id LIMIT ?)",
      number, excess);
}

}  // namespace

base::Result<std::uint64_t> put_notices(db::Connection& connection, std::span<const NewNotice> notices,
                                        std::size_t waiting_max, base::Timestamp now) {
  db::BulkInsert block(
      connection,
      "INSERT INTO outbox_notices(channel, due_at, episode, escalation, rule, body, state, reason, created)", 9);
  std::set<Channel> channels;
  for (const auto& notice : notices) {
    channels.insert(notice.channel);
    MH_TRY_VOID(block.add({std::int64_t{notice.channel.value}, micros(notice.due),
                           static_cast<std::int64_t>(notice.episode), std::int64_t{notice.escalation}, notice.rule,
                           notice.body, std::string("waiting"), std::string(), micros(now)}));
  }
  MH_TRY_VOID(block.finish());
  std::uint64_t gathered = 0;
  for (const auto channel : channels) {
    const auto excess = MH_TRY(waiting_of(connection, channel)) - static_cast<std::int64_t>(waiting_max);
    if (excess > 0) gathered += MH_TRY(gather_oldest(connection, channel, excess));
  }
  return gathered;
}

// Bounded by what waits, not by how many episodes are acknowledged at once.
base::Result<std::uint64_t> drop_escalations(db::Connection& connection, std::span<const std::uint64_t> episodes,
                                             std::string_view reason) {
  std::vector<std::int64_t> found;
  {
    auto row =
        MH_TRY(connection.prepare("SELECT id, episode FROM outbox_notices WHERE escalation = 1 AND state = 'waiting'"));
    const std::unordered_set<std::uint64_t> wanted(episodes.begin(), episodes.end());
    while (MH_TRY(row.step())) {
      if (wanted.contains(static_cast<std::uint64_t>(row.integer(1)))) found.push_back(row.integer(0));
    }
  }
  auto drop = MH_TRY(connection.prepare("UPDATE outbox_notices SET state = 'dropped', reason = ? WHERE id = ?"));
  for (const auto id : found) MH_TRY_VOID(drop.bind_all(reason, id).run());
  return found.size();
}

base::Result<Escalated> Escalated::look(db::Connection& connection) {
  return Escalated(MH_TRY(connection.prepare(
      "SELECT 1 FROM outbox_notices WHERE escalation = 1 AND episode = ? AND channel = ? AND state = 'taken' LIMIT 1")));
}

base::Result<bool> Escalated::of(std::uint64_t episode, Channel channel) {
  find_.bind_all(static_cast<std::int64_t>(episode), std::int64_t{channel.value});
  const bool found = MH_TRY(find_.step());
  find_.reset();
  return found;
}

base::Result<void> count_notices(db::Connection& connection, Channel channel,
                                 const std::map<std::string, std::uint64_t>& by_rule) {
  for (const auto& [rule, count] : by_rule) {
    MH_TRY_VOID(run(connection,
                    "INSERT INTO outbox_gathered(channel, rule, count) VALUES (?, ?, ?) ON CONFLICT(channel, rule) DO "
                    "UPDATE SET count = count + excluded.count",
                    std::int64_t{channel.value}, std::string_view(rule), static_cast<std::int64_t>(count)));
  }
  return {};
}

base::Result<std::map<Channel, Work>> work(db::Connection& connection) {
  std::map<Channel, Work> out;
  auto notices = MH_TRY(
      connection.prepare("SELECT channel, min(due_at) FROM outbox_notices WHERE state = 'waiting' GROUP BY channel"));
  while (MH_TRY(notices.step())) out[channel_at(notices, 0)].first_due = notices.time(1);
  auto messages = MH_TRY(connection.prepare(
      "SELECT channel, count(*), max(created) FROM outbox WHERE state = 'waiting' GROUP BY channel"));
  while (MH_TRY(messages.step())) {
    auto& work = out[channel_at(messages, 0)];
    work.messages = static_cast<std::size_t>(messages.integer(1));
    work.newest_message = messages.time(2);
  }
  return out;
}

base::Result<Due> due_notices(db::Connection& connection, Channel channel, base::Timestamp now) {
  Due out;
  auto row = MH_TRY(connection.prepare(
      "SELECT id, escalation, body FROM outbox_notices WHERE state = 'waiting' AND channel = ? AND due_at <= ? ORDER BY id"));
  row.bind_all(std::int64_t{channel.value}, now);
  while (MH_TRY(row.step()))
    out.notices.push_back({NoticeId(row.integer(0)), row.integer(1) != 0, std::string(row.text(2))});
  auto counts = MH_TRY(connection.prepare("SELECT rule, count FROM outbox_gathered WHERE channel = ?"));
  counts.bind(1, std::int64_t{channel.value});
  while (MH_TRY(counts.step()))
    out.gathered[std::string(counts.text(0))] = static_cast<std::uint64_t>(counts.integer(1));
  return out;
}

base::Result<MessageId> put_message(db::Connection& connection, const NewMessage& message, const Due& due,
                                    base::Timestamp now) {
  MH_TRY_VOID(
      run(connection,
          "INSERT INTO outbox(message_id, channel, channel_name, body, state, attempts, next_at, created, last_error) "
          "VALUES (?, ?, ?, ?, 'waiting', 0, ?, ?, '')",
          std::string_view(message.message_id), std::int64_t{message.channel.value},
          std::string_view(message.channel_name), std::string_view(message.body), now, now));
  const MessageId id(connection.last_insert_id());
  auto take = MH_TRY(connection.prepare("UPDATE outbox_notices SET state = 'taken', message = ? WHERE id = ?"));
  for (const auto& notice : due.notices) MH_TRY_VOID(take.bind_all(id.value, notice.id.value).run());
  MH_TRY_VOID(run(connection, "DELETE FROM outbox_gathered WHERE channel = ?", std::int64_t{message.channel.value}));
  return id;
}

base::Result<std::vector<Message>> waiting_messages(db::Connection& connection, Channel channel) {
  auto row = MH_TRY(connection.prepare(
      "SELECT id, message_id, channel, body, attempts, next_at, created FROM outbox WHERE state = 'waiting' AND channel = ? ORDER BY id"));
  row.bind(1, std::int64_t{channel.value});
  std::vector<Message> out;
  while (MH_TRY(row.step())) {
    out.push_back({MessageId(row.integer(0)), std::string(row.text(1)), channel_at(row, 2), std::string(row.text(3)),
                   static_cast<unsigned>(row.integer(4)), row.time(5), row.time(6)});
  }
  return out;
}

base::Result<void> mark_sent(db::Connection& connection, MessageId id, std::string_view note, base::Timestamp now) {
  MH_TRY_VOID(run(connection,
                  "UPDATE outbox SET state = 'sent', last_error = ?, sent_at = ? WHERE id = ? AND state = 'waiting'",
                  note, now, id.value));
  return {};
}

base::Result<void> mark_failed(db::Connection& connection, MessageId id, std::string_view reason) {
  MH_TRY_VOID(run(
      connection,
      "UPDATE outbox SET state = 'failed', attempts = attempts + 1, last_error = ? WHERE id = ? AND state = 'waiting'",
      reason, id.value));
  return {};
}

base::Result<void> put_off(db::Connection& connection, MessageId id, std::string_view reason, base::Timestamp next) {
  MH_TRY_VOID(
      run(connection,
          "UPDATE outbox SET attempts = attempts + 1, last_error = ?, next_at = ? WHERE id = ? AND state = 'waiting'",
          reason, next, id.value));
  return {};
}

base::Result<std::optional<base::Timestamp>> last_sent(db::Connection& connection, Channel channel) {
  auto row = MH_TRY(connection.prepare("SELECT max(sent_at) FROM outbox WHERE channel = ? AND sent_at IS NOT NULL"));
  row.bind(1, std::int64_t{channel.value});
  if (!MH_TRY(row.step())) return std::nullopt;
  return time_or_nothing(row, 0);
}

base::Result<std::uint64_t> drop_channel(db::Connection& connection, Channel channel, std::string_view reason) {
  const std::int64_t number{channel.value};
  auto out = MH_TRY(
      run(connection, "UPDATE outbox_notices SET state = 'dropped', reason = ? WHERE state = 'waiting' AND channel = ?",
          reason, number));
  out += MH_TRY(run(connection,
                    "UPDATE outbox SET state = 'dropped', last_error = ? WHERE state = 'waiting' AND channel = ?",
                    reason, number));
  MH_TRY_VOID(run(connection, "DELETE FROM outbox_gathered WHERE channel = ?", number));
  return out;
}

// Ids rise with time: only the first rows are looked at, however many there are.
base::Result<std::uint64_t> expire(db::Connection& connection, base::Timestamp before, std::size_t limit) {
  const auto rows = static_cast<std::int64_t>(limit);
  const auto notices = MH_TRY(
      run(connection,
          "DELETE FROM outbox_notices WHERE id IN (SELECT id FROM outbox_notices ORDER BY id LIMIT ?) AND created < ? "
          "AND state <> 'waiting'",
          rows, before));
  const auto messages =
      MH_TRY(run(connection,
                 "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT ?) AND created < ? "
                 "AND state <> 'waiting'",
                 rows, before));
  return notices + messages;
}

}  // namespace meterhub::tables::outbox
