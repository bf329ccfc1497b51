// The session feed: keys for NS processes. First a snapshot, then changes, and a heartbeat
// every 100 ms that says up to which time the receiver is current; an NS puts that time
// into its error lines (`ns.snap`, spec/lorawan-ns.md 2.1).
//
// The same messages serve in process (SessionListener) and over the wire (encode/decode;
// docs/formats/session-feed.md). They hold keys: never logged, wiped after use, and only
// sent over mutual TLS.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/result.h>
#include <meterhub/lorawan/session.h>
#include <meterhub/registry/directory.h>
#include <meterhub/registry/store.h>

namespace meterhub::registry {

inline constexpr std::chrono::milliseconds kFeedBeat{100};
// Sessions in one message at most.
inline constexpr std::size_t kFeedBlock = 4096;

// What follows replaces all the receiver holds. It keeps serving the old table until
// SnapshotEnd and then drops what the snapshot did not name.
struct SnapshotBegin {
  bool operator==(const SnapshotBegin&) const = default;
};
struct SnapshotEnd {
  bool operator==(const SnapshotEnd&) const = default;
};
// New or changed sessions, at most kFeedBlock.
struct SessionsPut {
  std::vector<lorawan::Session> sessions;
};
// These sessions are gone: their meter was removed, or their keys were purged. What
// replaces a session is always sent before the old one is dropped.
struct SessionsDropped {
  std::vector<SessionKey> sessions;
  bool operator==(const SessionsDropped&) const = default;
};
// Every edit committed before `current_to` has been sent.
struct Heartbeat {
  base::Timestamp current_to{};
  bool operator==(const Heartbeat&) const = default;
};
using FeedMessage = std::variant<SnapshotBegin, SnapshotEnd, SessionsPut, SessionsDropped, Heartbeat>;

class SessionListener {
 public:
  virtual ~SessionListener() = default;
  // On the executor given to subscribe(), one at a time. The next message comes only after
  // this one returned: a slow receiver holds one block, never a queue.
  virtual void on_feed(const FeedMessage& message) = 0;
};

// Serves any number of receivers from a Store, each at its own pace. Lives and is destroyed
// on `executor`'s thread (or after it stopped).
class SessionFeed {
 public:
  SessionFeed(const Store& store, base::Executor& executor);
  ~SessionFeed();

  // Any thread. Begins with a snapshot. The listener must outlive the subscription.
  std::unique_ptr<Subscription> subscribe(SessionListener& listener, base::Executor& call_on);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// --- the wire form: length-prefixed frames, little endian
// Appends one frame. The caller wipes the buffer after sending.
void encode(const FeedMessage& message, base::Bytes& out);
// Takes one whole frame from the front of `bytes` and sets `used`; nothing when it is not
// complete yet (used = 0). kCorrupt for what encode() cannot have written, kTooLarge before
// an announced length would make the receiver buffer more than kMaxFeedFrame.
inline constexpr std::size_t kMaxFeedFrame = 1 << 20;
base::Result<std::optional<FeedMessage>> decode(base::BytesView bytes, std::size_t& used);

}  // namespace meterhub::registry
