#include <meterhub/net/event_loop.h>

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "loop_fixture.h"

namespace meterhub::net {
namespace {

using namespace std::chrono_literals;
using EventLoopTest = test::LoopFixture;

TEST_F(EventLoopTest, RunsTasksOfOtherThreadsInOrder) {
  std::string seen;
  std::thread other([&] {
    loop_->post([&] { seen += 'a'; });
    loop_->post([&] { seen += 'b'; });
  });
  other.join();
  EXPECT_TRUE(run_until([&] { return seen == "ab"; }));
}

TEST_F(EventLoopTest, AWakingTaskEndsTheWaitOfRun) {
  const auto loop = std::move(*EventLoop::create());
  std::thread runner([&] { loop->run(); });
  loop->post([&] { loop->stop(); });
  runner.join();
}

TEST_F(EventLoopTest, RunsTimersByTheClockInOrderAndNotTheCancelled) {
  std::string seen;
  loop_->after(20ms, [&] { seen += 'b'; });
  loop_->after(10ms, [&] { seen += 'a'; });
  loop_->cancel(loop_->after(5ms, [&] { seen += 'x'; }));
  loop_->run_once(0ms);
  EXPECT_EQ(seen, "");
  clock_.advance(10ms);
  loop_->run_once(0ms);
  EXPECT_EQ(seen, "a");
  clock_.advance(10ms);
  loop_->run_once(0ms);
  EXPECT_EQ(seen, "ab");
}

TEST_F(EventLoopTest, ManyCancelledTimersLeaveTheOthersInPlace) {
  int ran = 0;
  for (int i = 0; i < 1000; ++i) loop_->cancel(loop_->after(1s, [&] { ran += 1000; }));
  loop_->after(1s, [&] { ran += 1; });
  clock_.advance(1s);
  loop_->run_once(0ms);
  EXPECT_EQ(ran, 1);
}

TEST_F(EventLoopTest, HooksRunOnceAnIterationBeforeTheWrites) {
  std::string seen;
  auto hook = loop_->at_iteration_end([&] { seen += 'h'; });
  loop_->post([&] {
    loop_->before_wait([&] { seen += 'w'; });
    seen += 't';
  });
  loop_->run_once(0ms);
  EXPECT_EQ(seen, "thw");
  hook.reset();
  loop_->run_once(0ms);
  EXPECT_EQ(seen, "thw");
}

struct PipeEnd final : FdHandler {
  explicit PipeEnd(std::function<void()> f) : ready(std::move(f)) {}
  void on_ready(std::uint32_t) override { ready(); }
  std::function<void()> ready;
};

TEST_F(EventLoopTest, WhatCanWaitIsServedALittleInEachIteration) {
  constexpr int kMany = 100;
  std::array<std::array<int, 2>, kMany + 1> pipes{};
  int patient = 0;
  int urgent = 0;
  PipeEnd waits([&] { ++patient; });
  PipeEnd now([&] { ++urgent; });
  for (auto& ends : pipes) {
    ASSERT_EQ(pipe(ends.data()), 0);
    ASSERT_EQ(write(ends[1], "x", 1), 1);
  }
  for (int i = 0; i < kMany; ++i) ASSERT_TRUE(loop_->watch(pipes[static_cast<std::size_t>(i)][0], EPOLLIN, waits, Urgency::kCanWait));
  ASSERT_TRUE(loop_->watch(pipes.back()[0], EPOLLIN, now));
  for (int i = 1; i <= 10; ++i) {
    loop_->run_once(0ms);
    EXPECT_EQ(urgent, i);
    EXPECT_EQ(patient, 16 * i);
  }
  for (const auto& ends : pipes) {
    loop_->unwatch(ends[0]);
    close(ends[0]);
    close(ends[1]);
  }
}

TEST_F(EventLoopTest, AHandlerUnwatchedByAnEarlierOneIsNotCalled) {
  std::array<int, 2> first{};
  std::array<int, 2> second{};
  ASSERT_EQ(pipe(first.data()), 0);
  ASSERT_EQ(pipe(second.data()), 0);
  int calls = 0;
  // Whichever comes first ends the other.
  PipeEnd a([&] { ++calls; loop_->unwatch(second[0]); loop_->unwatch(first[0]); });
  PipeEnd b([&] { ++calls; loop_->unwatch(first[0]); loop_->unwatch(second[0]); });
  ASSERT_TRUE(loop_->watch(first[0], EPOLLIN, a));
  ASSERT_TRUE(loop_->watch(second[0], EPOLLIN, b));
  ASSERT_EQ(write(first[1], "x", 1), 1);
  ASSERT_EQ(write(second[1], "x", 1), 1);
  loop_->run_once(100ms);
  EXPECT_EQ(calls, 1);
  for (const int fd : {first[0], first[1], second[0], second[1]}) close(fd);
}

}  // namespace
}  // namespace meterhub::net
