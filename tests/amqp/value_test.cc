#include <meterhub/amqp/value.h>

#include <gtest/gtest.h>

#include "hex.h"

namespace meterhub::amqp {
namespace {

using base::as_text;
using base::Bytes;

Value parsed(const Bytes& bytes) {
  auto value = Value::parse(bytes);
  EXPECT_TRUE(value) << (value ? "" : value.error().text);
  return value.value_or(Value{});
}

bool refused(std::string_view text) {
  const Bytes bytes = hex(text);
  return !Value::parse(bytes);
}

// Every primitive encoding of part 1, section 1.6.
TEST(Value, ReadsUnsignedIntegersOfAllWidths) {
  EXPECT_EQ(parsed(hex("50 ff")).unsigned_integer(), 255);
  EXPECT_EQ(parsed(hex("60 01 00")).unsigned_integer(), 256);
  EXPECT_EQ(parsed(hex("70 80 01 37 00")).unsigned_integer(), 0x80013700);
  EXPECT_EQ(parsed(hex("52 07")).unsigned_integer(), 7);
  EXPECT_EQ(parsed(hex("43")).unsigned_integer(), 0);
  EXPECT_EQ(parsed(hex("80 00 00 46 8c 00 00 00 04")).unsigned_integer(), 77567109365764u);
  EXPECT_EQ(parsed(hex("53 78")).unsigned_integer(), 0x78);
  EXPECT_EQ(parsed(hex("44")).unsigned_integer(), 0);
  EXPECT_EQ(parsed(hex("80 ff ff ff ff ff ff ff ff")).integer(), std::nullopt);
}

TEST(Value, ReadsSignedIntegersOfAllWidths) {
  EXPECT_EQ(parsed(hex("51 ff")).signed_integer(), -1);
  EXPECT_EQ(parsed(hex("61 ff fe")).signed_integer(), -2);
  EXPECT_EQ(parsed(hex("71 ff ff ff fd")).signed_integer(), -3);
  EXPECT_EQ(parsed(hex("54 80")).signed_integer(), -128);
  EXPECT_EQ(parsed(hex("81 80 00 00 00 00 00 00 00")).signed_integer(), INT64_MIN);
  EXPECT_EQ(parsed(hex("55 7f")).integer(), 127);
}

TEST(Value, ReadsTheOtherPrimitives) {
  EXPECT_TRUE(parsed(hex("40")).is_null());
  EXPECT_EQ(parsed(hex("41")).boolean(), true);
  EXPECT_EQ(parsed(hex("56 00")).boolean(), false);
  EXPECT_EQ(parsed(hex("72 3f 80 00 00")).floating(), 1.0);
  EXPECT_EQ(parsed(hex("82 c0 00 00 00 00 00 00 00")).floating(), -2.0);
  EXPECT_EQ(parsed(hex("83 00 00 00 00 00 00 03 e8")).timestamp_ms(), 1000);
  EXPECT_EQ(parsed(hex("73 00 00 00 41")).type(), Type::kChar);
  EXPECT_EQ(parsed(hex("94 00000000000000000000000000000000")).type(), Type::kDecimal128);
  EXPECT_EQ(parsed(hex("98 000102030405060708090a0b0c0d0e0f")).uuid()->size(), 16u);
  EXPECT_EQ(as_text(*parsed(hex("a0 02 68 69")).binary()), "hi");
  EXPECT_EQ(parsed(hex("b1 00 00 00 02 68 69")).string(), "hi");
  EXPECT_EQ(parsed(hex("a3 02 68 69")).symbol(), "hi");
  EXPECT_EQ(parsed(hex("a3 02 68 69")).string(), std::nullopt);
}

TEST(Value, WalksListsMapsAndArrays) {
  const Bytes list = hex("c0 04 03 41 52 05");  // true, 5, and a third that is missing
  EXPECT_FALSE(Value::parse(list));
  const Bytes map = hex("c1 09 04 a3 01 61 54 ff a1 01 62 40");
  EXPECT_FALSE(Value::parse(map));  // its size leaves a byte over
  const Bytes right = hex("c1 0a 04 a3 01 61 54 ff a1 01 62 40");
  EXPECT_EQ(parsed(right).find("a")->integer(), -1);
  EXPECT_TRUE(parsed(right).find("b")->is_null());
  EXPECT_FALSE(parsed(right).find("c"));
  const Bytes array = hex("e0 08 02 a3 01 78 03 79 7a 7a");
  EXPECT_TRUE(parsed(array).contains_symbol("x"));
  EXPECT_TRUE(parsed(array).contains_symbol("yzz"));
  EXPECT_FALSE(parsed(array).contains_symbol("y"));
  EXPECT_TRUE(parsed(hex("45")).items().next() == std::nullopt);
}

TEST(Value, TakesDescribedValuesApart) {
  const Bytes filter = hex("00 80 00 00 46 8c 00 00 00 04 a1 03 61 20 3e");
  const Value value = parsed(filter);
  EXPECT_EQ(value.type(), Type::kDescribed);
  EXPECT_TRUE(value.has_descriptor(0x468c00000004, "apache.org:selector-filter:string"));
  EXPECT_EQ(value.described()->string(), "a >");
  // A descriptor on a described value.
  const Bytes twice = hex("00 53 01 00 53 02 52 03");
  EXPECT_EQ(parsed(twice).described()->described()->integer(), 3);
  // An array of described elements.
  const Bytes array = hex("e0 07 02 00 53 09 50 01 02");
  Items items = parsed(array).items();
  EXPECT_EQ(items.next()->described()->integer(), 1);
  EXPECT_EQ(items.next()->described()->integer(), 2);
  EXPECT_FALSE(items.next());
}

TEST(Value, RefusesWhatLiesAboutItself) {
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("01"));                                   // no such constructor
  EXPECT_TRUE(refused("b0 ff ff ff ff"));                       // 4 GiB that are not there
  EXPECT_TRUE(refused("a1 05 61"));
  EXPECT_TRUE(refused("d0 00 00 00 04 ff ff ff ff"));           // 4 G items in no bytes
  EXPECT_TRUE(refused("d0 00 00 00 03 00 00 00"));              // no room for its own count
  EXPECT_TRUE(refused("c1 03 01 a3 00"));                       // a key without a value
  EXPECT_TRUE(refused("f0 00 00 00 05 ff ff ff ff 40"));        // 4 G nulls
  EXPECT_TRUE(refused("56 02"));
  EXPECT_TRUE(refused("00 53"));
  EXPECT_TRUE(refused("40 40"));
}

TEST(Value, RefusesDeepNesting) {
  Bytes bytes;
  for (int i = 0; i < 100; ++i) {
    Bytes outer = {0xd0, 0, 0, 0, static_cast<std::uint8_t>(4 + bytes.size()), 0, 0, 0, 1};
    if (bytes.empty()) outer = {0x45};
    outer.insert(outer.end(), bytes.begin(), bytes.end());
    bytes = outer;
    EXPECT_EQ(Value::parse(bytes).has_value(), i <= Value::kMaxDepth) << i;
    if (i > Value::kMaxDepth) return;
  }
  const Bytes descriptors(1000, 0x00);
  EXPECT_FALSE(Value::parse(descriptors));
}

TEST(Writer, UsesTheShortestForm) {
  Bytes out;
  Writer w(out);
  w.uint32(0);
  w.uint32(255);
  w.uint32(256);
  w.int64(-128);
  w.int64(-129);
  w.boolean(true);
  w.symbol("a");
  EXPECT_EQ(out, hex("43 52ff 7000000100 5580 81ffffffffffffff7f 41 a30161"));
}

TEST(Writer, NestsAndShrinksCompounds) {
  Bytes out;
  Writer w(out);
  w.descriptor(0x74);
  w.begin_map();
  w.string("k");
  w.begin_list();
  w.int32(1);
  w.end();
  w.end();
  EXPECT_EQ(out, hex("00 53 74 c1 09 02 a1 01 6b c0 03 01 54 01"));
  EXPECT_EQ(parsed(out).described()->find("k")->items().next()->integer(), 1);
}

TEST(Writer, KeepsTheWideFormForLongContent) {
  Bytes out;
  Writer w(out);
  w.begin_list();
  for (int i = 0; i < 300; ++i) w.null();
  w.end();
  EXPECT_EQ(out[0], 0xd0);
  EXPECT_EQ(parsed(out).size(), 300u);
  Bytes arrays;
  const std::string_view texts[] = {"one", "two"};
  Writer(arrays).array_of_strings(texts);
  EXPECT_EQ(parsed(arrays).items().next()->string(), "one");
  EXPECT_EQ(parsed(arrays).size(), 2u);
}

}  // namespace
}  // namespace meterhub::amqp
