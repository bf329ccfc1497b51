#include "lake_readings.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <meterhub/history/history.h>

#include "town.h"

namespace meterhub::console {
namespace {

using namespace std::chrono_literals;

class LakeReadingsTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  fleet::test::Town town_{clock_};
  const std::string lake_ = (town_.directory / "lake").string();
  LakeReadings readings_{town_.disk, lake_, executor_};
  std::vector<base::Result<std::string>> answers_;

  void ask(std::uint32_t meter) {
    readings_.ask(base::Eui64(meter), clock_.now(), [this](auto answer) { answers_.push_back(std::move(answer)); });
  }
};

TEST_F(LakeReadingsTest, GivesTheNewestFiftyOfAMeterAsTheRingDoes) {
  const auto history = std::move(*history::History::start(town_.log, executor_, town_.disk, town_.metrics, {.directory = lake_}));
  for (std::uint32_t n = 1; n <= 60; ++n) {
    town_.say({.meter = 1, .fcnt = n, .used = 1'000 + n});
    town_.say({.meter = 2, .fcnt = n});
    clock_.advance(30s);
  }
  town_.say({.meter = 1, .fcnt = 61, .undecoded = true});
  executor_.run_for(20s);
  ask(1);
  executor_.run_ready();
  ASSERT_TRUE(answers_.at(0)) << answers_[0].error().text;
  const auto json = nlohmann::json::parse(*answers_[0]);
  ASSERT_EQ(json.size(), 50u);
  EXPECT_EQ(json[49]["seq"], 11);
  EXPECT_EQ(json[0], nlohmann::json::parse(R"({"time": "2023-11-14T22:42:50.000Z", "bought": 980.231, "left": 979.171,
    "used": 1.06, "status": 4, "version": "v1.0", "seq": 60, "gateways": 2, "rssi": -90, "snr": 5.5})"));
}

TEST_F(LakeReadingsTest, NoLakeIsNoReadings) {
  ask(1);
  executor_.run_ready();
  EXPECT_EQ(answers_.at(0).value(), "[]");
}

TEST_F(LakeReadingsTest, TooManyQuestionsAreToldToComeAgain) {
  for (int n = 0; n <= LakeReadings::kQueriesMax; ++n) ask(1);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].error().code, base::Errc::kResourceExhausted);
  executor_.run_ready();
  EXPECT_EQ(answers_.size(), 1u + LakeReadings::kQueriesMax);
  ask(1);
  EXPECT_EQ(answers_.size(), 1u + LakeReadings::kQueriesMax);
}

}  // namespace
}  // namespace meterhub::console
