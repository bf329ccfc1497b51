// The queues of cloud-to-device messages, alone and against a simple model.
#include "devicebound_queues.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using base::MonotonicTime;
using base::Offset;
using base::Timestamp;

constexpr Timestamp kNow{1'700'000'000s};
constexpr MonotonicTime kAt{1h};

DeviceboundMessage message(std::uint64_t number, std::string device = "gw-1", Timestamp expires = kNow + 1h) {
  DeviceboundMessage out;
  out.number = Offset(number);
  out.device = std::move(device);
  out.enqueued = kNow;
  out.expires = expires;
  out.ack = Ack::kFull;
  out.id = "m" + std::to_string(number);
  out.payload = "payload";
  return out;
}

struct QueuesTest : testing::Test {
  DeviceboundQueues queues{DeviceboundLimits{}};
  std::uint64_t next(std::optional<DeviceboundQueues::Taken>& taken, std::string device = "gw-1",
                     MonotonicTime at = kAt) {
    taken = queues.take(device, kNow, at);
    return taken ? taken->message->number.value : 0;
  }
};

TEST_F(QueuesTest, GivesADevicesMessagesInTheOrderOfTheLogAndNoOthers) {
  for (const auto number : {5, 2, 9}) queues.add(message(static_cast<std::uint64_t>(number)));
  queues.add(message(1, "gw-2"));
  std::optional<DeviceboundQueues::Taken> taken;
  EXPECT_EQ(next(taken), 2u);
  EXPECT_EQ(next(taken), 5u);
  EXPECT_EQ(next(taken), 9u);
  EXPECT_EQ(next(taken), 0u);
}

TEST_F(QueuesTest, AMessageGivenBackKeepsItsPlaceAndCountsItsDelivery) {
  queues.add(message(1));
  queues.add(message(2));
  const auto first = queues.take("gw-1", kNow, kAt);
  EXPECT_EQ(first->deliveries_before, 0u);
  EXPECT_FALSE(queues.give_back(first->lock));
  const auto again = queues.take("gw-1", kNow, kAt);
  EXPECT_EQ(again->message->number, Offset(1));
  EXPECT_EQ(again->deliveries_before, 1u);
  EXPECT_NE(again->lock, first->lock);
}

TEST_F(QueuesTest, TheAnswerToAVoidLockChangesNothing) {
  queues.add(message(1));
  const auto first = queues.take("gw-1", kNow, kAt);
  EXPECT_TRUE(queues.sweep(kNow, kAt + 60s).empty());
  const auto second = queues.take("gw-1", kNow, kAt + 60s);
  ASSERT_TRUE(second);
  EXPECT_FALSE(queues.end(first->lock, Fate::kSuccess));
  EXPECT_FALSE(queues.give_back(first->lock));
  EXPECT_TRUE(queues.end(second->lock, Fate::kSuccess));
  EXPECT_EQ(queues.messages(), 0u);
}

TEST_F(QueuesTest, ALockHoldsUntilItsTimeIsOver) {
  queues.add(message(1));
  ASSERT_TRUE(queues.take("gw-1", kNow, kAt));
  queues.sweep(kNow, kAt + 59s);
  EXPECT_FALSE(queues.take("gw-1", kNow, kAt + 59s));
  queues.sweep(kNow, kAt + 60s);
  EXPECT_TRUE(queues.take("gw-1", kNow, kAt + 60s));
}

TEST_F(QueuesTest, TheTenthDeliveryThatFailsIsTheLast) {
  queues.add(message(1));
  for (int i = 0; i < 9; ++i) ASSERT_FALSE(queues.give_back(queues.take("gw-1", kNow, kAt)->lock)) << i;
  const auto ended = queues.give_back(queues.take("gw-1", kNow, kAt)->lock);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->fate, Fate::kDeliveryCountExceeded);
  EXPECT_EQ(ended->id, "m1");
  EXPECT_EQ(queues.messages(), 0u);
}

TEST_F(QueuesTest, ATenthLockThatRunsOutIsTheLastToo) {
  queues.add(message(1));
  auto at = kAt;
  std::vector<EndedMessage> ended;
  for (int i = 0; i < 10; ++i, at += 60s) {
    ASSERT_TRUE(queues.take("gw-1", kNow, at)) << i;
    ended = queues.sweep(kNow, at + 60s);
  }
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].fate, Fate::kDeliveryCountExceeded);
}

