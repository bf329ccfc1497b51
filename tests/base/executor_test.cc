#include <meterhub/base/executor.h>

#include <gtest/gtest.h>

#include <future>

namespace meterhub::base {
namespace {

using namespace std::chrono_literals;

TEST(ManualExecutor, RunsTasksInTheOrderOfPosting) {
  ManualClock clock;
  ManualExecutor executor(clock);
  std::string seen;
  executor.post([&] { seen += 'a'; executor.post([&] { seen += 'c'; }); });
  executor.post([&] { seen += 'b'; });
  EXPECT_EQ(executor.run_ready(), 3u);
  EXPECT_EQ(seen, "abc");
}

TEST(ManualExecutor, RunsTimersInOrderOfTimeAndShowsThemTheirTime) {
  ManualClock clock;
  ManualExecutor executor(clock);
  const auto start = clock.monotonic();
  std::vector<std::chrono::nanoseconds> at;
  executor.after(30ms, [&] { at.push_back(clock.monotonic() - start); });
  executor.after(10ms, [&] { at.push_back(clock.monotonic() - start); });
  executor.run_for(20ms);
  EXPECT_EQ(at, (std::vector<std::chrono::nanoseconds>{10ms}));
  executor.run_for(20ms);
  EXPECT_EQ(at, (std::vector<std::chrono::nanoseconds>{10ms, 30ms}));
  EXPECT_EQ(clock.monotonic() - start, 40ms);
}

TEST(ManualExecutor, ACancelledTimerDoesNotRun) {
  ManualClock clock;
  ManualExecutor executor(clock);
  bool ran = false;
  const auto timer = executor.after(1ms, [&] { ran = true; });
  executor.cancel(timer);
  executor.run_for(10ms);
  EXPECT_FALSE(ran);
}

TEST(ThreadExecutor, RunsPostedTasksAndTimersOnItsThread) {
  ThreadExecutor executor("test");
  std::promise<std::thread::id> task;
  std::promise<std::thread::id> timer;
  executor.post([&] { task.set_value(std::this_thread::get_id()); });
  executor.after(1ms, [&] { timer.set_value(std::this_thread::get_id()); });
  const auto id = task.get_future().get();
  EXPECT_EQ(id, timer.get_future().get());
  EXPECT_NE(id, std::this_thread::get_id());
}

// What a task holds may itself use the executor when it goes.
struct CallsBack {
  ThreadExecutor& executor;
  std::promise<void> gone;
  ~CallsBack() {
    executor.cancel(Executor::TimerId(0));
    executor.post([] {});
    gone.set_value();
  }
};

TEST(ThreadExecutor, TakesCallsFromWhatGoesWithATask) {
  ThreadExecutor executor("test");
  const auto held_by = [&](auto hand_over) {
    auto held = std::make_unique<CallsBack>(executor);
    auto gone = held->gone.get_future();
    hand_over([held = std::move(held)] {});
    return gone.wait_for(10s) == std::future_status::ready;
  };
  EXPECT_TRUE(held_by([&](Task task) { executor.post(std::move(task)); }));
  EXPECT_TRUE(held_by([&](Task task) { executor.after(1ms, std::move(task)); })) << "a timer that ran";
  EXPECT_TRUE(held_by([&](Task task) { executor.cancel(executor.after(1h, std::move(task))); })) << "one cancelled";
  EXPECT_TRUE(held_by([&](Task task) {
    executor.after(1h, std::move(task));
    executor.stop();
  })) << "one dropped";
}

TEST(ThreadExecutor, DropsWhatIsPostedAfterStop) {
  ThreadExecutor executor("test");
  executor.stop();
  bool ran = false;
  executor.post([&] { ran = true; });
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace meterhub::base
