#include <meterhub/net/event_loop.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <meterhub/base/assert.h>

#include "socket_address.h"

namespace meterhub::net {
namespace {

constexpr std::size_t kScratch = 256 * 1024;
constexpr int kEventsAtOnce = 1024;
// Of what can wait: about 2 ms of handshakes.
constexpr int kPatientAtOnce = 16;
// Of those whose peer has gone: about 2 ms of freeing.
constexpr int kEndingsAtOnce = 32;
constexpr std::uint32_t kPeerGone = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr std::uint64_t kWakeKey = ~std::uint64_t{0};
constexpr std::uint64_t kPatientKey = kWakeKey - 1;

std::uint64_t key_of(int fd, std::uint32_t generation) {
  return (std::uint64_t{generation} << 32) | static_cast<std::uint32_t>(fd);
}

}  // namespace

std::string system_error(const std::string& what, int error) {
  std::array<char, 128> buffer{};
  return what + ": " + strerror_r(error, buffer.data(), buffer.size());
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void OwnedFd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

struct EventLoop::HookEntry {
  base::Task task;
  bool alive = true;
};

struct EventLoop::HookHandle final : Hook {
  explicit HookHandle(std::shared_ptr<HookEntry> e) : entry(std::move(e)) {}
  ~HookHandle() override { entry->alive = false; }
  std::shared_ptr<HookEntry> entry;
};

base::Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  auto own = std::make_unique<base::SystemClock>();
  auto loop = MH_TRY(create(*own));
  loop->own_clock_ = std::move(own);
  return loop;
}

base::Result<std::unique_ptr<EventLoop>> EventLoop::create(const base::Clock& clock) {
  // A peer that has gone is an error of write(), not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  OwnedFd epoll(epoll_create1(EPOLL_CLOEXEC));
  OwnedFd begun(epoll_create1(EPOLL_CLOEXEC));
  OwnedFd patient(epoll_create1(EPOLL_CLOEXEC));
  OwnedFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (epoll.get() < 0 || begun.get() < 0 || patient.get() < 0 || wake.get() < 0)
    return base::fail(base::Errc::kIo, system_error("event loop", errno));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kWakeKey;
  bool added = epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) == 0;
  event.data.u64 = kPatientKey;
  added = added && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, begun.get(), &event) == 0;
  added = added && epoll_ctl(epoll.get(), EPOLL_CTL_ADD, patient.get(), &event) == 0;
  if (!added) return base::fail(base::Errc::kIo, system_error("event loop", errno));
  return std::unique_ptr<EventLoop>(
      new EventLoop({epoll.release(), begun.release(), patient.release()}, wake.release(), &clock, nullptr));
}

std::unique_ptr<EventLoop> EventLoop::create(const base::Clock& clock, Sockets& sockets) {
  return std::unique_ptr<EventLoop>(new EventLoop({-1, -1, -1}, -1, &clock, &sockets));
}

EventLoop::EventLoop(Epolls epolls, int wake, const base::Clock* clock, Sockets* sockets)
    : epoll_(epolls.now),
      begun_(epolls.begun),
      patient_(epolls.patient),
      wake_(wake),
      sockets_(sockets),
      clock_(clock),
      scratch_(sockets == nullptr ? kScratch : 0) {}

EventLoop::~EventLoop() {
  // What a task holds may call back here when it goes: the containers are whole then.
  std::exchange(posted_, {}).clear();
  std::exchange(timers_, {}).clear();
  std::exchange(before_wait_, {}).clear();
  if (sockets_ != nullptr) return;
  ::close(wake_);
  ::close(patient_);
  ::close(begun_);
  ::close(epoll_);
}

