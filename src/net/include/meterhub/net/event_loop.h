// One thread that waits for sockets, timers and posted tasks.
//
// An iteration: wait; hand every ready socket to its handler; run due timers and posted
// tasks; a few of the sockets that can wait and of those whose peer has gone; run the end-of-iteration hooks; write
// what connections and UDP sockets have buffered. A role that collects in its handlers and submits in a hook therefore
// works in blocks, and its replies leave together.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include <meterhub/base/bytes.h>
#include <meterhub/base/executor.h>
#include <meterhub/base/mutex.h>
#include <meterhub/base/result.h>

namespace meterhub::net {

// Told when a watched file descriptor is ready. Loop thread.
class FdHandler {
 public:
  virtual ~FdHandler() = default;
  // `events` as epoll gives them (EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR).
  virtual void on_ready(std::uint32_t events) = 0;
};

// What can wait (newcomers' handshakes) is served a little in each iteration, however much of it is
// ready: it takes its time from itself and not from the others. What has begun goes before what has not, so that
// something is finished however little time there is.
enum class Urgency : std::uint8_t { kNow, kBegun, kCanWait };

// Handle of a hook; destroying it (loop thread) ends it.
class Hook {
 public:
  virtual ~Hook() = default;
};

class Sockets;

class EventLoop final : public base::Executor {
 public:
  // kIo when the system gives no descriptors. The process ignores SIGPIPE from then on.
  static base::Result<std::unique_ptr<EventLoop>> create();
  // With a clock of the caller's, which outlives the loop: timers follow its monotonic
  // time, though the waiting is real. For tests that move time.
  static base::Result<std::unique_ptr<EventLoop>> create(const base::Clock& clock);
  // Without descriptors: they are `sockets`', and run_once() never waits. Steps by hand.
  static std::unique_ptr<EventLoop> create(const base::Clock& clock, Sockets& sockets);
  ~EventLoop() override;

  // Any thread. The task runs in the next iteration.
  void post(base::Task task) override;
  TimerId after(std::chrono::nanoseconds delay, base::Task task) override;
  void cancel(TimerId timer) override;
  const base::Clock& clock() const override { return *clock_; }

  // The calling thread becomes the loop's until stop(). Tasks not begun are dropped.
  void run();
  // One iteration that waits at most `wait`. Instead of run(), for tests and drains.
  void run_once(std::chrono::milliseconds wait);
  // When run_once() has work next; nothing while nobody asks for any.
  std::optional<base::MonotonicTime> next_due();
  // Null: the system's.
  Sockets* sockets() const { return sockets_; }
  // Any thread, also from a signal's watcher: run() returns after the current iteration.
  void stop();

  // ---- loop thread only ----
  // Level triggered. The handler outlives the watch. Also before run(), by its later thread.
  // Whoever asks for EPOLLRDHUP can wait with its end: thousands that go at once hold up nobody who stays. What the
  // peer sent before it went comes with it.
  base::Result<void> watch(int fd, std::uint32_t events, FdHandler& handler, Urgency urgency = Urgency::kNow);
  void change(int fd, std::uint32_t events);
  void unwatch(int fd);
  // Runs at the end of every iteration, before the writes.
  std::unique_ptr<Hook> at_iteration_end(base::Task task);
  // Runs once, after the hooks of this iteration (or the next, when called later).
  void before_wait(base::Task task) { before_wait_.push_back(std::move(task)); }
  // Ready again in the next iteration without waiting (data left in a TLS layer).
  void again(int fd);
  // Memory for one read, shared by all connections; good until the handler returns.
  std::span<std::uint8_t> scratch() { return scratch_; }

 private:
  struct Slot {
    FdHandler* handler = nullptr;
    std::uint32_t generation = 0;
    Urgency urgency = Urgency::kNow;
    bool aside = false;          // in endings_ and not in the epoll
    std::uint32_t interest = 0;
  };
  struct Ending {
    std::uint64_t key;
    std::uint32_t events;
  };
  struct Due {
    base::MonotonicTime at;
    std::uint64_t number;
    bool operator>(const Due& o) const { return at != o.at ? at > o.at : number > o.number; }
  };
  struct HookEntry;
  struct HookHandle;

  struct Epolls {
    int now, begun, patient;
  };
  EventLoop(Epolls epolls, int wake, const base::Clock* clock, Sockets* sockets);
  int epoll_of(std::size_t fd) const;
  Slot* slot_of(std::uint64_t key);
  void dispatch(std::uint64_t key, std::uint32_t events);
  void take_event(std::uint64_t key, std::uint32_t events);
  void run_patient();
  int serve(int epoll, int most);
  void run_endings();
  void run_timers();
  void run_posted();
  void run_hooks();
  void run_before_wait();
  int wait_ms(std::chrono::milliseconds longest);
  void wake();

  const int epoll_;
  const int begun_, patient_;  // epolls of what can wait, watched by the other
  const int wake_;
  Sockets* const sockets_;
  std::unique_ptr<base::SystemClock> own_clock_;
  const base::Clock* clock_;
  std::vector<std::uint8_t> scratch_;
  std::vector<Slot> slots_;                                  // by fd
  std::uint32_t next_generation_ = 1;
  std::vector<std::uint64_t> again_;
  std::deque<Ending> endings_;                               // at most one of a descriptor
  std::vector<std::shared_ptr<HookEntry>> hooks_;
  std::vector<base::Task> before_wait_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> woken_{false};                           // the eventfd is set or about to be

  base::Mutex mutex_;
  std::vector<base::Task> posted_ MH_GUARDED_BY(mutex_);
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_ MH_GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, base::Task> timers_ MH_GUARDED_BY(mutex_);  // gone = cancelled
  std::uint64_t next_timer_ MH_GUARDED_BY(mutex_) = 1;
};

}  // namespace meterhub::net
