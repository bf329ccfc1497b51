#include "packed.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace meterhub::engine {
namespace {

constexpr std::string_view kZeroInside("a\0b", 3);

std::vector<Value> samples() {
  return {Value::null(),
          Value::bigint(0),
          Value::bigint(-1),
          Value::bigint(INT64_MAX),
          Value::bigint(INT64_MIN),
          Value::real(0.1),
          Value::real(-0.0),
          Value::real(979.171, "979.171000"),
          Value::real(std::numeric_limits<double>::denorm_min()),
          Value::real(-std::numeric_limits<double>::max()),
          Value::characters(""),
          Value::characters(kZeroInside),
          Value::characters("重庆燃气"),
          Value::characters("8c4f1e00d2a3b5c7"),
          Value::datetime(0),
          Value::datetime(*parse_datetime("2026-11-26T08:00:00.1234567Z")),
          Value::bit(false),
          Value::bit(true),
          Value::record(R"({"a":1.50})"),
          Value::array("[1, 2]")};
}

void expect_same(const Value& a, const Value& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.integer, b.integer);  // of a float the bits
}

std::string key(const Value& value) {
  std::string out;
  append_key(out, value);
  return out;
}

std::string random_bytes(std::mt19937_64& random) {
  std::string bytes(random() % 40, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() % 12 : random());
  return bytes;
}

TEST(Packed, GivesBackEveryValueAsItWas) {
  std::string bytes;
  for (const auto& value : samples()) pack(bytes, value);
  Unpacker from(bytes);
  for (const auto& value : samples()) expect_same(from.value(), value);
  EXPECT_TRUE(from.ok());
  EXPECT_TRUE(from.done());
}

TEST(Packed, GivesBackNumbersOfEverySize) {
  std::string bytes;
  for (int bit = 0; bit < 64; ++bit) {
    pack_number(bytes, std::uint64_t{1} << bit);
    pack_signed(bytes, INT64_MIN >> bit);
    pack_signed(bytes, INT64_MAX >> bit);
  }
  pack_number(bytes, UINT64_MAX);
  Unpacker from(bytes);
  for (int bit = 0; bit < 64; ++bit) {
    ASSERT_EQ(from.number(), std::uint64_t{1} << bit);
    ASSERT_EQ(from.signed_number(), INT64_MIN >> bit);
    ASSERT_EQ(from.signed_number(), INT64_MAX >> bit);
  }
  EXPECT_EQ(from.number(), UINT64_MAX);
  EXPECT_TRUE(from.ok() && from.done());
}

TEST(Packed, TakesFewBytesForWhatIsUsual) {
  std::string bytes;
  pack(bytes, Value::bigint(-5));
  EXPECT_EQ(bytes.size(), 2u);
  EXPECT_EQ(key(Value::characters("8c4f1e00d2a3b5c7")).size(), 9u);
}

TEST(Packed, SaysWhenBytesEndEarly) {
  for (const auto& value : samples()) {
    std::string bytes;
    pack(bytes, value);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      Unpacker from(std::string_view(bytes).substr(0, size));
      const auto got = from.value();
      EXPECT_FALSE(from.ok());
      EXPECT_TRUE(from.done());
      EXPECT_TRUE(got.text.empty());
      EXPECT_EQ(from.number(), 0u);
      EXPECT_TRUE(from.bytes().empty());
      EXPECT_TRUE(from.value().is_null());
      EXPECT_FALSE(from.ok());
    }
  }
}

TEST(Packed, RefusesNumbersBeyond64BitsAndUnknownKinds) {
  for (const std::string& bytes :
       {std::string(11, '\x80'), std::string(9, '\xff') + '\x02', std::string(9, '\xff') + '\x7f'}) {
    Unpacker from(bytes);
    EXPECT_EQ(from.number(), 0u);
    EXPECT_FALSE(from.ok());
  }
  Unpacker unknown("\x0b");
  EXPECT_TRUE(unknown.value().is_null());
  EXPECT_FALSE(unknown.ok());
  std::string huge;
  pack_number(huge, UINT64_MAX);
  huge += "abc";
  Unpacker text(huge);
  EXPECT_TRUE(text.bytes().empty());
  EXPECT_FALSE(text.ok());
}

TEST(Packed, StandsAnyBytes) {
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 20'000; ++trial) {
    const auto bytes = random_bytes(random);
    Unpacker from(bytes);
    std::size_t values = 0;
    while (from.ok() && !from.done()) {
      const auto value = from.value();
      ++values;
      const bool inside = value.text.empty() || (value.text.data() >= bytes.data() &&
                                                 value.text.data() + value.text.size() <= bytes.data() + bytes.size());
      ASSERT_TRUE(inside);
    }
    ASSERT_LE(values, bytes.size());
    Arena arena;
    std::vector<Value> row(random() % 4);
    read_key(bytes, row, arena);
  }
}

