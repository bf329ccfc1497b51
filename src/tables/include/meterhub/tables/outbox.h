// Messages to people, from the notice that an episode caused to the server that took it. All functions work inside the
// caller's transaction (Database::transact): a notice is written with its episode or not at all.
//
//   outbox_notices   what is to be told, by channel: waiting → taken (into a message) | dropped (with the reason)
//   outbox           messages: waiting → sent | failed | dropped (with the reason)
//   outbox_gathered  of waiting notices that had to give way: how many, by channel and rule
//
// Times are microseconds UTC. Texts of the rows are the caller's own, opaque here.
// Errors: those of db::Connection.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/ids.h>
#include <meterhub/base/result.h>
#include <meterhub/db/connection.h>

namespace meterhub::tables::outbox {

using Channel = base::Id<struct OutboxChannelTag, std::uint32_t>;  // number of a channel, the registry's
using NoticeId = base::Id<struct OutboxNoticeTag, std::int64_t>;   // rises
using MessageId = base::Id<struct OutboxMessageTag, std::int64_t>;  // rises

struct NewNotice {
  Channel channel;
  base::Timestamp due{};
  std::uint64_t episode = 0;  // 0: about none
  bool escalation = false;
  std::string rule;
  std::string body;
};

// Notices that are not worth rows of their own, as they would give way at once: into the channel's count.
base::Result<void> count_notices(db::Connection& connection, Channel channel,
                                 const std::map<std::string, std::uint64_t>& by_rule);
// Where a channel has more than `waiting_max`, the oldest go into its count. Returns how many did.
base::Result<std::uint64_t> put_notices(db::Connection& connection, std::span<const NewNotice> notices,
                                        std::size_t waiting_max, base::Timestamp now);

// Of these episodes, what waits to be escalated is dropped. Returns how many.
base::Result<std::uint64_t> drop_escalations(db::Connection& connection, std::span<const std::uint64_t> episodes,
                                             std::string_view reason);
// Whether an escalation of an episode has gone into a message to a channel. Dies before its Connection.
class Escalated {
 public:
  static base::Result<Escalated> look(db::Connection& connection);
  base::Result<bool> of(std::uint64_t episode, Channel channel);

 private:
  explicit Escalated(db::Statement find) : find_(std::move(find)) {}
  db::Statement find_;
};

// What a channel has waiting.
struct Work {
  std::optional<base::Timestamp> first_due{};       // of its notices
  std::size_t messages = 0;
  std::optional<base::Timestamp> newest_message{};  // when it was made
};
base::Result<std::map<Channel, Work>> work(db::Connection& connection);

struct WaitingNotice {
  NoticeId id;
  bool escalation = false;
  std::string body;
};
// Those of a channel that are due, in order of writing, and what was gathered.
struct Due {
  std::vector<WaitingNotice> notices;
  std::map<std::string, std::uint64_t> gathered;
};
base::Result<Due> due_notices(db::Connection& connection, Channel channel, base::Timestamp now);

struct NewMessage {
  std::string message_id;  // unique; what the receiver can tell a repeat by
  Channel channel;
  std::string channel_name;  // for readers of the table
  std::string body;
};
// Takes the notices into it; the channel's count of gathered ones begins anew.
base::Result<MessageId> put_message(db::Connection& connection, const NewMessage& message, const Due& due,
                                    base::Timestamp now);

struct Message {
  MessageId id;
  std::string message_id;
  Channel channel;
  std::string body;
  unsigned attempts = 0;  // that failed
  base::Timestamp next{};
  base::Timestamp created{};
};
// In order of writing; few, as the sender makes few at a time.
base::Result<std::vector<Message>> waiting_messages(db::Connection& connection, Channel channel);
base::Result<void> mark_sent(db::Connection& connection, MessageId id, std::string_view note, base::Timestamp now);
base::Result<void> mark_failed(db::Connection& connection, MessageId id, std::string_view reason);
// To be tried again at `next`.
base::Result<void> put_off(db::Connection& connection, MessageId id, std::string_view reason, base::Timestamp next);
// When the channel's last message was taken by its server.
base::Result<std::optional<base::Timestamp>> last_sent(db::Connection& connection, Channel channel);

// All that waits for a channel, notices and messages: it is no more, or switched off. Returns how many.
base::Result<std::uint64_t> drop_channel(db::Connection& connection, Channel channel, std::string_view reason);

// Deletes rows that wait for nothing any more and were written before `before`, at most `limit` of each table. Returns
// how many.
base::Result<std::uint64_t> expire(db::Connection& connection, base::Timestamp before, std::size_t limit);

}  // namespace meterhub::tables::outbox
