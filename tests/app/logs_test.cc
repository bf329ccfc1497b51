#include "logs.h"

#include "folder.h"
#include "log_fixture.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

class BacklogTest : public LogFixture {};

TEST_F(BacklogTest, CountsWhatAGroupHasNotReadAndTheAgeOfItsOldest) {
  put(at(log::topics::kReadings, 1), packet("meter", 0));
  put(at(log::topics::kReadings, 1), packet("meter", 1));
  put(at(log::topics::kReadings, 3), packet("meter", 2));
  const auto behind = backlog(log_, log::groups::kArchive, log::topics::kReadings, clock_.now());
  ASSERT_TRUE(behind) << behind.error().text;
  EXPECT_EQ(behind->records, 3U);
  EXPECT_EQ(behind->age, std::chrono::seconds(3));
}

TEST_F(BacklogTest, IsEmptyForAnEmptyLog) {
  const auto behind = backlog(log_, log::groups::kArchive, log::topics::kReadings, clock_.now());
  ASSERT_TRUE(behind);
  EXPECT_EQ(behind->records, 0U);
  EXPECT_EQ(behind->age, base::Duration(0));
}

TEST_F(BacklogTest, ReadingsAreCompleteOnlyWhenNobodyBeforeThemHasAnythingToRead) {
  EXPECT_EQ(complete_until(log_), clock_.now());
  put(at(log::topics::kDecoded), packet("meter", 0));
  EXPECT_EQ(complete_until(log_), std::nullopt);
}

TEST_F(BacklogTest, WhatAConnectorOutsideHasStillToReadIsNotKnown) {
  put(at(log::topics::kTelemetry), packet("gw", 0));
  EXPECT_EQ(complete_until(log_), std::nullopt);
  EXPECT_EQ(complete_until(log_, TelemetryReader::kOutside), clock_.now());
  EXPECT_EQ(caught_up_to(log_, TelemetryReader::kOutside), clock_.now());
  put(at(log::topics::kDecoded), packet("meter", 0));
  EXPECT_EQ(complete_until(log_, TelemetryReader::kOutside), std::nullopt);
}

TEST(OpenLogs, RefusesTheMemoryEngineWhereALakeCountsOffsets) {
  const Folder folder;
  base::PosixDisk disk;
  ASSERT_TRUE(disk.make_directories(folder.path() + "/lake/_manifest"));
  const auto settings = base::Settings::load(settings_table(), {std::nullopt, {}, {{"log.engine", "memory"}}});
  ASSERT_TRUE(settings);
  base::ManualClock clock;
  base::ManualExecutor writer(clock);
  base::Metrics metrics;
  const auto opened = open_logs(*settings, DataPaths{folder.path()}, clock, writer, metrics, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, base::Errc::kPrecondition);
}

}  // namespace
}  // namespace meterhub::app
