#include "feedback_queue.h"

#include <gtest/gtest.h>

namespace meterhub::hub {
namespace {

using namespace std::chrono_literals;
using base::MonotonicTime;
using base::Offset;
using base::Timestamp;

constexpr Timestamp kNow{1'700'000'000s};
constexpr MonotonicTime kAt{1h};

Feedback record(std::uint64_t number, Timestamp at = kNow) {
  return {Offset(number), "gw-1", "m" + std::to_string(number), Fate::kSuccess, at};
}

TEST(FeedbackQueue, GivesTheOldestFirstAtMost64AtOnce) {
  FeedbackQueue queue;
  for (std::uint64_t i = 0; i < 70; ++i) queue.add(record(i));
  const auto first = queue.take(kAt);
  ASSERT_EQ(first->records.size(), 64u);
  EXPECT_EQ(first->records[0]->message_id, "m0");
  const auto second = queue.take(kAt);
  ASSERT_EQ(second->records.size(), 6u);
  EXPECT_EQ(second->records[0]->number, Offset(64));
  EXPECT_FALSE(queue.take(kAt));
  EXPECT_EQ(queue.end(first->lock).size(), 64u);
  EXPECT_EQ(queue.records(), 6u);
}

TEST(FeedbackQueue, ABatchGivenBackComesAgainAndItsOldLockIsVoid) {
  FeedbackQueue queue;
  queue.add(record(1));
  const auto first = queue.take(kAt)->lock;
  EXPECT_TRUE(queue.give_back(first).empty());
  const auto second = queue.take(kAt);
  ASSERT_TRUE(second);
  EXPECT_TRUE(queue.end(first).empty());
  EXPECT_EQ(queue.end(second->lock), std::vector{Offset(1)});
}

TEST(FeedbackQueue, ALockRunsOutAfterAMinute) {
  FeedbackQueue queue;
  queue.add(record(1));
  queue.take(kAt);
  queue.sweep(kNow, kAt + 59s);
  EXPECT_FALSE(queue.take(kAt + 59s));
  queue.sweep(kNow, kAt + 60s);
  EXPECT_TRUE(queue.take(kAt + 60s));
}

TEST(FeedbackQueue, TheTenthDeliveryIsTheLast) {
  FeedbackQueue queue;
  queue.add(record(1));
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(queue.give_back(queue.take(kAt)->lock).empty());
  EXPECT_EQ(queue.give_back(queue.take(kAt)->lock), std::vector{Offset(1)});
  EXPECT_EQ(queue.records(), 0u);
}

TEST(FeedbackQueue, WhatNobodyAsksForIsDroppedAfterTwoDays) {
  FeedbackQueue queue;
  queue.add(record(1));
  queue.add(record(2, kNow + 1h));
  EXPECT_TRUE(queue.sweep(kNow + 48h - 1s, kAt).empty());
  EXPECT_EQ(queue.sweep(kNow + 48h, kAt), std::vector{Offset(1)});
  EXPECT_EQ(queue.oldest(), Offset(2));
}

TEST(FeedbackQueue, OverItsLimitTheOldestGoEvenWhenTheyAreUnderWay) {
  FeedbackLimits limits;
  limits.records_max = 3;
  FeedbackQueue queue(limits);
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_FALSE(queue.add(record(i)));
  const auto batch = queue.take(kAt)->lock;
  EXPECT_TRUE(queue.add(record(4)));
  EXPECT_EQ(queue.records(), 3u);
  EXPECT_EQ(queue.end(batch), (std::vector{Offset(2), Offset(3)}));
  EXPECT_EQ(queue.oldest(), Offset(4));
}

}  // namespace
}  // namespace meterhub::hub
