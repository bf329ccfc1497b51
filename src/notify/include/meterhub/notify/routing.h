// Which channels hear of a notice, and when. Pure functions, any thread.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include <meterhub/base/clock.h>
#include <meterhub/notify/notice.h>
#include <meterhub/notify/setup.h>

namespace meterhub::notify {

struct Routed {
  registry::ChannelNumber channel;
  base::Timestamp due{};  // not before; the channel's pace comes on top
  // Raised: goes out only if the episode is unacknowledged then. Cleared: only to those who had been told by
  // escalation.
  bool escalation = false;
  bool operator==(const Routed&) const = default;
};

// At most one first line and one escalation a channel: that of the route that sends earliest. Disabled channels too:
// whoever looks at the outbox sees what they did not get.
std::vector<Routed> route(const Setup& setup, const Notice& notice, base::Timestamp now);

// `at`, or the end of the quiet hours that hold it, on the clocks of `zone`.
base::Timestamp after_quiet(const std::optional<registry::QuietHours>& quiet, const consumption::LocalTime& zone,
                            base::Timestamp at);

// How often a channel may speak.
struct Pace {
  std::chrono::seconds spacing{60};          // between two messages that were taken
  std::chrono::seconds beside{10 * 60};      // a message that fails holds up later ones so long
  std::size_t messages_max = 3;              // that wait at the same time
};

// What a channel has waiting.
struct Lane {
  std::optional<base::Timestamp> first_due{};       // of its notices
  std::optional<base::Timestamp> last_sent{};
  std::size_t messages = 0;                         // made, and not taken by their server yet
  std::optional<base::Timestamp> newest_message{};  // when the last of those was made
};

// When its next message is made of what is due by then; nothing: when what happens to it changes. A last message in
// the future, after a clock was set back, counts as of now.
std::optional<base::Timestamp> next_message(const Pace& pace, const Lane& lane, base::Timestamp now);
// The first moment at which the channel may speak again.
base::Timestamp may_speak(const Pace& pace, const Lane& lane, base::Timestamp now);

// After so many failed attempts; `attempts` from 1.
std::chrono::seconds retry_pause(unsigned attempts);

}  // namespace meterhub::notify
