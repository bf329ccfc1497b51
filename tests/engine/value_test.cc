#include <meterhub/engine/value.h>

#include <gtest/gtest.h>

namespace meterhub::engine {
namespace {

TEST(Datetime, ReadsIsoFormsAndPrintsSevenDigits) {
  struct Case {
    const char* text;
    const char* printed;
  };
  for (const auto& c : {Case{"2016-12-21T03:24:34Z", "2016-12-21T03:24:34.0000000Z"},
                        Case{"2016-12-21 03:24:34.5", "2016-12-21T03:24:34.5000000Z"},
                        Case{"2016-12-21T03:24:34.1234567+08:00", "2016-12-20T19:24:34.1234567Z"},
                        Case{"2016-12-21", "2016-12-21T00:00:00.0000000Z"}, Case{"0001-01-01", "0001-01-01T00:00:00.0000000Z"},
                        Case{"9999-12-31T23:59:59.9999999z", "9999-12-31T23:59:59.9999999Z"}}) {
    const auto ticks = parse_datetime(c.text);
    ASSERT_TRUE(ticks) << c.text;
    EXPECT_EQ(datetime_text(*ticks), c.printed);
  }
}

TEST(Datetime, RefusesWhatIsNoTime) {
  for (const auto* text : {"", "2016", "2016-13-01", "2016-02-30", "2016-12-21T24:00:00", "2016-12-21T03:24:34.12345678Z",
                           "2016-12-21T03:24:34Zx", "21.12.2016", "0000-01-01"}) {
    EXPECT_FALSE(parse_datetime(text)) << text;
  }
}

TEST(Datetime, ConvertsToTheLogsTimestampsAndBack) {
  const auto ticks = *parse_datetime("2016-12-21T03:24:34.528002Z");
  EXPECT_EQ(to_ticks(to_timestamp(ticks)), ticks);
  EXPECT_EQ(to_timestamp(ticks).time_since_epoch().count(), 1482290674528002);
}

TEST(Numbers, AreReadAsTheLanguageSays) {
  EXPECT_EQ(parse_bigint(" +12 "), 12);
  EXPECT_EQ(parse_bigint("-9223372036854775808"), INT64_MIN);
  for (const auto* text : {"", "12.7", "0x10", "1e3", "9223372036854775808", "+-1"}) EXPECT_FALSE(parse_bigint(text)) << text;
  EXPECT_EQ(parse_float(" 1e3"), 1000.0);
  EXPECT_EQ(parse_float(".5"), 0.5);
  for (const auto* text : {"", "NaN", "Infinity", "1e999", "1,5"}) EXPECT_FALSE(parse_float(text)) << text;
}

TEST(Floats, PrintShortestAndStayFloats) {
  EXPECT_EQ(float_text(5), "5.0");
  EXPECT_EQ(float_text(0.1), "0.1");
  EXPECT_EQ(float_text(1e300), "1e+300");
}

TEST(Json, WritesValuesSoThatTheyReadBack) {
  std::string out;
  append_json(out, Value::characters("a\"\\\n\x01"));
  EXPECT_EQ(out, R"("a\"\\\n\u0001")");
  out.clear();
  append_json(out, Value::real(979.171, "979.171000"));
  EXPECT_EQ(out, "979.171000");
}

TEST(Arena, KeepsTextsWhereTheyAreUntilCleared) {
  Arena arena;
  std::vector<std::string_view> kept;
  for (int i = 0; i < 20'000; ++i) kept.push_back(arena.keep("text " + std::to_string(i)));
  kept.push_back(arena.keep(std::string(100'000, 'x')));
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(kept[static_cast<std::size_t>(i)], "text " + std::to_string(i));
  EXPECT_EQ(kept.back().size(), 100'000u);
}

}  // namespace
}  // namespace meterhub::engine
