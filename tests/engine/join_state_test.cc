#include "join_state.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>

namespace meterhub::engine {
namespace {

using Rows = std::deque<std::pair<Ticks, std::string>>;
using Model = std::map<std::string, std::pair<Rows, Rows>>;

Rows rows_of(const std::vector<JoinedRow>& side) {
  Rows out;
  for (const auto& row : side) out.emplace_back(row.time, row.packed.get());
  return out;
}

void expect_same(JoinState& state, const Model& model) {
  std::size_t keys = 0;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    for (const auto& key : state.keys_of(part)) {
      ++keys;
      const auto* const sides = state.find(part, key);
      ASSERT_NE(sides, nullptr);
      ASSERT_TRUE(model.contains(key));
      EXPECT_EQ(rows_of(sides->left), model.at(key).first);
      EXPECT_EQ(rows_of(sides->right), model.at(key).second);
    }
  }
  EXPECT_EQ(keys, model.size());
  EXPECT_EQ(state.size(), model.size());
}

// Rows come and go, on either side, in small and in large keys.
void change(JoinState& state, Model& model, std::mt19937_64& random, Ticks now) {
  const auto key = "key " + std::to_string(random() % 40);
  const auto part = part_of_key(key);
  auto& sides = state.make(part, key);
  auto& [left, right] = model[key];
  const bool is_left = random() % 2 == 0;
  auto& side = is_left ? sides.left : sides.right;
  auto& rows = is_left ? left : right;
  if (random() % 100 < 52) {
    const std::string bytes(random() % (random() % 30 == 0 ? 3'000 : 60), static_cast<char>(random()));
    JoinedRow row;
    row.time = now;
    row.packed.set(bytes);
    side.push_back(std::move(row));
    rows.emplace_back(now, bytes);
  } else if (!side.empty()) {
    side.erase(side.begin());
    rows.pop_front();
  }
  state.store(part, key, sides);
  if (left.empty() && right.empty()) model.erase(key);
}

TEST(JoinState, HoldsTheRowsOfSmallAndLargeKeys) {
  JoinState state;
  Model model;
  std::mt19937_64 random(23);
  for (int i = 0; i < 20'000; ++i) {
    change(state, model, random, i * sql::kTicksPerSecond);
    if (i % 1'000 == 0) expect_same(state, model);
  }
  expect_same(state, model);
}

TEST(JoinState, IsSavedAndLoaded) {
  JoinState state;
  Model model;
  std::mt19937_64 random(29);
  for (int i = 0; i < 3'000; ++i) change(state, model, random, i);
  JoinState again;
  for (std::uint32_t part = 0; part < kStateParts; ++part) ASSERT_TRUE(again.load(part, state.save(part)));
  expect_same(again, model);
}

TEST(JoinState, ForgetsNothingOfWhatARowIs) {
  JoinState state;
  auto& sides = state.make(part_of_key("k"), "k");
  sides.armed = 12'345;
  sides.left.emplace_back();
  sides.left.back().mark = 9;
  state.store(part_of_key("k"), "k", sides);
  const auto* const kept = state.find(part_of_key("k"), "k");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->armed, 12'345);
  EXPECT_EQ(kept->left.front().number(), 4U);
  EXPECT_TRUE(kept->left.front().matched());
  EXPECT_TRUE(kept->right.empty());
}

}  // namespace
}  // namespace meterhub::engine
