#include "json_check.h"

#include <gtest/gtest.h>

#include <string>

namespace meterhub::engine {
namespace {

TEST(JsonFault, TakesWholeValues) {
  for (const auto* text : {"{}", "[]", "\"a\"", "1", "-0", "0.5", "1e3", "-1.25E-7", "true", "false", "null", " { \"a\" : [ 1 , { } ] } ",
                           "\"\\u00e9\\n\\\"\"", "9223372036854775807", "-9223372036854775808", "18446744073709551616.0"}) {
    EXPECT_EQ(json_fault(text), "") << text;
  }
}

TEST(JsonFault, RefusesBrokenOnes) {
  for (const auto* text : {"", "{", "{]", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "tru", "nul", "01", "1.", ".5", "+1", "1e", "--1",
                           "\"a", "\"\\x\"", "\"\\u12\"", "\"a\nb\"", "1 2", "{} {}", "[1 2]", "Infinity"}) {
    EXPECT_EQ(json_fault(text), "not readable as JSON") << text;
  }
}

TEST(JsonFault, RefusesWholeNumbersBeyond64Bits) {
  EXPECT_EQ(json_fault("[9223372036854775808]"), "a whole number beyond 64 bits");
  EXPECT_EQ(json_fault("{\"a\":-9223372036854775809}"), "a whole number beyond 64 bits");
}

TEST(JsonFault, RefusesDeepNestingBeforeTheStackDoes) {
  EXPECT_EQ(json_fault(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_EQ(json_fault(std::string(65, '[') + std::string(65, ']')), "nested too deeply");
  EXPECT_EQ(json_fault(std::string(1'000'000, '[')), "nested too deeply");
}

TEST(TooDeep, CountsBracketsOutsideOfStrings) {
  EXPECT_FALSE(too_deep("{\"a\":\"" + std::string(100, '[') + "\"}"));
  EXPECT_FALSE(too_deep("[" + std::string(0, ' ') + "[1],[2],[3]]"));
  EXPECT_TRUE(too_deep(std::string(65, '{')));
  for (std::size_t before = 0; before < 130; ++before) {  // wherever blocks of counting begin
    EXPECT_TRUE(too_deep(std::string(before, ' ') + std::string(65, '['))) << before;
    EXPECT_FALSE(too_deep(std::string(before, ' ') + std::string(64, '['))) << before;
  }
  std::string wide = "[";
  for (int i = 0; i < 100; ++i) wide += "{},";
  EXPECT_FALSE(too_deep(wide));
}

}  // namespace
}  // namespace meterhub::engine
