#include <meterhub/registry/session_feed.h>

#include <algorithm>
#include <atomic>

#include <meterhub/base/logging.h>
#include <meterhub/crypto/secret.h>

namespace meterhub::registry {
namespace {

constexpr std::size_t kChangesAtOnce = 256;

void wipe(FeedMessage& message) {
  auto* put = std::get_if<SessionsPut>(&message);
  if (put == nullptr) return;
  for (auto& session : put->sessions) {
    crypto::wipe(session.nwk_skey);
    crypto::wipe(session.app_skey);
  }
}

// One receiver and how far it is. Used on the feed's executor, but for `active`.
struct Receiver {
  enum class Stage : std::uint8_t { kBegin, kSnapshot, kChanges };

  SessionListener* listener = nullptr;
  base::Executor* call_on = nullptr;
  std::atomic<bool> active{true};
  Stage stage = Stage::kBegin;
  bool in_flight = false;
  std::uint64_t position = 0;           // changes fetched up to here
  SessionKey cursor;                    // snapshot, or inside the front change's range
  bool in_range = false;                // cursor belongs to the front change
  std::vector<Change> pending;          // front = next
};

struct Handle final : Subscription {
  explicit Handle(std::shared_ptr<Receiver> r) : receiver(std::move(r)) {}
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() override { receiver->active = false; }
  std::shared_ptr<Receiver> receiver;
};

SessionKey key_of(const lorawan::Session& session) { return {session.meter, session.number}; }

}  // namespace

struct SessionFeed::State : std::enable_shared_from_this<SessionFeed::State> {
  State(const Store& s, base::Executor& e) : store(s), executor(e) {}

  // What the receiver is to get next; nothing: it is current and has had this beat.
  base::Result<FeedMessage> next(Receiver& receiver);
  base::Result<FeedMessage> next_of_snapshot(Receiver& receiver);
  base::Result<FeedMessage> next_change(Receiver& receiver);
  base::Result<std::optional<FeedMessage>> message_of(const Change& change, Receiver& receiver);

  void advance(const std::shared_ptr<Receiver>& receiver);
  void send(const std::shared_ptr<Receiver>& receiver, FeedMessage message);
  void tick();
  void schedule();

  const Store& store;
  base::Executor& executor;
  bool stopped = false;
  std::vector<std::shared_ptr<Receiver>> receivers;
  base::Executor::TimerId timer = base::Executor::TimerId::kNone;
};

base::Result<FeedMessage> SessionFeed::State::next(Receiver& receiver) {
  if (receiver.stage == Receiver::Stage::kBegin) {
    // The position first: what changes during the snapshot is sent once more.
    receiver.position = MH_TRY(store.last_change());
    receiver.cursor = {};
    receiver.pending.clear();
    receiver.stage = Receiver::Stage::kSnapshot;
    return SnapshotBegin{};
  }
  return receiver.stage == Receiver::Stage::kSnapshot ? next_of_snapshot(receiver) : next_change(receiver);
}

base::Result<FeedMessage> SessionFeed::State::next_of_snapshot(Receiver& receiver) {
  auto block = MH_TRY(store.sessions(receiver.cursor, kFeedBlock));
  if (block.empty()) {
    receiver.stage = Receiver::Stage::kChanges;
    return SnapshotEnd{};
  }
  receiver.cursor = key_of(block.back());
  return SessionsPut{std::move(block)};
}

base::Result<FeedMessage> SessionFeed::State::next_change(Receiver& receiver) {
  for (;;) {
    if (receiver.pending.empty()) {
      // Before the read: an edit committed before this moment is in what the read finds.
      const auto now = executor.clock().now();
      auto changes = store.changes(receiver.position, kChangesAtOnce);
      if (!changes && changes.error().code == base::Errc::kNotFound) {
        receiver.stage = Receiver::Stage::kBegin;
        return next(receiver);
      }
      if (!changes) return std::unexpected(std::move(changes).error());
      if (changes->empty()) return Heartbeat{now};
      receiver.position = changes->back().number;
      receiver.pending = std::move(*changes);
    }
    auto message = MH_TRY(message_of(receiver.pending.front(), receiver));
    if (message) return std::move(*message);
    receiver.pending.erase(receiver.pending.begin());
    receiver.in_range = false;
  }
}

base::Result<std::optional<FeedMessage>> SessionFeed::State::message_of(const Change& change, Receiver& receiver) {
  const auto first = base::MeterNumber(static_cast<std::uint32_t>(change.first));
  if (change.kind == Change::Kind::kSessionGone && !receiver.in_range) {
    receiver.in_range = true;
    return SessionsDropped{{{first, base::SessionNumber(static_cast<std::uint32_t>(change.last))}}};
  }
  if (change.kind != Change::Kind::kMeter && change.kind != Change::Kind::kSession) return std::nullopt;
  if (!receiver.in_range) receiver.cursor = {base::MeterNumber(first.value - 1), base::SessionNumber(UINT32_MAX)};
  receiver.in_range = true;
  auto block = MH_TRY(store.sessions(receiver.cursor, kFeedBlock, base::MeterNumber(static_cast<std::uint32_t>(change.last))));
  if (block.empty()) return std::nullopt;
  receiver.cursor = key_of(block.back());
  return SessionsPut{std::move(block)};
}

void SessionFeed::State::advance(const std::shared_ptr<Receiver>& receiver) {
  if (stopped || receiver->in_flight || !receiver->active) return;
  auto message = next(*receiver);
  if (message) return send(receiver, std::move(*message));
  // The next beat tries again; without a heartbeat the receiver knows that it is not current.
  base::logging::warn("session_feed_failed", {{"error", message.error().text}});
}

void SessionFeed::State::send(const std::shared_ptr<Receiver>& receiver, FeedMessage message) {
  receiver->in_flight = true;
  const bool beat = std::holds_alternative<Heartbeat>(message);
  receiver->call_on->post([self = shared_from_this(), receiver, beat, message = std::move(message)]() mutable {
    if (receiver->active) receiver->listener->on_feed(message);
    wipe(message);
    self->executor.post([self, receiver, beat] {
      receiver->in_flight = false;
      if (!beat) self->advance(receiver);
    });
  });
}

void SessionFeed::State::tick() {
  std::erase_if(receivers, [](const auto& receiver) { return !receiver->active; });
  for (const auto& receiver : receivers) advance(receiver);
  schedule();
}

void SessionFeed::State::schedule() {
  timer = executor.after(kFeedBeat, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && !self->stopped) self->tick();
  });
}

SessionFeed::SessionFeed(const Store& store, base::Executor& executor) : state_(std::make_shared<State>(store, executor)) {
  state_->schedule();
}

SessionFeed::~SessionFeed() {
  state_->stopped = true;
  state_->executor.cancel(state_->timer);
}

std::unique_ptr<Subscription> SessionFeed::subscribe(SessionListener& listener, base::Executor& call_on) {
  auto receiver = std::make_shared<Receiver>();
  receiver->listener = &listener;
  receiver->call_on = &call_on;
  state_->executor.post([state = state_, receiver] {
    state->receivers.push_back(receiver);
    state->advance(receiver);
  });
  return std::make_unique<Handle>(std::move(receiver));
}

}  // namespace meterhub::registry