void EventLoop::wake() {
  if (sockets_ != nullptr) return;  // nobody waits
  if (woken_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void EventLoop::post(base::Task task) {
  {
    const base::Lock lock(mutex_);
    posted_.push_back(std::move(task));
  }
  wake();
}

base::Executor::TimerId EventLoop::after(std::chrono::nanoseconds delay, base::Task task) {
  bool first = false;
  std::uint64_t number = 0;
  {
    const base::Lock lock(mutex_);
    number = next_timer_++;
    const Due due{clock_->monotonic() + delay, number};
    first = due_.empty() || due.at < due_.top().at;
    due_.push(due);
    timers_.emplace(number, std::move(task));
  }
  if (first) wake();
  return TimerId(number);
}

void EventLoop::cancel(TimerId timer) {
  base::Task dropped;  // destroyed outside the lock
  const base::Lock lock(mutex_);
  const auto it = timers_.find(std::to_underlying(timer));
  if (it == timers_.end()) return;
  dropped = std::move(it->second);
  timers_.erase(it);
  // Cancelled timers wait in the heap for their time; when they are the most, sweep them out.
  if (due_.size() < 64 || due_.size() < 4 * timers_.size()) return;
  std::vector<Due> kept;
  kept.reserve(timers_.size());
  for (; !due_.empty(); due_.pop())
    if (timers_.contains(due_.top().number)) kept.push_back(due_.top());
  due_ = std::priority_queue<Due, std::vector<Due>, std::greater<>>(std::greater<>{}, std::move(kept));
}

void EventLoop::run() {
  while (!stopping_.load(std::memory_order_acquire)) run_once(std::chrono::minutes(1));
}

void EventLoop::stop() {
  stopping_.store(true, std::memory_order_release);
  wake();
}

int EventLoop::wait_ms(std::chrono::milliseconds longest) {
  if (!again_.empty() || !before_wait_.empty() || !endings_.empty()) return 0;
  const base::Lock lock(mutex_);
  if (!posted_.empty()) return 0;
  while (!due_.empty() && !timers_.contains(due_.top().number)) due_.pop();
  if (due_.empty()) return static_cast<int>(longest.count());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.top().at - clock_->monotonic());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), longest).count());
}

std::optional<base::MonotonicTime> EventLoop::next_due() {
  const bool now = !again_.empty() || !before_wait_.empty();
  const base::Lock lock(mutex_);
  if (now || !posted_.empty()) return clock_->monotonic();
  while (!due_.empty() && !timers_.contains(due_.top().number)) due_.pop();
  if (due_.empty()) return std::nullopt;
  return due_.top().at;
}

void EventLoop::run_once(std::chrono::milliseconds wait) {
  std::array<epoll_event, kEventsAtOnce> events;
  const int ready = sockets_ != nullptr ? 0 : epoll_wait(epoll_, events.data(), kEventsAtOnce, wait_ms(wait));
  bool some_wait = false;
  for (const auto key : std::exchange(again_, {})) dispatch(key, EPOLLIN);
  for (int i = 0; i < ready; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kPatientKey) {
      some_wait = true;
      continue;
    }
    if (event.data.u64 != kWakeKey) {
      take_event(event.data.u64, event.events);
      continue;
    }
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_, &count, sizeof count);
    // Read and write: so the loop sees what was done before a wake() that found it woken.
    woken_.exchange(false, std::memory_order_acq_rel);
  }
  run_timers();
  run_posted();
  if (some_wait) run_patient();
  run_endings();
  run_hooks();
  run_before_wait();
}

int EventLoop::epoll_of(std::size_t fd) const {
  switch (slots_[fd].urgency) {
    case Urgency::kNow: return epoll_;
    case Urgency::kBegun: return begun_;
    case Urgency::kCanWait: break;
  }
  return patient_;
}

void EventLoop::run_patient() {
  const int served = serve(begun_, kPatientAtOnce);
  if (served < kPatientAtOnce) serve(patient_, kPatientAtOnce - served);
}

int EventLoop::serve(int epoll, int most) {
  std::array<epoll_event, kPatientAtOnce> events;
  const int ready = epoll_wait(epoll, events.data(), most, 0);
  for (int i = 0; i < ready; ++i)
    dispatch(events[static_cast<std::size_t>(i)].data.u64, events[static_cast<std::size_t>(i)].events);
  return std::max(ready, 0);
}

