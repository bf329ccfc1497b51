#include <meterhub/base/time_text.h>

#include <gtest/gtest.h>

namespace meterhub::base {
namespace {

TEST(TimeText, KeepsTheDigitsItCameWith) {
  for (const auto* text : {"2016-12-21T03:24:34Z", "2016-12-21T03:24:34.5Z", "2016-12-21T03:24:34.528002Z",
                           "2016-12-21T01:00:00.250Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59.000001Z", "1969-12-31T23:59:59.9Z"}) {
    const auto time = parse_rfc3339(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(rfc3339(*time), text);
  }
}

TEST(TimeText, ReadsTheBasicFormOffsetsAndLongFractions) {
  EXPECT_EQ(rfc3339(*parse_rfc3339("20161221T032434.5Z")), "2016-12-21T03:24:34.5Z");
  EXPECT_EQ(rfc3339(*parse_rfc3339("2016-12-21T11:24:34+08:00")), "2016-12-21T03:24:34Z");
  EXPECT_EQ(rfc3339(*parse_rfc3339("2016-12-21 03:24:34.123456789Z")), "2016-12-21T03:24:34.123456Z");
  EXPECT_EQ(rfc3339(*parse_rfc3339("2016-12-31T23:59:60Z")), "2016-12-31T23:59:59Z");
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const auto* text : {"", "2016", "2016-13-41T99:00:00Z", "2016-02-30T00:00:00Z", "2016-12-21T03:24:34", "2016-12-21T03:24:34.Z",
                           "2016-12-21T24:00:00Z", "2016-12-21T03:24:34Zx", "2016-12-21T03:24:34+25:00", "2016-1221T032434Z",
                           "9999-12-31T23:59:59-00:01", "0000-01-01T00:00:00+00:01"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(TimeText, UsesAsFewGroupsOfDigitsAsHoldTheTime) {
  const Timestamp second(std::chrono::seconds(1'482'290'674));
  EXPECT_EQ(rfc3339(second), "2016-12-21T03:24:34Z");
  EXPECT_EQ(rfc3339(second + std::chrono::milliseconds(250)), "2016-12-21T03:24:34.250Z");
  EXPECT_EQ(rfc3339(second + std::chrono::microseconds(1)), "2016-12-21T03:24:34.000001Z");
}

}  // namespace
}  // namespace meterhub::base
