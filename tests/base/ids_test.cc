#include <meterhub/base/ids.h>

#include <gtest/gtest.h>

#include <array>

namespace meterhub::base {
namespace {

TEST(Eui64, ReadsBothCasesAndSeparators) {
  for (const auto* text : {"ffffffffffffff01", "FFFFFFFFFFFFFF01", "ff-ff-ff-ff-ff-ff-ff-01", "FF:FF:FF:FF:FF:FF:FF:01"}) {
    const auto eui = Eui64::parse(text);
    ASSERT_TRUE(eui) << text;
    EXPECT_EQ(eui->text(), "ffffffffffffff01");
  }
}

TEST(Eui64, RefusesWhatIsNotSixteenHexDigits) {
  for (const auto* text : {"", "ff", "ffffffffffffff0", "ffffffffffffff012", "ffffffffffffff0g", "-ffffffffffffff01", "f-fffffffffffff01"}) {
    EXPECT_FALSE(Eui64::parse(text)) << text;
  }
}

TEST(Shard, SpreadsDenseMeterNumbersEvenly) {
  std::array<int, kShards> count{};
  constexpr int kMeters = 64'000;
  for (std::uint32_t n = 1; n <= kMeters; ++n) ++count[shard_of(MeterNumber(n)).value];
  for (const int in_shard : count) EXPECT_NEAR(in_shard, kMeters / 64, 20);
}

TEST(Shard, IsTheSameForEver) {
  EXPECT_EQ(shard_of(MeterNumber(1)).value, 39);
  EXPECT_EQ(shard_of(MeterNumber(2)).value, 15);
  EXPECT_EQ(shard_of(MeterNumber(1'000'000)).value, 63);
}

}  // namespace
}  // namespace meterhub::base
