#include <meterhub/notify/notifier.h>

#include <atomic>
#include <unordered_set>

#include <meterhub/base/logging.h>
#include <meterhub/base/mutex.h>
#include <meterhub/notify/setup.h>

#include "sender.h"

namespace meterhub::notify {

namespace outbox = tables::outbox;

struct Notifier::State : std::enable_shared_from_this<Notifier::State> {
  State(const NotifierWorld& w, const NotifierOptions& o)
      : world(w),
        options(o),
        sender(std::make_shared<Sender>(w, o)),
        gathered(w.metrics.counter("meterhub_notify_notices_gathered_total",
                                   "Notices that gave way to newer ones and were only counted.")) {}

  std::shared_ptr<const Setup> current() {
    const base::Lock lock(mutex);
    return setup;
  }
  base::Result<void> read();
  void look();
  void look_again();
  base::Result<void> put(const Notice& notice, const Setup& at, db::Connection& connection,
                         std::vector<outbox::NewNotice>& out);

  const NotifierWorld world;
  const NotifierOptions options;
  const std::shared_ptr<Sender> sender;  // its calls: on the executor
  base::Counter& gathered;
  std::atomic<bool> woken = false;
  base::Mutex mutex;
  std::shared_ptr<const Setup> setup MH_GUARDED_BY(mutex);
  // On the executor.
  std::uint64_t seen = 0;  // change of the registry
  base::Executor::TimerId timer = base::Executor::TimerId::kNone;
  bool stopping = false;
};

base::Result<void> Notifier::State::read() {
  // First the number: what changes meanwhile is looked at again.
  const auto last = MH_TRY(world.registry.last_change());
  auto read = std::make_shared<const Setup>(MH_TRY(read_setup(world.registry)));
  seen = last;
  const base::Lock lock(mutex);
  setup = std::move(read);
  return {};
}

// Channels and routes are few: any change of the registry is a reason to read them.
void Notifier::State::look() {
  const auto last = world.registry.last_change();
  if (last && *last == seen) return;
  if (const auto done = last ? read() : base::Result<void>(std::unexpected(last.error())); !done) {
    base::logging::warn("notify_setup_not_read", {{"error", done.error().text}});
    return;
  }
  sender->begin(current());
}

void Notifier::State::look_again() {
  timer = world.executor.after(options.follow_every, [self = weak_from_this()] {
    const auto state = self.lock();
    if (!state || state->stopping) return;
    state->look();
    state->look_again();
  });
}

base::Result<void> Notifier::State::put(const Notice& notice, const Setup& at, db::Connection& connection,
                                        std::vector<outbox::NewNotice>& out) {
  const auto body = notice_json(notice);
  for (const auto& routed : route(at, notice, world.executor.clock().now())) {
    const outbox::Channel channel(routed.channel.value);
    // Who never heard that it began need not hear that it is over.
    const bool over = notice.event == NoticeEvent::kCleared && routed.escalation;
    if (over && !MH_TRY(outbox::was_escalated(connection, notice.episode, channel))) continue;
    out.push_back({channel, routed.due, notice.episode, routed.escalation && !over, notice.rule, body});
  }
  return {};
}

Notifier::Notifier(std::shared_ptr<State> state) : state_(std::move(state)) {}

Notifier::~Notifier() {
  state_->stopping = true;
  state_->world.executor.cancel(state_->timer);
  state_->sender->stop();
}

base::Result<std::unique_ptr<Notifier>> Notifier::create(const NotifierWorld& world, const NotifierOptions& options) {
  auto state = std::make_shared<State>(world, options);
  MH_TRY_VOID(state->read());
  world.executor.post([weak = std::weak_ptr(state)] {
    const auto self = weak.lock();
    if (!self || self->stopping) return;
    self->sender->begin(self->current());
    self->look_again();
  });
  return std::unique_ptr<Notifier>(new Notifier(std::move(state)));
}

base::Result<void> Notifier::notices(std::span<const Notice> notices, db::Connection& connection) {
  const auto setup = state_->current();
  std::vector<outbox::NewNotice> out;
  std::vector<std::uint64_t> over;
  std::unordered_set<std::uint64_t> began;  // with an escalation that is to be
  for (const auto& notice : notices) {
    if (notice.event == NoticeEvent::kCleared) {
      over.push_back(notice.episode);
      // Both in one transaction: rare, and no reason to look through many.
      if (began.erase(notice.episode) > 0)
        std::erase_if(out, [&](const auto& one) { return one.escalation && one.episode == notice.episode; });
    }
    const auto before = out.size();
    MH_TRY_VOID(state_->put(notice, *setup, connection, out));
    for (auto i = before; i < out.size(); ++i) {
      if (out[i].escalation) began.insert(notice.episode);
    }
  }
  if (!over.empty()) MH_TRY_VOID(outbox::drop_escalations(connection, over, "cleared"));
  if (out.empty()) return {};
  const auto now = state_->world.executor.clock().now();
  state_->gathered.add(MH_TRY(outbox::put_notices(connection, out, state_->options.waiting_max, now)));
  return {};
}

base::Result<void> Notifier::acknowledged(std::span<const std::uint64_t> episodes, db::Connection& connection) {
  MH_TRY_VOID(outbox::drop_escalations(connection, episodes, "acknowledged"));
  return {};
}

void Notifier::committed() {
  if (state_->woken.exchange(true)) return;
  state_->world.executor.post([self = std::weak_ptr(state_)] {
    const auto state = self.lock();
    if (!state || state->stopping) return;
    state->woken = false;
    state->sender->pass();
  });
}

void Notifier::follow() {
  state_->world.executor.post([self = std::weak_ptr(state_)] {
    const auto state = self.lock();
    if (state && !state->stopping) state->look();
  });
}

void Notifier::drain(base::Task done) {
  state_->stopping = true;
  state_->world.executor.cancel(state_->timer);
  state_->sender->drain(std::move(done));
}

}  // namespace meterhub::notify