TEST_F(QueuesTest, WhatHasExpiredIsNotDeliveredAndEnds) {
  queues.add(message(1, "gw-1", kNow + 1s));
  EXPECT_TRUE(queues.sweep(kNow, kAt).empty());
  EXPECT_FALSE(queues.take("gw-1", kNow + 1s, kAt));
  const auto ended = queues.sweep(kNow + 1s, kAt);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].fate, Fate::kExpired);
  EXPECT_EQ(queues.bytes(), 0u);
}

TEST_F(QueuesTest, WhatExpiresUnderWayMayStillBeCompleted) {
  queues.add(message(1, "gw-1", kNow + 1s));
  const auto taken = queues.take("gw-1", kNow, kAt);
  EXPECT_TRUE(queues.sweep(kNow + 5s, kAt + 5s).empty());
  EXPECT_EQ(queues.end(taken->lock, Fate::kSuccess)->fate, Fate::kSuccess);
}

TEST_F(QueuesTest, WhatExpiresUnderWayAndIsGivenBackEnds) {
  queues.add(message(1, "gw-1", kNow + 1s));
  const auto taken = queues.take("gw-1", kNow, kAt);
  EXPECT_FALSE(queues.give_back(taken->lock));
  EXPECT_EQ(queues.sweep(kNow + 5s, kAt)[0].fate, Fate::kExpired);
}

TEST_F(QueuesTest, APurgeEndsWhatWaitsAndWhatIsUnderWay) {
  for (std::uint64_t i = 1; i <= 3; ++i) queues.add(message(i));
  queues.add(message(4, "gw-2"));
  const auto taken = queues.take("gw-1", kNow, kAt);
  const auto ended = queues.purge("gw-1");
  ASSERT_EQ(ended.size(), 3u);
  for (const auto& one : ended) EXPECT_EQ(one.fate, Fate::kPurged);
  EXPECT_FALSE(queues.end(taken->lock, Fate::kSuccess));
  EXPECT_EQ(queues.messages(), 1u);
  EXPECT_TRUE(queues.purge("unknown").empty());
}

TEST_F(QueuesTest, FiftyMessagesOfADeviceFillItsQueueThoseOnTheirWayToTheDiskToo) {
  for (std::uint64_t i = 0; i < 49; ++i) queues.add(message(i));
  EXPECT_EQ(queues.reserve("gw-1", 100), DeviceboundQueues::Room::kGiven);
  EXPECT_EQ(queues.reserve("gw-1", 100), DeviceboundQueues::Room::kQueueFull);
  EXPECT_EQ(queues.reserve("gw-2", 100), DeviceboundQueues::Room::kGiven);
  queues.release("gw-1", 100);
  EXPECT_EQ(queues.reserve("gw-1", 100), DeviceboundQueues::Room::kGiven);
}

TEST_F(QueuesTest, TheRoomForAllIsKeptAndComesBack) {
  DeviceboundLimits limits;
  limits.bytes_max = 1000;
  DeviceboundQueues small(limits);
  EXPECT_EQ(small.reserve("a", 600), DeviceboundQueues::Room::kGiven);
  EXPECT_EQ(small.reserve("b", 401), DeviceboundQueues::Room::kMemoryFull);
  EXPECT_EQ(small.reserve("b", 400), DeviceboundQueues::Room::kGiven);
  small.release("a", 600);
  small.release("b", 400);
  EXPECT_EQ(small.bytes(), 0u);
  EXPECT_TRUE(small.devices().empty());
}

TEST_F(QueuesTest, TheOldestIsTheFirstOfAllDevices) {
  EXPECT_FALSE(queues.oldest());
  queues.add(message(7, "b"));
  queues.add(message(3, "a"));
  EXPECT_EQ(queues.oldest(), Offset(3));
  queues.forget(Offset(3));
  queues.forget(Offset(3));
  EXPECT_EQ(queues.oldest(), Offset(7));
}

TEST(WantsFeedback, FollowsWhatTheServiceAskedFor) {
  EXPECT_FALSE(wants_feedback(Ack::kNone, Fate::kSuccess));
  EXPECT_FALSE(wants_feedback(Ack::kNone, Fate::kExpired));
  EXPECT_TRUE(wants_feedback(Ack::kPositive, Fate::kSuccess));
  EXPECT_FALSE(wants_feedback(Ack::kPositive, Fate::kRejected));
  EXPECT_FALSE(wants_feedback(Ack::kNegative, Fate::kSuccess));
  EXPECT_TRUE(wants_feedback(Ack::kNegative, Fate::kPurged));
  EXPECT_TRUE(wants_feedback(Ack::kFull, Fate::kSuccess));
  EXPECT_TRUE(wants_feedback(Ack::kFull, Fate::kDeliveryCountExceeded));
}

