#include <meterhub/base/byte_io.h>

#include <gtest/gtest.h>

namespace meterhub::base {
namespace {

TEST(Crc32c, GivesThePublishedCheckValues) {
  EXPECT_EQ(crc32c(std::string_view("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720 B.4
}

TEST(Crc32c, ChainsOverBlocks) {
  const auto first = crc32c(as_bytes("1234"));
  EXPECT_EQ(crc32c(as_bytes("56789"), first), 0xE3069283u);
}

TEST(ByteIo, ReadsBackWhatWasWritten) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.number(std::uint8_t{7});
  writer.number(std::int64_t{-5});
  writer.text("meter");
  writer.number(std::uint32_t{0x01020304});
  EXPECT_EQ(bytes.substr(bytes.size() - 4), std::string("\x04\x03\x02\x01"));
  ByteReader reader(bytes);
  EXPECT_EQ(reader.number<std::uint8_t>(), 7);
  EXPECT_EQ(reader.number<std::int64_t>(), -5);
  EXPECT_EQ(reader.text(), "meter");
  EXPECT_EQ(reader.number<std::uint32_t>(), 0x01020304u);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteIo, SaysOnceAndForEverThatTheEndWasPassed) {
  ByteReader reader(std::string_view("\x05\x00", 2));
  EXPECT_EQ(reader.text(), "");
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.number<std::uint32_t>(), 0u);
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace meterhub::base
