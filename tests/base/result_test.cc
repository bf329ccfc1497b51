#include <meterhub/base/result.h>

#include <gtest/gtest.h>

namespace meterhub::base {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::kInvalidArgument, "odd");
  return n / 2;
}

Result<int> quarter(int n) {
  const int h = MH_TRY(half(n));
  return MH_TRY(half(h));
}

TEST(Result, TryGivesTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::kInvalidArgument);
}

TEST(Error, SaysWhereItPassed) {
  auto error = Error(Errc::kIo, "no space left").in("segment 7").in("log");
  EXPECT_EQ(error.text, "log: segment 7: no space left");
}

TEST(ErrorClass, SettlesTelemetryNeverWithAConditionTheDeviceTakesForSuccess) {
  EXPECT_EQ(error_class(Errc::kTooLarge).amqp_condition, "amqp:link:message-size-exceeded");
  EXPECT_EQ(error_class(Errc::kThrottled).http_status, 429);
  EXPECT_TRUE(error_class(Errc::kUnavailable).retry);
}

}  // namespace
}  // namespace meterhub::base
