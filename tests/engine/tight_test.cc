#include "tight.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace meterhub::engine {
namespace {

// Its size; that it comes back as it was is checked.
std::size_t size_of(const Value& value) {
  std::string bytes;
  pack_tight(bytes, value);
  Unpacker from(bytes);
  Arena arena;
  const auto again = take_tight(from, arena);
  EXPECT_TRUE(from.ok() && from.done()) << value.text;
  EXPECT_EQ(again.kind, value.kind);
  EXPECT_EQ(again.text, value.text);
  EXPECT_EQ(again.integer, value.integer) << value.number;  // of a float the bits
  return bytes.size();
}

double number_of(std::string_view text) { return parse_float(text).value(); }

TEST(Tight, TakesReadingsOfThreeDecimalsInFourBytes) {
  for (const std::string text : {"123.456", "0.001", "0", "7", "979.171", "2000.000", "0.10"}) {
    EXPECT_LE(size_of(Value::real(number_of(text), text)), 4U) << text;
  }
}

TEST(Tight, GivesBackDigitsThatNobodyShouldWrite) {
  for (const std::string text : {"00.5", "-1.5", "1.", "1e3", "007", "+1", "123456789012345678", "0.1234567890123", "9.99999999999999999", "-0", "00"}) {
    size_of(Value::real(parse_float(text).value_or(1.5), text));
  }
  size_of(Value::real(2.0, "1.0"));  // digits of another number
}

TEST(Tight, TakesDifferencesOfDecimalsInThreeBytesUpToAnEighth) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto before = random() % 2'000'000;
    const auto step = 1 + random() % 127;
    const auto used = static_cast<double>(before + step) / 1000 - static_cast<double>(before) / 1000;
    ASSERT_LE(size_of(Value::real(used)), 3U) << before << ' ' << step;
    ASSERT_LE(size_of(Value::real(-used)), 3U) << before << ' ' << step;
  }
}

TEST(Tight, GivesBackEveryDouble) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200'000; ++i) {
    auto bits = random();
    if (i % 2 == 0) bits = (bits & ~(std::uint64_t{0x7FF} << 52)) | (1000 + random() % 50) << 52;
    bits &= ~std::uint64_t{0} << random() % 60;
    const auto number = std::bit_cast<double>(bits);
    if (std::isfinite(number)) size_of(Value::real(number));
  }
  for (const double number : {0.0, -0.0, 1e-4, 0.0005, 2097.151, 2097.152, std::numeric_limits<double>::max(), std::numeric_limits<double>::denorm_min()}) {
    size_of(Value::real(number));
    size_of(Value::real(-number));
  }
}

TEST(Tight, TakesEuisInNineBytes) {
  EXPECT_EQ(size_of(Value::characters("8c4f1e00d2a3b5c7")), 9U);
  for (const std::string text : {"8C4F1E00D2A3B5C7", "8c4f1e00d2a3b5cg", "8c4f1e00d2a3b5c", "8c4f1e00d2a3b5c71"}) size_of(Value::characters(text));
}

TEST(Tight, TakesTimesOfWholeSecondsInSixBytes) {
  for (const std::string text : {"2016-12-21T03:24:34Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"}) {
    EXPECT_LE(size_of(Value::characters(text)), 7U) << text;
  }
  EXPECT_LE(size_of(Value::characters("2016-12-21T03:24:34Z")), 6U);
}

TEST(Tight, GivesBackTextsThatLookLikeTimes) {
  for (const std::string text : {"2023-02-29T00:00:00Z", "1969-12-31T23:59:59Z", "2016-12-21T24:00:00Z", "2016-12-21T03:60:34Z", "2016-12-21 03:24:34Z",
                                 "2016-12-21T03:24:60Z", "2016-12-21T03:24:3:Z", "2016x12-21T03:24:34Z", "zzzz-zz-zzTzz:zz:zzZ", "\xff\xff\xff\xff-12-21T03:24:34Z",
                                 "12016-12-21T03:24:4Z", "", "2016-12-21T03:24:34.0Z"}) {
    size_of(Value::characters(text));
  }
}

TEST(Tight, ReadsWhatPackWrites) {
  for (const auto& value : {Value::null(), Value::bigint(7), Value::real(0.1), Value::real(979.171, "979.171"), Value::characters("x"),
                            Value::datetime(17), Value::bit(true), Value::record("{}")}) {
    std::string bytes;
    pack(bytes, value);
    Unpacker from(bytes);
    Arena arena;
    const auto again = take_tight(from, arena);
    EXPECT_TRUE(from.ok() && from.done());
    EXPECT_EQ(again.kind, value.kind);
    EXPECT_EQ(again.text, value.text);
    EXPECT_EQ(again.integer, value.integer);
  }
}

TEST(Tight, SaysOfTheUsualValuesThatTheyFollowAfterTheSameStep) {
  std::size_t known = 0;
  for (int tag = 0; tag < 256; ++tag) {
    const auto byte = same_step_byte(static_cast<std::uint8_t>(tag));
    if (!byte) continue;
    ++known;
    EXPECT_EQ(tag_of_same_step(*byte), tag);
  }
  EXPECT_EQ(known, 64U);
  for (Ticks step = 0; step < 100'000; step += 7) {
    std::string bytes;
    pack_step(bytes, step);
    EXPECT_FALSE(tag_of_same_step(static_cast<std::uint8_t>(bytes.front()))) << step;
  }
}

TEST(Tight, RefusesForeignBytes) {
  std::mt19937_64 random(9);
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes(random() % 12, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    Unpacker from(bytes);
    Arena arena;
    take_tight(from, arena);  // no more than that it ends
  }
  Unpacker from("\xff\x01");
  Arena arena;
  EXPECT_TRUE(take_tight(from, arena).is_null());
  EXPECT_FALSE(from.ok());
}

}  // namespace
}  // namespace meterhub::engine
