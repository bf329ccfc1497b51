#include "accept_rate.h"

#include <gtest/gtest.h>

namespace meterhub::net {
namespace {

using namespace std::chrono_literals;

TEST(AcceptRate, AllowsTheBurstAndThenTheSteadyRate) {
  AcceptRate rate(10, 3);
  base::MonotonicTime now{};
  const auto from = Address::v4(0x0a000001, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rate.allow(from, now));
  EXPECT_FALSE(rate.allow(from, now));
  now += 100ms;
  EXPECT_TRUE(rate.allow(from, now));
  EXPECT_FALSE(rate.allow(from, now));
}

TEST(AcceptRate, OneAddressDoesNotSlowAnother) {
  AcceptRate rate(1, 1);
  EXPECT_TRUE(rate.allow(Address::v4(1, 1), {}));
  EXPECT_FALSE(rate.allow(Address::v4(1, 2), {}));
  EXPECT_TRUE(rate.allow(Address::v4(2, 1), {}));
}

TEST(AcceptRate, CountsASixtyFourOfIpv6AsOne) {
  AcceptRate rate(1, 1);
  EXPECT_TRUE(rate.allow(*Address::parse("2001:db8::1"), {}));
  EXPECT_FALSE(rate.allow(*Address::parse("2001:db8::ffff"), {}));
  EXPECT_TRUE(rate.allow(*Address::parse("2001:db8:0:1::1"), {}));
}

TEST(AcceptRate, SharesOneBucketWhenTooManyAddressesAreBusy) {
  AcceptRate rate(1, 1);
  for (std::uint32_t i = 1; i <= 65'536; ++i) ASSERT_TRUE(rate.allow(Address::v4(i, 1), {}));
  EXPECT_TRUE(rate.allow(Address::v4(100'001, 1), {}));
  EXPECT_FALSE(rate.allow(Address::v4(100'002, 1), {}));
}

}  // namespace
}  // namespace meterhub::net
