// What people read: notices gathered into one message, in Chinese or English. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/base/result.h>
#include <meterhub/notify/notice.h>
#include <meterhub/notify/setup.h>

namespace meterhub::notify {

inline constexpr std::size_t kListedMax = 10;

// A notice that is to be in the next message.
struct Waiting {
  Notice notice;
  bool escalation = false;
};

// Rule → how many; of what is told without being listed.
using RuleCounts = std::map<std::string, std::uint64_t>;

struct Message {
  std::string subject;             // one line
  std::vector<std::string> lines;  // a line of text each
  std::string notices;             // JSON array of those that are listed
  RuleCounts more;
  bool operator==(const Message&) const = default;
};

// `waiting` is in order of time; at least one. Of an episode only the last is told. The gravest are listed, up to ten,
// in order of time; the others are counted by rule, with `gathered`: what had to be given up while it waited.
Message compose(const Setup& setup, const registry::Channel& channel, const std::vector<Waiting>& waiting,
                const RuleCounts& gathered);

// That of `notify test`.
Message test_message(const Setup& setup, const registry::Channel& channel, base::Timestamp now);

// As it is kept in the outbox.
std::string message_json(const Message& message);
// kCorrupt.
base::Result<Message> parse_message(std::string_view json);

}  // namespace meterhub::notify
