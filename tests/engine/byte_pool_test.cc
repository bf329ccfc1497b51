#include "byte_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace meterhub::engine {
namespace {

TEST(BytePool, KeepsWhatEachSlotHoldsWhileOthersComeAndGo) {
  BytePool pool;
  std::mt19937_64 random(7);
  std::vector<std::pair<BytePool::Handle, std::string>> kept;
  for (int i = 0; i < 50'000; ++i) {
    if (!kept.empty() && random() % 5 < 2) {
      std::swap(kept[random() % kept.size()], kept.back());
      pool.give_back(kept.back().first);
      kept.pop_back();
      continue;
    }
    const std::size_t size = 1 + (random() % 50 == 0 ? random() % 20'000 : random() % 300);
    std::string bytes(size, static_cast<char>(random()));
    const auto handle = pool.take(size);
    std::memcpy(pool.at(handle), bytes.data(), size);
    kept.emplace_back(handle, std::move(bytes));
  }
  for (const auto& [handle, bytes] : kept) ASSERT_EQ(std::string_view(pool.at(handle), bytes.size()), bytes);
}

TEST(BytePool, GivesBackEveryPage) {
  BytePool pool;
  std::vector<BytePool::Handle> handles;
  for (std::size_t size = 1; size < 5'000; ++size) handles.push_back(pool.take(size));
  EXPECT_GT(pool.bytes(), 5'000U * 5'000U / 2);
  for (const auto handle : handles) pool.give_back(handle);
  EXPECT_EQ(pool.bytes(), 0U);
}

TEST(BytePool, TakesLittleMoreThanItIsAskedFor) {
  for (std::size_t size = 1; size <= 100'000; ++size) {
    const auto room = BytePool::room_for(size);
    ASSERT_GE(room, size);
    ASSERT_LE(room, size + 3 + size / 16);
    ASSERT_EQ(room % 4, 0U);
    ASSERT_EQ(BytePool::room_for(room), room);
  }
}

TEST(BytePool, UsesSlotsThatWereGivenBack) {
  BytePool pool;
  std::vector<BytePool::Handle> handles(10'000);
  for (auto& handle : handles) handle = pool.take(40);
  const auto full = pool.bytes();
  EXPECT_LT(full, 10'000U * 42);
  for (std::size_t i = 0; i < handles.size(); i += 2) pool.give_back(handles[i]);
  for (std::size_t i = 0; i < handles.size(); i += 2) handles[i] = pool.take(38);
  EXPECT_EQ(pool.bytes(), full);
}

}  // namespace
}  // namespace meterhub::engine
