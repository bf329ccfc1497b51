#include "sender.h"

#include <algorithm>

#include <meterhub/base/encoding.h>
#include <meterhub/base/logging.h>
#include <meterhub/crypto/secret.h>
#include <meterhub/notify/message.h>

namespace meterhub::notify {
namespace {

namespace outbox = tables::outbox;
using base::Timestamp;
using Kind = Outcome::Kind;

constexpr std::size_t kMessageIdBytes = 16;
constexpr std::size_t kExpireRows = 10'000;
constexpr std::chrono::seconds kAfterTrouble{1};   // the database was busy
constexpr std::chrono::seconds kLongestSleep{3600};

outbox::Channel outbox_number(registry::ChannelNumber number) { return outbox::Channel(number.value); }
registry::ChannelNumber registry_number(outbox::Channel number) { return registry::ChannelNumber(number.value); }

}  // namespace

Sender::Sender(const NotifierWorld& world, const NotifierOptions& options) : world_(world), options_(options) {}

void Sender::begin(std::shared_ptr<const Setup> setup) {
  setup_ = std::move(setup);
  pass();
}

void Sender::pass() {
  if (stopping_ || !setup_) return;
  const auto now = world_.executor.clock().now();
  next_.reset();
  std::vector<Ready> ready;
  const auto prepared = world_.database.transact([&](db::Connection& connection) -> base::Result<void> {
    ready = MH_TRY(prepare(connection, now));
    return {};
  });
  if (prepared) {
    for (const auto& one : ready) send(one, now);
  } else {
    base::logging::warn("notify_waits_for_database", {{"error", prepared.error().text}});
    wake_by(now + kAfterTrouble);
  }
  expire_if_due(now);
  set_timer(now);
}

base::Result<std::vector<Sender::Ready>> Sender::prepare(db::Connection& connection, Timestamp now) {
  std::vector<Ready> out;
  for (const auto& [number, work] : MH_TRY(outbox::work(connection))) {
    if (MH_TRY(drop_if_gone(connection, number))) continue;
    MH_TRY_VOID(prepare_channel(connection, number, work, now, out));
  }
  return out;
}

// Whoever removes or switches off a channel does not want what waits for it to come later.
base::Result<bool> Sender::drop_if_gone(db::Connection& connection, Channel number) {
  const auto* channel = setup_->channel(registry_number(number));
  if (channel != nullptr && channel->spec.enabled) return false;
  const auto* reason = channel == nullptr ? "the channel was removed" : "the channel is switched off";
  const auto dropped = MH_TRY(outbox::drop_channel(connection, number, reason));
  base::logging::info("notify_dropped", {{"channel", number.value}, {"rows", dropped}, {"reason", reason}});
  return true;
}

base::Result<void> Sender::prepare_channel(db::Connection& connection, Channel number, const outbox::Work& work,
                                           Timestamp now, std::vector<Ready>& ready) {
  auto& sending = sending_[number];
  if (sending.under_way) return {};
  if (!sending.read) sending.last_sent = MH_TRY(outbox::last_sent(connection, number));
  sending.read = true;
  const Lane lane{work.first_due, sending.last_sent, work.messages, work.newest_message};
  const auto* channel = setup_->channel(registry_number(number));
  if (const auto next = next_message(options_.pace, lane, now); next && *next <= now) {
    MH_TRY_VOID(make_message(connection, *channel, now));
  } else if (next) {
    wake_by(*next);
  }
  const auto speaks = may_speak(options_.pace, lane, now);
  for (auto& message : MH_TRY(outbox::waiting_messages(connection, number))) {
    const auto at = std::max(std::min(message.next, now + kLongestSleep), speaks);
    if (at > now) {
      wake_by(at);
      continue;
    }
    ready.push_back({ChannelPtr(setup_, channel), std::move(message)});
    break;
  }
  return {};
}

base::Result<void> Sender::make_message(db::Connection& connection, const registry::Channel& channel, Timestamp now) {
  const auto number = outbox_number(channel.number);
  const auto due = MH_TRY(outbox::due_notices(connection, number, now));
  std::vector<Waiting> waiting;
  for (const auto& row : due.notices) {
    auto notice = parse_notice(row.body);
    if (notice) {
      waiting.push_back({std::move(*notice), row.escalation});
    } else {
      base::logging::warn("notify_notice_unreadable", {{"id", row.id.value}, {"error", notice.error().text}});
    }
  }
  outbox::NewMessage message{base::hex_encode(crypto::random_bytes(kMessageIdBytes)), number, channel.spec.name, {}};
  if (waiting.empty()) return {};
  message.body = message_json(compose(*setup_, channel, waiting, due.gathered));
  MH_TRY_VOID(outbox::put_message(connection, message, due, now));
  return {};
}

void Sender::send(const Ready& ready, Timestamp now) {
  const auto& channel = *ready.channel;
  const auto letter = [&]() -> base::Result<Letter> {
    return Letter{ready.message.message_id, MH_TRY(parse_message(ready.message.body)), ready.message.created};
  }();
  const auto parcel = [&]() -> base::Result<Parcel> {
    if (!letter) return std::unexpected(letter.error());
    const auto secrets = MH_TRY(world_.registry.channel_secrets(channel.number));
    return pack(channel, secrets, *letter, now, options_.plaintext);
  }();
  sending_[outbox_number(channel.number)].under_way = true;
  // The answer comes on a thread of the carrier's, and may come when nobody is here any more.
  auto answer = [self = weak_from_this(), &executor = world_.executor, channel = ready.channel,
                 message = ready.message](const base::Result<http::Response>& response) {
    if (!response && response.error().code == base::Errc::kCancelled) return;
    executor.post([self, channel, message, outcome = judge(channel->spec.kind, response)] {
      if (const auto sender = self.lock()) sender->answered(channel, message, outcome);
    });
  };
  if (!parcel) return answer(std::unexpected(parcel.error()));
  world_.carrier.carry(*parcel, std::move(answer));
}

base::Result<void> Sender::note(db::Connection& connection, const outbox::Message& message, const Outcome& outcome,
                                Timestamp now) const {
  if (outcome.kind == Kind::kSent) return outbox::mark_sent(connection, message.id, outcome.text, now);
  if (outcome.kind == Kind::kRefused) return outbox::mark_failed(connection, message.id, outcome.text);
  if (now - message.created >= options_.give_up) {
    return outbox::mark_failed(connection, message.id,
                               "given up after " + std::to_string(options_.give_up.count()) + " h: " + outcome.text);
  }
  return outbox::put_off(connection, message.id, outcome.text, now + retry_pause(message.attempts + 1));
}

// Until it is written down the channel counts as busy: a message that was taken must not go out again.
void Sender::answered(const ChannelPtr& channel, const outbox::Message& message, const Outcome& outcome) {
  const auto now = world_.executor.clock().now();
  const auto noted =
      world_.database.transact([&](db::Connection& connection) { return note(connection, message, outcome, now); });
  if (!noted) {
    base::logging::warn("notify_waits_for_database", {{"error", noted.error().text}});
    world_.executor.after(kAfterTrouble, [self = weak_from_this(), channel, message, outcome] {
      if (const auto sender = self.lock()) sender->answered(channel, message, outcome);
    });
    return;
  }
  auto& sending = sending_[outbox_number(channel->number)];
  sending.under_way = false;
  if (outcome.kind == Kind::kSent) sending.last_sent = now;
  count(*channel, outcome.kind == Kind::kSent ? "sent" : outcome.kind == Kind::kRefused ? "refused" : "put_off");
  // A server that is away for a day is not worth a hundred lines.
  if (outcome.kind == Kind::kRefused || (outcome.kind == Kind::kRetry && message.attempts == 0)) {
    base::logging::warn("notify_not_sent",
                        {{"channel", channel->spec.name}, {"message", message.message_id}, {"error", outcome.text}});
  }
  if (stopping_) return end_drain();
  pass();
}

void Sender::count(const registry::Channel& channel, std::string_view outcome) {
  world_.metrics
      .counter(
          "meterhub_notify_attempts_total", "Attempts to send a message, by kind of channel and what became of them.",
          {{"kind", std::string(registry::channel_kind_name(channel.spec.kind))}, {"outcome", std::string(outcome)}})
      .add();
}

void Sender::wake_by(Timestamp at) { next_ = next_ ? std::min(*next_, at) : at; }

void Sender::set_timer(Timestamp now) {
  world_.executor.cancel(timer_);
  timer_ = base::Executor::TimerId::kNone;
  if (!next_) return;
  const auto pause = std::clamp<base::Duration>(*next_ - now, std::chrono::milliseconds(10), kLongestSleep);
  timer_ = world_.executor.after(pause, [self = weak_from_this()] {
    if (const auto sender = self.lock()) sender->pass();
  });
}

void Sender::expire_if_due(Timestamp now) {
  if (now < next_expiry_ && next_expiry_ - now <= options_.expire_every) return;
  next_expiry_ = now + options_.expire_every;
  const auto expired = world_.database.transact([&](db::Connection& connection) -> base::Result<void> {
    MH_TRY_VOID(outbox::expire(connection, now - options_.keep, kExpireRows));
    return {};
  });
  if (!expired) base::logging::warn("notify_rows_not_expired", {{"error", expired.error().text}});
}

void Sender::stop() {
  stopping_ = true;
  world_.executor.cancel(timer_);
  world_.executor.cancel(drain_timer_);
}

void Sender::drain(base::Task done) {
  stop();
  drained_ = std::move(done);
  drain_timer_ = world_.executor.after(options_.drain_patience, [self = weak_from_this()] {
    if (const auto sender = self.lock(); sender && sender->drained_) std::exchange(sender->drained_, {})();
  });
  end_drain();
}

void Sender::end_drain() {
  const bool busy = std::ranges::any_of(sending_, [](const auto& one) { return one.second.under_way; });
  if (busy || !drained_) return;
  world_.executor.cancel(drain_timer_);
  std::exchange(drained_, {})();
}

}  // namespace meterhub::notify
