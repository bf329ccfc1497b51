#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <meterhub/lake/layout.h>

namespace meterhub::lake {
namespace {

TEST(Layout, PathsAreByDateHourAndShard) {
  const Hour hour = parse_hour("2016-12-21T03").value();
  EXPECT_EQ(base_path(hour, base::Shard(7)), "readings/date=2016-12-21/hour=03/shard-07.parquet");
  EXPECT_EQ(late_path(hour, base::Shard(63), 12), "readings/date=2016-12-21/hour=03/late-63-12.parquet");
  EXPECT_EQ(hour_of(base::Timestamp(std::chrono::seconds(1'482'290'674))), hour);
  EXPECT_EQ(end_of(hour), base::Timestamp(std::chrono::seconds(1'482'292'800)));
}

TEST(Layout, HoursAreReadBackAndNonsenseIsRefused) {
  for (const std::int64_t value : {0ll, 23ll, 411'747ll, 585'000ll}) {
    EXPECT_EQ(parse_hour(text_of(Hour(value))).value(), Hour(value));
  }
  for (const char* bad : {"", "2016-12-21", "2016-13-01T00", "2016-02-30T00", "2016-12-21T24", "2016-12-21 03", "20x6-12-21T03"}) {
    EXPECT_FALSE(parse_hour(bad)) << bad;
  }
}

TEST(Layout, PartitionsShareAllShards) {
  std::size_t shards = 0;
  for (std::uint32_t p = 0; p < 5; ++p) {
    const Owner owner{.partition = base::PartitionId(p), .partitions = 5, .epoch = {}};
    for (const auto shard : owner.shards()) EXPECT_TRUE(owner.owns(shard));
    shards += owner.shards().size();
  }
  EXPECT_EQ(shards, base::kShards);
}

}  // namespace
}  // namespace meterhub::lake
