// The memory that is told for many meters against that of as many.
#include "sql_forecast.h"

#include <gmock/gmock.h>

namespace meterhub::app {
namespace {

using testing::HasSubstr;

constexpr char kQuery[] = R"(
WITH flow AS (
  SELECT originData.app.moteeui AS DeviceID,
         userData.[used] - LAG(userData.[used]) OVER (PARTITION BY originData.app.moteeui LIMIT DURATION(hour, 1)) AS Used
  FROM EventHubInput TIMESTAMP BY userData.[time]
)
SELECT DeviceID, SUM(Used) AS Volume INTO ByMeter FROM flow WHERE Used >= 0 GROUP BY DeviceID, TumblingWindow(minute, 10)
SELECT m.District AS Place, COUNT(*) AS Packets INTO ByPlace FROM flow f JOIN Meters m ON f.DeviceID = m.DeviceID
GROUP BY m.District, TumblingWindow(minute, 10)
)";

TEST(SqlForecast, IsNearWhatAsManyMetersTake) {
  constexpr std::uint64_t kMeters = 16'000;
  constexpr std::chrono::seconds kEvery(300);
  const auto told = forecast_memory(kQuery, kMeters, kEvery, 4'000);
  const auto exact = forecast_memory(kQuery, kMeters, kEvery, kMeters);
  ASSERT_TRUE(told) << told.error().text;
  ASSERT_TRUE(exact);
  EXPECT_EQ(told->measured_meters, 4'000U);
  EXPECT_EQ(exact->measured_meters, kMeters);
  ASSERT_EQ(told->operators.size(), exact->operators.size());
  ASSERT_GE(told->operators.size(), 3U);
  for (std::size_t i = 0; i < told->operators.size(); ++i) {
    const auto& one = told->operators[i];
    const auto& other = exact->operators[i];
    EXPECT_EQ(one.step + one.what, other.step + other.what);
    EXPECT_NEAR(static_cast<double>(one.keys), static_cast<double>(other.keys), 0.1 * static_cast<double>(other.keys)) << one.what;
    EXPECT_NEAR(static_cast<double>(one.bytes), static_cast<double>(other.bytes), 0.3 * static_cast<double>(other.bytes)) << one.what;
  }
  // Per meter, and per place: those do not grow with the meters.
  EXPECT_EQ(exact->operators.front().keys, kMeters);
  EXPECT_LE(exact->operators.back().keys, 50U);
}

TEST(SqlForecast, SaysThatNothingIsKept) {
  const auto told = forecast_memory("SELECT a INTO o FROM i", 1'000'000, std::chrono::seconds(3'600), 100);
  ASSERT_TRUE(told) << told.error().text;
  EXPECT_THAT(told->text(), HasSubstr("nothing is kept between events"));
  EXPECT_THAT(told->text(), HasSubstr("1,000,000 meters"));
}

TEST(SqlForecast, SaysWhenItCannotTell) {
  const auto two = forecast_memory("SELECT a.x INTO o FROM i a JOIN j b ON a.x = b.x AND DATEDIFF(second, a, b) BETWEEN 0 AND 5", 100, std::chrono::seconds(30));
  ASSERT_FALSE(two);
  EXPECT_THAT(two.error().text, HasSubstr("more than one stream"));
}

}  // namespace
}  // namespace meterhub::app