// The same in the plainest way: one list, looked through from its front.
class Model {
 public:
  struct One {
    std::uint64_t number;
    std::string device;
    Timestamp expires;
    int deliveries = 0;
    std::uint64_t lock = 0;
    MonotonicTime until{};
  };
  std::deque<One> all;
  std::vector<std::pair<std::uint64_t, Fate>> ended;

  One* take(const std::string& device, Timestamp now, MonotonicTime at, std::uint64_t lock) {
    for (auto& one : all) {
      if (one.device != device || one.lock != 0 || one.expires <= now) continue;
      one.lock = lock;
      one.until = at + 60s;
      ++one.deliveries;
      return &one;
    }
    return nullptr;
  }
  void finish(std::uint64_t number, Fate fate) {
    std::erase_if(all, [&](const One& one) { return one.number == number; });
    ended.emplace_back(number, fate);
  }
  void back(One one) {
    if (one.deliveries >= 10) return finish(one.number, Fate::kDeliveryCountExceeded);
    for (auto& other : all)
      if (other.number == one.number) other.lock = 0;
  }
  const One* locked(std::uint64_t lock) const {
    for (const auto& one : all)
      if (one.lock == lock) return &one;
    return nullptr;
  }
  void sweep(Timestamp now, MonotonicTime at) {
    for (const auto& one : std::deque<One>(all))
      if (one.lock != 0 && one.until <= at) back(one);
    for (const auto& one : std::deque<One>(all))
      if (one.lock == 0 && one.expires <= now) finish(one.number, Fate::kExpired);
  }
};

class ModelTest : public testing::TestWithParam<unsigned> {};

TEST_P(ModelTest, RandomOperationsAgreeWithASimpleList) {
  std::mt19937 random(GetParam());
  const auto draw = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  DeviceboundQueues queues{DeviceboundLimits{}};
  Model model;
  std::vector<DeliveryLock> locks;
  auto now = kNow;
  auto at = kAt;
  std::uint64_t number = 0;
  std::vector<std::pair<std::uint64_t, Fate>> ended;
  const auto note = [&](const EndedMessage& one) { ended.emplace_back(one.number.value, one.fate); };

  for (int step = 0; step < 4000; ++step) {
    const auto device = "gw-" + std::to_string(draw(4));
    switch (draw(8)) {
      case 0:
      case 1: {
        auto one = message(++number, device, now + std::chrono::seconds(draw(400)));
        model.all.push_back({number, device, one.expires});
        queues.add(std::move(one));
        break;
      }
      case 2:
      case 3: {
        const auto taken = queues.take(device, now, at);
        const auto* same = model.take(device, now, at, taken ? taken->lock.value : 1'000'000'000);
        ASSERT_EQ(taken.has_value(), same != nullptr) << step;
        if (!taken) break;
        ASSERT_EQ(taken->message->number.value, same->number);
        ASSERT_EQ(taken->deliveries_before + 1, static_cast<std::uint32_t>(same->deliveries));
        locks.push_back(taken->lock);
        break;
      }
      case 4:
      case 5: {
        if (locks.empty()) break;
        const auto lock = locks[draw(static_cast<unsigned>(locks.size()))];
        const auto fate = draw(3) == 0 ? Fate::kRejected : Fate::kSuccess;
        const bool back = draw(2) == 0;
        const auto* one = model.locked(lock.value);
        const auto gone = back ? queues.give_back(lock) : queues.end(lock, fate);
        if (gone) note(*gone);
        if (one != nullptr) back ? model.back(*one) : model.finish(one->number, fate);
        break;
      }
      case 6: {
        now += std::chrono::seconds(draw(20));
        at += std::chrono::seconds(draw(20));
        for (const auto& one : queues.sweep(now, at)) note(one);
        model.sweep(now, at);
        break;
      }
      default: {
        if (draw(20) != 0) break;
        for (const auto& one : queues.purge(device)) note(one);
        for (const auto& one : std::deque<Model::One>(model.all))
          if (one.device == device) model.finish(one.number, Fate::kPurged);
      }
    }
    ASSERT_EQ(queues.messages(), model.all.size()) << step;
    ASSERT_EQ(ended.size(), model.ended.size()) << step;
    ASSERT_EQ(queues.oldest(), model.all.empty() ? std::nullopt : std::optional(Offset(model.all.front().number)));
  }
  // Within one step the order of ends is not said.
  std::ranges::sort(ended);
  std::ranges::sort(model.ended);
  EXPECT_EQ(ended, model.ended);
  for (const auto& one : queues.devices()) queues.purge(one);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.messages(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ModelTest, testing::Range(1u, 21u));

}  // namespace
}  // namespace meterhub::hub
