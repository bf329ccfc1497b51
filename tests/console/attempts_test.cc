#include "attempts.h"

#include <gtest/gtest.h>

namespace meterhub::console {
namespace {

TEST(Attempts, ForgetsTheAddressThatWasWrongLongestAgo) {
  Attempts attempts;
  base::MonotonicTime now{std::chrono::hours(1)};
  const auto first = net::Address::v4(1, 0);
  for (std::uint32_t n = 0; n < Attempts::kWrongMax; ++n) attempts.wrong(first, now);
  EXPECT_TRUE(attempts.is_limited(net::Address::v4(1, 4711), now)) << "another port is the same address";
  for (std::uint32_t n = 0; n < Attempts::kAddressesMax; ++n) {
    now += std::chrono::milliseconds(1);
    attempts.wrong(net::Address::v4(2 + n, 0), now);
  }
  EXPECT_FALSE(attempts.is_limited(first, now));
}

TEST(Attempts, AMinuteBeginsWithItsFirstWrongKey) {
  Attempts attempts;
  base::MonotonicTime now{std::chrono::hours(1)};
  const auto from = net::Address::v4(1, 0);
  attempts.wrong(from, now);
  now += Attempts::kWindow;
  for (std::uint32_t n = 1; n < Attempts::kWrongMax; ++n) attempts.wrong(from, now);
  EXPECT_FALSE(attempts.is_limited(from, now));
  attempts.wrong(from, now);
  EXPECT_TRUE(attempts.is_limited(from, now));
  EXPECT_FALSE(attempts.is_limited(from, now + Attempts::kWindow));
}

}  // namespace
}  // namespace meterhub::console
