#include "event_hubs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "folder.h"
#include "logs.h"
#include "settings_table.h"

namespace meterhub::app {
namespace {

using testing::HasSubstr;

class EventHubs : public testing::Test {
 protected:
  base::Result<base::Settings> settings(const std::string& text) {
    const auto path = folder_.path() + "/meterhub.toml";
    std::ofstream(path) << text;
    return base::Settings::load(settings_table(), {path, {}, {{"log.engine", "memory"}, {"log.quota", "1GB"}}});
  }
  std::string mistake(const std::string& text) {
    const auto loaded = settings(text);
    return loaded ? "none" : loaded.error().text;
  }

  const Folder folder_;
};

TEST_F(EventHubs, AreLogsByTheirNameWithPartitionsAndRetentionOfTheirOwn) {
  const auto loaded = settings("[event_hubs]\nretention = \"2h\"\n[event_hubs.orders]\npartitions = 6\nquota = \"5MB\"\n[event_hubs.log-book]\n"
                               "[event_hubs.a]\nretention = \"7d\"\n");
  ASSERT_TRUE(loaded) << loaded.error().text;
  const auto logs = event_hub_logs(*loaded, 1'000'000'000);
  ASSERT_EQ(logs.size(), 3u);
  EXPECT_EQ(logs[0].name, "a");
  EXPECT_EQ(logs[0].retention_age, std::chrono::days(7));
  EXPECT_EQ(logs[1].name, "log-book");
  EXPECT_EQ(logs[1].partitions, 4u);
  EXPECT_EQ(logs[1].retention_age, std::chrono::hours(2));
  EXPECT_EQ(logs[1].retention_bytes, 25'000'000u);  // half of 5 %: two have none of their own
  EXPECT_EQ(logs[2].name, "orders");
  EXPECT_EQ(logs[2].partitions, 6u);
  EXPECT_EQ(logs[2].retention_bytes, 5'000'000u);
}

TEST_F(EventHubs, AreThereWhenTheLogsAreOpen) {
  const auto loaded = settings("[event_hubs.orders]\npartitions = 6\n");
  ASSERT_TRUE(loaded) << loaded.error().text;
  base::ManualClock clock;
  base::ManualExecutor writer(clock);
  base::Metrics metrics;
  const auto log = open_logs(*loaded, DataPaths{folder_.path()}, clock, writer, metrics, {});
  ASSERT_TRUE(log) << log.error().text;
  EXPECT_EQ((*log)->partitions(*(*log)->topic("orders")), 6u);
  EXPECT_FALSE((*log)->topic("others"));
}

TEST_F(EventHubs, MayNotBearANameOfThePlatformOrOneThatNoAddressHolds) {
  for (const auto* name : {"telemetry", "readings", "decoded", "deadletter", "external", "messages", "devices", "job.trends.rows", "", "a/b",
                           "$cbs", "Orders", "-a", "a.", "a b", "\xc3\xa4"}) {
    EXPECT_NE(check_event_hub_name(name), "") << name;
  }
  EXPECT_NE(check_event_hub_name(std::string(65, 'a')), "");
  for (const auto* name : {"a", "orders", "log-book.2_old", "jobs"}) EXPECT_EQ(check_event_hub_name(name), "") << name;
  EXPECT_THAT(mistake("[event_hubs.readings]\n"), HasSubstr("event_hubs.readings: this name is the platform's own"));
}

TEST_F(EventHubs, ThereAreOnlySoMany) {
  std::string text;
  for (std::size_t n = 0; n < kEventHubsMax; ++n) text += fmt::format("[event_hubs.hub{}]\n", n);
  EXPECT_EQ(mistake(text), "none");
  EXPECT_THAT(mistake(text + "[event_hubs.more]\n"), HasSubstr("17 tables; at most 16 may be"));
}

}  // namespace
}  // namespace meterhub::app
