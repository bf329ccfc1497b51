#include <meterhub/net/accept_rate.h>

#include <gtest/gtest.h>

namespace meterhub::net {
namespace {

using namespace std::chrono_literals;

TEST(AcceptRate, AllowsTheBurstAndThenTheSteadyRate) {
  AcceptRate rate(10, 3, 0ns);
  base::MonotonicTime now{};
  const auto from = Address::v4(0x0a000001, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rate.admit(from, now));
  EXPECT_FALSE(rate.admit(from, now));
  now += 100ms;
  EXPECT_TRUE(rate.admit(from, now));
  EXPECT_FALSE(rate.admit(from, now));
}

TEST(AcceptRate, GivesTokensAheadButNotTooFar) {
  AcceptRate rate(10, 1, 250ms);
  base::MonotonicTime now{};
  const auto from = Address::v4(0x0a000001, 1);
  EXPECT_EQ(rate.admit(from, now), 0ms);
  EXPECT_EQ(rate.admit(from, now), 100ms);
  EXPECT_EQ(rate.admit(from, now), 200ms);
  EXPECT_FALSE(rate.admit(from, now));
  EXPECT_FALSE(rate.admit(from, now));
  now += 100ms;
  EXPECT_EQ(rate.admit(from, now), 200ms);
  EXPECT_FALSE(rate.admit(from, now));
}

TEST(AcceptRate, OneAddressDoesNotSlowAnother) {
  AcceptRate rate(1, 1, 0ns);
  EXPECT_TRUE(rate.admit(Address::v4(1, 1), {}));
  EXPECT_FALSE(rate.admit(Address::v4(1, 2), {}));
  EXPECT_TRUE(rate.admit(Address::v4(2, 1), {}));
}

TEST(AcceptRate, CountsASixtyFourOfIpv6AsOne) {
  AcceptRate rate(1, 1, 0ns);
  EXPECT_TRUE(rate.admit(*Address::parse("2001:db8::1"), {}));
  EXPECT_FALSE(rate.admit(*Address::parse("2001:db8::ffff"), {}));
  EXPECT_TRUE(rate.admit(*Address::parse("2001:db8:0:1::1"), {}));
}

TEST(AcceptRate, SharesOneBucketWhenTooManyAddressesAreBusy) {
  AcceptRate rate(1, 1, 0ns);
  for (std::uint32_t i = 1; i <= 65'536; ++i) ASSERT_TRUE(rate.admit(Address::v4(i, 1), {}));
  EXPECT_TRUE(rate.admit(Address::v4(100'001, 1), {}));
  EXPECT_FALSE(rate.admit(Address::v4(100'002, 1), {}));
}

}  // namespace
}  // namespace meterhub::net