TEST(Key, IsEqualForEqualValuesOnly) {
  const std::vector<std::vector<Value>> equal{
      {Value::bigint(1), Value::real(1.0), Value::real(1.0, "1.00"), Value::bit(true)},
      {Value::bigint(0), Value::real(-0.0), Value::bit(false)},
      {Value::characters("1")},
      {Value::characters("")},
      {Value::null()},
      {Value::real(0.1), Value::real(0.1, "0.10")},
      {Value::real(1e19)},
      {Value::bigint(INT64_MAX)},
      {Value::real(9223372036854775808.0)},
      {Value::datetime(1)},
      {Value::characters("8c4f1e00d2a3b5c7")},
      {Value::characters("8C4F1E00D2A3B5C7")},
      {Value::characters(kZeroInside)},
      {Value::characters("a")},
      {Value::record("{}")},
      {Value::array("{}")}};
  for (std::size_t i = 0; i < equal.size(); ++i) {
    for (const auto& value : equal[i]) {
      EXPECT_EQ(key(value), key(equal[i][0]));
      for (std::size_t j = 0; j < i; ++j) EXPECT_NE(key(value), key(equal[j][0])) << i << " and " << j;
    }
  }
}

TEST(Key, SortsEachKindInItsOrder) {
  const std::vector<Value> ordered{Value::null(),
                                   Value::bigint(INT64_MIN),
                                   Value::real(-3.0),
                                   Value::bigint(-1),
                                   Value::bit(false),
                                   Value::bigint(7),
                                   Value::bigint(INT64_MAX),
                                   Value::real(-1e300),
                                   Value::real(-0.5),
                                   Value::real(std::numeric_limits<double>::denorm_min()),
                                   Value::real(0.25),
                                   Value::real(1e300),
                                   Value::datetime(0),
                                   Value::datetime(1),
                                   Value::characters("0000000000000001"),
                                   Value::characters("f000000000000000"),
                                   Value::characters(""),
                                   Value::characters("a"),
                                   Value::characters(kZeroInside),
                                   Value::characters("aa"),
                                   Value::characters("é"),
                                   Value::record("{}"),
                                   Value::array("[]")};
  for (std::size_t i = 1; i < ordered.size(); ++i) EXPECT_LT(key(ordered[i - 1]), key(ordered[i])) << i;
}

// Otherwise ('a', 'b') and ('ab', '') would be one group.
TEST(Key, OfSeveralValuesIsEqualOnlyWhenEachIs) {
  std::mt19937_64 random(11);
  const auto values = samples();
  for (int trial = 0; trial < 5'000; ++trial) {
    std::vector<Value> a;
    std::vector<Value> b;
    bool same = true;
    for (int i = 0; i < 3; ++i) {
      a.push_back(values[random() % values.size()]);
      b.push_back(random() % 2 == 0 ? a.back() : values[random() % values.size()]);
      same = same && key(a.back()) == key(b.back());
    }
    std::string key_a;
    std::string key_b;
    for (const auto& value : a) append_key(key_a, value);
    for (const auto& value : b) append_key(key_b, value);
    ASSERT_EQ(key_a == key_b, same);
  }
}

TEST(Key, GivesItsValuesBack) {
  std::string bytes;
  for (const auto& value : samples()) append_key(bytes, value);
  std::vector<Value> values(samples().size());
  Arena arena;
  ASSERT_TRUE(read_key(bytes, values, arena));
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto expected = samples()[i];
    if (expected.kind == Kind::kFloat) expected.text = {};
    if (key_keeps(expected)) expect_same(values[i], expected);
    EXPECT_EQ(key(values[i]), key(expected));
  }
}

TEST(Key, SaysWhenItsBytesAreNone) {
  Arena arena;
  std::vector<Value> one(1);
  const std::vector<std::string> bad{"",
                                     std::string(1, '\0'),
                                     "\x02",
                                     "\x03"
                                     "1234567",
                                     "\x06"
                                     "abc",
                                     std::string("\x06"
                                                 "abc\0",
                                                 5),
                                     std::string("\x06"
                                                 "a\0\x02"
                                                 "b\0\0",
                                                 7),
                                     std::string("\x09"
                                                 "a\0\0",
                                                 4),
                                     std::string("\x01\x01", 2)};
  for (const auto& bytes : bad) EXPECT_FALSE(read_key(bytes, one, arena)) << testing::PrintToString(bytes);
}

}  // namespace
}  // namespace meterhub::engine