// Null when a handler earlier in this block has unwatched the descriptor, or it was reused.
EventLoop::Slot* EventLoop::slot_of(std::uint64_t key) {
  const auto fd = static_cast<std::uint32_t>(key);
  if (fd >= slots_.size() || slots_[fd].generation != key >> 32 || slots_[fd].handler == nullptr) return nullptr;
  return &slots_[fd];
}

void EventLoop::dispatch(std::uint64_t key, std::uint32_t events) {
  if (Slot* slot = slot_of(key)) slot->handler->on_ready(events);
}

void EventLoop::take_event(std::uint64_t key, std::uint32_t events) {
  Slot* slot = slot_of(key);
  if (slot == nullptr) return;
  if ((events & kPeerGone) == 0 || (slot->interest & EPOLLRDHUP) == 0) return slot->handler->on_ready(events);
  // Out of the epoll, or it would be ready again and again until its turn.
  const auto fd = static_cast<int>(static_cast<std::uint32_t>(key));
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  slot->aside = true;
  endings_.push_back({key, events});
}

void EventLoop::run_endings() {
  for (int i = 0; i < kEndingsAtOnce && !endings_.empty(); ++i) {
    const auto ending = endings_.front();
    endings_.pop_front();
    dispatch(ending.key, ending.events);
    Slot* slot = slot_of(ending.key);
    if (slot == nullptr) continue;
    // Not all was read, or it is not read at present.
    slot->aside = false;
    epoll_event event{};
    event.events = slot->interest;
    event.data.u64 = ending.key;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, static_cast<int>(static_cast<std::uint32_t>(ending.key)), &event);
  }
}

void EventLoop::run_timers() {
  const auto now = clock_->monotonic();
  for (;;) {
    base::Task task;
    {
      const base::Lock lock(mutex_);
      if (due_.empty() || due_.top().at > now) return;
      const auto it = timers_.find(due_.top().number);
      due_.pop();
      if (it == timers_.end()) continue;
      task = std::move(it->second);
      timers_.erase(it);
    }
    task();
  }
}

void EventLoop::run_posted() {
  std::vector<base::Task> block;
  {
    const base::Lock lock(mutex_);
    block.swap(posted_);
  }
  for (auto& task : block) task();
}

void EventLoop::run_hooks() {
  // A hook may add or end hooks: by index, and swept afterwards.
  for (std::size_t i = 0; i < hooks_.size(); ++i) {
    const auto entry = hooks_[i];
    if (entry->alive) entry->task();
  }
  std::erase_if(hooks_, [](const auto& entry) { return !entry->alive; });
}

void EventLoop::run_before_wait() {
  for (auto& task : std::exchange(before_wait_, {})) task();
}

base::Result<void> EventLoop::watch(int fd, std::uint32_t events, FdHandler& handler, Urgency urgency) {
  const auto index = static_cast<std::size_t>(fd);
  if (slots_.size() <= index) slots_.resize(index + 1);
  slots_[index] = {&handler, next_generation_++, urgency, false, events};
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, slots_[index].generation);
  if (epoll_ctl(epoll_of(index), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  slots_[index].handler = nullptr;
  return base::fail(base::Errc::kIo, system_error("epoll", errno));
}

void EventLoop::change(int fd, std::uint32_t events) {
  const auto index = static_cast<std::size_t>(fd);
  MH_ASSERT(index < slots_.size() && slots_[index].handler != nullptr);
  slots_[index].interest = events;
  if (slots_[index].aside) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = key_of(fd, slots_[index].generation);
  epoll_ctl(epoll_of(index), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::unwatch(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= slots_.size() || slots_[index].handler == nullptr) return;
  slots_[index].handler = nullptr;
  if (!slots_[index].aside) epoll_ctl(epoll_of(index), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::again(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  MH_ASSERT(index < slots_.size());
  again_.push_back(key_of(fd, slots_[index].generation));
}

std::unique_ptr<Hook> EventLoop::at_iteration_end(base::Task task) {
  auto entry = std::make_shared<HookEntry>();
  entry->task = std::move(task);
  hooks_.push_back(entry);
  return std::make_unique<HookHandle>(std::move(entry));
}

}  // namespace meterhub::net
