#include <meterhub/notify/notifier.h>

#include <atomic>
#include <deque>
#include <map>
#include <unordered_set>

#include <meterhub/base/logging.h>
#include <meterhub/base/mutex.h>
#include <meterhub/notify/setup.h>

#include "sender.h"

namespace meterhub::notify {

namespace outbox = tables::outbox;

namespace {

outbox::Channel number_of(const Routed& routed) { return outbox::Channel(routed.channel.value); }

// What one transaction puts into the outbox. Of more than may wait for a channel only the last get rows: the others
// would give way at once.
class Batch {
 public:
  explicit Batch(std::size_t channel_max) : channel_max_(channel_max) {}

  // `notice` outlives the batch.
  void add(const Notice& notice, const Routed& routed) {
    const bool escalation = routed.escalation && notice.event != NoticeEvent::kCleared;
    if (escalation) began_.insert(notice.episode);
    auto& lane = lanes_[number_of(routed)];
    lane.rows.push_back({&notice, routed.due, escalation});
    if (lane.rows.size() <= channel_max_) return;
    ++lane.beyond[lane.rows.front().notice->rule];
    lane.rows.pop_front();
  }
  // Both in one transaction: rare, and no reason to look through many.
  void drop_escalation(std::uint64_t episode) {
    if (began_.erase(episode) == 0) return;
    for (auto& [channel, lane] : lanes_) {
      std::erase_if(lane.rows, [&](const Row& row) { return row.escalation && row.notice->episode == episode; });
    }
  }
  // How many were only counted.
  base::Result<std::uint64_t> put(db::Connection& connection, base::Timestamp now) const {
    std::uint64_t counted = 0;
    std::vector<outbox::NewNotice> rows;
    for (const auto& [channel, lane] : lanes_) {
      MH_TRY_VOID(outbox::count_notices(connection, channel, lane.beyond));
      for (const auto& [rule, count] : lane.beyond) counted += count;
      for (const auto& row : lane.rows) {
        rows.push_back(
            {channel, row.due, row.notice->episode, row.escalation, row.notice->rule, notice_json(*row.notice)});
      }
    }
    if (rows.empty()) return counted;
    return counted + MH_TRY(outbox::put_notices(connection, rows, channel_max_, now));
  }

 private:
  struct Row {
    const Notice* notice;
    base::Timestamp due;
    bool escalation;
  };
  struct Lane {
    std::deque<Row> rows;
    std::map<std::string, std::uint64_t> beyond;
  };
  const std::size_t channel_max_;
  std::map<outbox::Channel, Lane> lanes_;
  std::unordered_set<std::uint64_t> began_;  // with an escalation that is to be
};

}  // namespace

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
  const auto now = state_->world.executor.clock().now();
  Batch batch(state_->options.waiting_max);
  std::vector<std::uint64_t> over;
  auto escalated = MH_TRY(outbox::Escalated::look(connection));
  for (const auto& notice : notices) {
    const bool cleared = notice.event == NoticeEvent::kCleared;
    if (cleared) {
      over.push_back(notice.episode);
      batch.drop_escalation(notice.episode);
    }
    for (const auto& routed : route(*setup, notice, now)) {
      // Who never heard that it began need not hear that it is over.
      const bool told = !cleared || !routed.escalation || MH_TRY(escalated.of(notice.episode, number_of(routed)));
      if (told) batch.add(notice, routed);
    }
  }
  if (!over.empty()) MH_TRY_VOID(outbox::drop_escalations(connection, over, "cleared"));
  state_->gathered.add(MH_TRY(batch.put(connection, now)));
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
