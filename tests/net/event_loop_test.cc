#include <meterhub/net/event_loop.h>

#include <sys/epoll.h>
#include <sys/socket.h>
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
  for (int i = 0; i < kMany; ++i)
    ASSERT_TRUE(loop_->watch(pipes[static_cast<std::size_t>(i)][0], EPOLLIN, waits, Urgency::kCanWait));
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

TEST_F(EventLoopTest, WhatHasBegunGoesBeforeWhatHasNot) {
  constexpr std::size_t kEach = 20;
  std::array<std::array<int, 2>, 2 * kEach> pipes{};
  std::size_t begun = 0;
  std::size_t patient = 0;
  PipeEnd goes_on([&] { ++begun; });
  PipeEnd waits([&] { ++patient; });
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    ASSERT_EQ(pipe(pipes[i].data()), 0);
    ASSERT_EQ(write(pipes[i][1], "x", 1), 1);
    const bool first = i < kEach;
    ASSERT_TRUE(
        loop_->watch(pipes[i][0], EPOLLIN, first ? waits : goes_on, first ? Urgency::kCanWait : Urgency::kBegun));
  }
  loop_->run_once(0ms);
  EXPECT_EQ(begun, 16u);
  EXPECT_EQ(patient, 0u);
  for (std::size_t i = kEach; i < kEach + 15; ++i) loop_->unwatch(pipes[i][0]);
  loop_->run_once(0ms);
  EXPECT_EQ(begun, 16u + 5u);
  EXPECT_EQ(patient, 11u);
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    loop_->unwatch(pipes[i][0]);
    for (const int fd : pipes[i]) close(fd);
  }
}

TEST_F(EventLoopTest, ThoseWhosePeerHasGoneAreServedALittleInEachIteration) {
  constexpr std::size_t kMany = 100;
  std::vector<std::array<int, 2>> pairs(kMany + 1);
  for (auto& ends : pairs) ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  std::vector<std::unique_ptr<PipeEnd>> handlers;
  std::size_t gone = 0;
  std::size_t lively = 0;
  for (std::size_t i = 0; i < kMany; ++i) {
    const int fd = pairs[i][0];
    handlers.push_back(std::make_unique<PipeEnd>([&, fd] {
      ++gone;
      loop_->unwatch(fd);
    }));
    ASSERT_TRUE(loop_->watch(fd, EPOLLIN | EPOLLRDHUP, *handlers.back()));
    close(pairs[i][1]);
  }
  PipeEnd stays([&] { ++lively; });
  ASSERT_TRUE(loop_->watch(pairs.back()[0], EPOLLIN | EPOLLRDHUP, stays));
  ASSERT_EQ(write(pairs.back()[1], "x", 1), 1);
  for (std::size_t i = 1; i <= 4; ++i) {
    loop_->run_once(0ms);
    EXPECT_EQ(lively, i);
    EXPECT_EQ(gone, std::min(32 * i, kMany));
  }
  loop_->unwatch(pairs.back()[0]);
  for (const auto& ends : pairs) close(ends[0]);
  close(pairs.back()[1]);
}

TEST_F(EventLoopTest, WhoDoesNotReadAllBeforeTheEndIsCalledAgain) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  std::string seen;
  PipeEnd slow([&] {
    char one = 0;
    if (read(ends[0], &one, 1) == 1) seen += one;
    // Does not read for a while, then it does.
    if (seen == "a") loop_->change(ends[0], 0);
  });
  ASSERT_TRUE(loop_->watch(ends[0], EPOLLIN | EPOLLRDHUP, slow));
  ASSERT_EQ(write(ends[1], "abc", 3), 3);
  shutdown(ends[1], SHUT_WR);
  for (int i = 0; i < 3; ++i) loop_->run_once(0ms);
  EXPECT_EQ(seen, "a");
  loop_->change(ends[0], EPOLLIN | EPOLLRDHUP);
  for (int i = 0; i < 3; ++i) loop_->run_once(0ms);
  EXPECT_EQ(seen, "abc");
  loop_->unwatch(ends[0]);
  for (const int fd : ends) close(fd);
}

TEST_F(EventLoopTest, AHandlerUnwatchedByAnEarlierOneIsNotCalled) {
  std::array<int, 2> first{};
  std::array<int, 2> second{};
  ASSERT_EQ(pipe(first.data()), 0);
  ASSERT_EQ(pipe(second.data()), 0);
  int calls = 0;
  // Whichever comes first ends the other.
  PipeEnd a([&] {
    ++calls;
    loop_->unwatch(second[0]);
    loop_->unwatch(first[0]);
  });
  PipeEnd b([&] {
    ++calls;
    loop_->unwatch(first[0]);
    loop_->unwatch(second[0]);
  });
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
