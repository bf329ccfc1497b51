#include <meterhub/base/plain_json.h>

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace meterhub::base {
namespace {

bool takes(std::string_view text) {
  PlainJson json(text);
  return json.skip() && json.at_end();
}

TEST(PlainJson, TakesPlainDocuments) {
  for (const auto* text : {"{}", "[]", " { } ", "0", "-0", "-1.50", "\"\"", "true", "false", "null", "[1,[2,{\"a\":[]}],\"b\"]",
                           "{\"a\":{\"b\" : [1 ,\t2.5\n]},\"c\":null}", "123456789012345678", "\"12345678\"", "\"123456789\"", "\"~\x7f\""}) {
    EXPECT_TRUE(takes(text)) << text;
  }
}

TEST(PlainJson, GivesUpOnWhatIsNotPlain) {
  for (const std::string text : {"\"a\\n\"", "\"12345678\\\"", "\"\xc3\xa9\"", "\"1234567\xc3\xa9\"", "1e5", "1.5E3", "1234567890123456789",
                                 "0.1234567890123456789"}) {
    EXPECT_FALSE(takes(text)) << text;
  }
  EXPECT_TRUE(takes(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(takes(std::string(65, '[') + std::string(65, ']')));
}

TEST(PlainJson, GivesUpOnWhatIsNotJson) {
  for (const std::string text :
       {"", " ", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "[1,]", "[1 2]", "[,]", "01", "-", "-a", "1.", ".5", "+1",
        "tru", "nul", "falsey", "\"abc", "\"a\nb\"", "\"1234567\n\"", "{} {}", "1 2", "{\"a\":1]", "[1}", "\"a\"b"}) {
    EXPECT_FALSE(takes(text)) << text;
  }
}

// Whatever is cut off or changed: what it takes, a full parser takes too.
TEST(PlainJson, TakesNothingThatAFullParserRefuses) {
  const std::string document =
      R"({"app":{"eui":"fffe020100000011","port":1,"list":[{"rssi":-13,"lsnr":9.5},{"rssi":-20.25,"x":null}]},"left":-0.017,"on":true})";
  for (std::size_t at = 0; at < document.size(); ++at) {
    for (const char c : std::string("\"\\{}[],:0-.e tn\n\x01\x80", 18)) {
      std::string damaged = document;
      damaged[at] = c;
      EXPECT_TRUE(!takes(damaged) || nlohmann::json::accept(damaged)) << damaged;
    }
    EXPECT_FALSE(takes(document.substr(0, at)));
  }
}

TEST(PlainJson, GivesMembersElementsAndTheTextOfValues) {
  PlainJson json(R"({"a" : [1,2.50,-3] , "b":{"c": "d"},"e":true})");
  std::vector<std::string> seen;
  const auto element = [&] {
    PlainJson::Number number;
    if (!json.number(number)) return false;
    seen.push_back(std::string(number.text) + (number.whole() ? " whole" : " real"));
    return true;
  };
  const bool read = json.object([&](std::string_view name) {
    seen.emplace_back(name);
    if (name == "a") return json.array(element);
    std::string_view text;
    if (!json.skip(text)) return false;
    seen.emplace_back(text);
    return true;
  });
  EXPECT_TRUE(read && json.at_end());
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "1 whole", "2.50 real", "-3 whole", "b", R"({"c": "d"})", "e", "true"}));
}

TEST(PlainJson, NumbersAreTheNearestDoubles) {
  for (const auto* text : {"0", "-0", "-0.0", "481.5", "979.171", "-13", "0.1", "9007199254740993", "0.00000000000000001", "123456789.012345678",
                           "999999999999999999", "3.584", "20.829", "-4294967.295"}) {
    PlainJson json(text);
    PlainJson::Number number;
    ASSERT_TRUE(json.number(number)) << text;
    const double expected = std::strtod(text, nullptr);
    EXPECT_EQ(number.real(), expected) << text;
    EXPECT_EQ(std::signbit(number.real()), std::signbit(expected)) << text;
  }
}

}  // namespace
}  // namespace meterhub::base
