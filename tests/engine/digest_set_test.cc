#include "digest_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

namespace meterhub::engine {
namespace {

std::set<Digest> all(const DigestSet& set) {
  std::set<Digest> out;
  set.each([&](const Digest& digest) { EXPECT_TRUE(out.insert(digest).second); });
  return out;
}

TEST(DigestSet, HoldsWhatASetHolds) {
  DigestSet set;
  std::set<Digest> model;
  std::mt19937_64 random(19);
  for (int i = 0; i < 30'000; ++i) {
    const auto digest = digest_of(i % 3 == 0 ? std::to_string(random() % 20'000) : std::string(20, 'x') + std::to_string(random() % 20'000));
    ASSERT_EQ(set.insert(digest), model.insert(digest).second);
  }
  EXPECT_TRUE(set.insert(digest_of("")));
  EXPECT_FALSE(set.insert(digest_of("")));
  model.insert(digest_of(""));
  EXPECT_EQ(all(set), model);
  EXPECT_EQ(set.size(), model.size());
}

TEST(DigestSet, TakesTwentyOneBytesADigestAtMost) {
  DigestSet set;
  for (int i = 0; i < 100'000; ++i) {
    set.insert(digest_of("meter " + std::to_string(i)));
    ASSERT_LE(set.bytes(), set.size() * 21 + 300) << i;
  }
}

TEST(DigestSet, KeepsMemoryForAsManyAsThereWere) {
  DigestSet set;
  const auto fill = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(set.insert(digest_of(std::to_string(i))));
  };
  fill(10'000);
  const auto full = set.bytes();
  set.clear();
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(all(set).size(), 0U);
  EXPECT_EQ(set.bytes(), full);
  fill(1'000);
  set.clear();
  EXPECT_LT(set.bytes(), full / 5);
  set.clear();
  EXPECT_EQ(set.bytes(), 0U);
  fill(3);
  EXPECT_EQ(set.size(), 3U);
}

}  // namespace
}  // namespace meterhub::engine
