#include <meterhub/crypto/secret.h>

#include <gtest/gtest.h>

#include <algorithm>

namespace meterhub::crypto {
namespace {

using base::as_bytes;

TEST(Secret, ComparesContentAndLength) {
  EXPECT_TRUE(equal_constant_time({}, {}));
  EXPECT_TRUE(equal_constant_time(as_bytes("abc"), as_bytes("abc")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abd")));
  EXPECT_FALSE(equal_constant_time(as_bytes("abc"), as_bytes("abcd")));
}

TEST(Secret, WipesBytesAndText) {
  base::Bytes bytes(40, 0x55);
  wipe(std::span<std::uint8_t>());
  wipe(std::span(bytes));
  EXPECT_TRUE(std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; }));
  std::string text = "key";
  wipe(text);
  EXPECT_TRUE(text.empty());
}

TEST(Secret, MakesDifferentRandomBytesEachTime) {
  EXPECT_NE(random_bytes(32), random_bytes(32));
  EXPECT_NE(random_array<16>(), random_array<16>());
}

}  // namespace
}  // namespace meterhub::crypto
