#include "event_hubs.h"

#include <gtest/gtest.h>

#include "town.h"

namespace meterhub::console {
namespace {

TEST(EventHubContents, AreWhatRetentionHasLeftAndTheTimeOfTheNewest) {
  base::ManualClock clock;
  fleet::test::Town town(clock);
  const auto topic = *town.log.topic("readings");
  ASSERT_TRUE(town.log.declare({.name = "status", .partitions = 3}));
  town.put({topic, base::PartitionId(0)}, town.record({.fcnt = 1}));
  town.put({topic, base::PartitionId(2)}, town.record({.fcnt = 2}));
  clock.advance(std::chrono::seconds(5));
  town.put({topic, base::PartitionId(0)}, town.record({.fcnt = 3}));
  const auto hubs = measure_event_hubs(town.log, {"readings", "status", "no such log"});
  ASSERT_EQ(hubs.size(), 2u);
  EXPECT_EQ(hubs[0].name, "readings");
  EXPECT_EQ(hubs[0].events, 3u);
  EXPECT_EQ(hubs[0].newest, clock.now());
  EXPECT_EQ(hubs[1].events, 0u);
  std::string json;
  append_event_hubs(json, {hubs[1], {"a", 3, 7, base::Timestamp(std::chrono::seconds(1'500'000'000))}});
  EXPECT_EQ(json, R"([{"name":"status","partitions":)" + std::to_string(hubs[1].partitions) +
                      R"(,"events":0,"newest":null},{"name":"a","partitions":3,"events":7,"newest":"2017-07-14T02:40:00Z"}])");
}

}  // namespace
}  // namespace meterhub::console
