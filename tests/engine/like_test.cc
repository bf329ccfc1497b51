#include "like.h"

#include <gtest/gtest.h>

#include <string>

namespace meterhub::engine {
namespace {

struct Case {
  const char* text;
  const char* pattern;
  const char* escape;
  bool matches;
};

TEST(Like, FollowsTheTransactSqlRules) {
  for (const auto& c : {Case{"abc", "abc", "", true}, Case{"abc", "a%", "", true}, Case{"abc", "%c", "", true},
                        Case{"abc", "a_c", "", true}, Case{"ac", "a_c", "", false}, Case{"", "%", "", true},
                        Case{"", "_", "", false}, Case{"abc", "", "", false}, Case{"v1.0", "v[0-9].%", "", true},
                        Case{"vx.0", "v[0-9].%", "", false}, Case{"vx.0", "v[^0-9].%", "", true},
                        Case{"50%", "50!%", "!", true}, Case{"500", "50!%", "!", false}, Case{"a]b", "a]b", "", true},
                        Case{"重庆燃气", "重_燃%", "", true}, Case{"重庆", "___", "", false}, Case{"[", "[", "", true}}) {
    EXPECT_EQ(matches_like(c.text, c.pattern, c.escape), c.matches) << c.text << " LIKE " << c.pattern;
  }
}

TEST(Like, StaysFastOnPatternsThatBacktrack) {
  const std::string text(20'000, 'a');
  EXPECT_FALSE(matches_like(text, "%a%a%a%a%a%a%a%a%b"));
}

TEST(Characters, AreCountedAndFoundByCodePoint) {
  EXPECT_EQ(character_count("重庆abc"), 5u);
  EXPECT_EQ(character_position("重庆abc", 2), 6u);
  EXPECT_EQ(character_position("abc", 9), 3u);
}

}  // namespace
}  // namespace meterhub::engine
