#include <meterhub/base/mutex.h>

#include <gtest/gtest.h>

#include <condition_variable>
#include <latch>
#include <thread>

namespace meterhub::base {
namespace {

struct Count {
  Mutex mutex;
  int value MH_GUARDED_BY(mutex) = 0;
};

TEST(Mutex, LetsOneThreadInAtATime) {
  Count count;
  const auto add = [&] {
    for (int i = 0; i < 10'000; ++i) {
      const Lock lock(count.mutex);
      ++count.value;
    }
  };
  {
    const std::jthread one(add);
    const std::jthread two(add);
  }
  const Lock lock(count.mutex);
  EXPECT_EQ(count.value, 20'000);
}

TEST(Lock, LetsGoInBetween) {
  Count count;
  Lock lock(count.mutex);
  lock.unlock();
  std::jthread([&] {
    const Lock other(count.mutex);
    count.value = 1;
  }).join();
  lock.lock();
  EXPECT_EQ(count.value, 1);
}

TEST(Lock, LetsGoWhileAConditionIsWaitedFor) {
  Count count;
  std::condition_variable changed;
  Lock lock(count.mutex);
  const std::jthread setter([&] {
    const Lock other(count.mutex);
    count.value = 1;
    changed.notify_one();
  });
  while (count.value == 0) changed.wait(lock.native());
  EXPECT_EQ(count.value, 1);
}

TEST(SharedMutex, LetsReadersInTogether) {
  SharedMutex mutex;
  std::latch both_inside(2);
  const auto read = [&] {
    const SharedLock lock(mutex);
    both_inside.arrive_and_wait();
  };
  const std::jthread one(read);
  const std::jthread two(read);
}

TEST(SharedMutex, LetsOneWriterInAtATime) {
  SharedMutex mutex;
  int value = 0;
  const auto add = [&] {
    for (int i = 0; i < 10'000; ++i) {
      const ExclusiveLock lock(mutex);
      ++value;
    }
  };
  {
    const std::jthread one(add);
    const std::jthread two(add);
  }
  EXPECT_EQ(value, 20'000);
}

}  // namespace
}  // namespace meterhub::base
