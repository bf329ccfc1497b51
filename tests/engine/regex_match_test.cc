#include "regex_match.h"

#include <gtest/gtest.h>

#include <random>

namespace meterhub::engine {
namespace {

// -1: refused.
std::int64_t find(const std::string& text, const std::string& pattern) {
  RegexPatterns patterns;
  const auto found = patterns.find(text, pattern);
  return found ? *found : -1;
}

std::string repeat(const std::string& text, int count) {
  std::string out;
  for (; count > 0; --count) out += text;
  return out;
}

TEST(RegexMatch, FindsTheFirstPlaceByEcmaScriptsRules) {
  struct Case {
    const char* text;
    const char* pattern;
    std::int64_t place;
  };
  for (const auto& c :
       {Case{"xxabc", "A", 3}, Case{"aab", "a*?b", 1}, Case{"foobar", "(?:foo)(?=bar)", 1},
        Case{"foobaz", "foo(?!baz)", 0}, Case{"a-b_c", "[^\\w-]", 0}, Case{"a.b", "\\.", 2},
        Case{"tab\there", "\\s", 4}, Case{"\u91cd\u5e86", "\u5e86", 2}, Case{"x\u91cdy", "x[\u4e00-\u9fff]y", 1},
        Case{"\U0001F600a", "a", 2}, Case{"", "^$", 1}, Case{"a\nb", "a.b", 0}, Case{"a\nb", "a[\\s\\S]b", 1},
        Case{"abc", "[", 0}, Case{"abc", "*", 0}, Case{"abc", "(?<=a)b", 0}}) {
    EXPECT_EQ(find(c.text, c.pattern), c.place) << c.pattern << " in " << c.text;
  }
}

TEST(RegexMatch, RefusesBackReferencesAndWhatIsTooLarge) {
  for (const auto& [text, pattern] : {std::pair<std::string, std::string>{"aa", "(a)\\1"},
                                      {"a", repeat("a", 1001)},
                                      {repeat("a", 64 * 1024 + 1), "a"},
                                      {"a", "((a{100}){100}){100}"},
                                      {"a", "a{99999999999}"}}) {
    EXPECT_EQ(find(text, pattern), -1) << pattern.substr(0, 20);
  }
}

// Each takes exponential or at least cubic time, or a frame of stack for each character,
// in an engine that tries one way after the other.
TEST(RegexMatch, EndsWhateverThePattern) {
  const auto text = repeat("a", 3000);
  const auto longest = repeat("a", 64 * 1024);
  EXPECT_EQ(find(repeat("a", 40), "(a+)+b"), 0);
  EXPECT_EQ(find(repeat("a", 40), "(a|aa)*b"), 0);
  EXPECT_EQ(find(text, "(a+)+b"), -1);
  EXPECT_EQ(find(text, "(?=a*b)a"), -1);
  EXPECT_EQ(find(text, "(?=(?=(?=.*b).*b).*b)a"), -1);
  EXPECT_EQ(find(longest, "^(.|\\s)*$"), 1);
  EXPECT_EQ(find(longest, "b"), 0);
  find(text, repeat("(", 500) + "a" + repeat(")*", 500));
  find(text, repeat("(?=", 200) + "a" + repeat(")", 200));
  find(text, "(a?){900}b");
}

TEST(RegexMatch, GivesTheSameFromItsCache) {
  RegexPatterns patterns;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i)
      ASSERT_EQ(patterns.find("value " + std::to_string(i), std::to_string(i) + "$").value(), 7) << i;
    ASSERT_EQ(patterns.find("a", "(").value(), 0);
  }
}

TEST(RegexMatch, StandsAnyPatternAndText) {
  std::mt19937_64 random(29);
  const std::string alphabet = "ab(){}[]*+?|^$.\\-,019:=!wdsbux\xe9\x87\x8d\xff";
  for (int trial = 0; trial < 3000; ++trial) {
    std::string pattern(random() % 20, ' ');
    std::string text(random() % 30, ' ');
    for (auto& c : pattern) c = alphabet[random() % alphabet.size()];
    for (auto& c : text) c = alphabet[random() % alphabet.size()];
    const auto place = find(text, pattern);
    ASSERT_LE(place, static_cast<std::int64_t>(text.size()) + 1);
    ASSERT_GE(place, -1);
  }
}

}  // namespace
}  // namespace meterhub::engine
