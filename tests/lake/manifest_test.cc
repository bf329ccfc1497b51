#include <gmock/gmock.h>

#include "lake_fixture.h"

namespace meterhub::lake {
namespace {

using base::Errc;
using base::Offset;

Record adding(std::uint64_t epoch, std::uint64_t from, std::uint64_t to, std::uint32_t partition = 3) {
  Record record{.owner = owner(epoch, partition), .from = Offset(from), .to = Offset(to), .fresh = {}, .base = {}, .late = {}, .drop = {}};
  record.fresh.push_back({.path = "fresh/p" + std::to_string(partition) + "-" + std::to_string(from) + ".parquet",
                          .hour = hour_of(kNoon),
                          .partition = base::PartitionId(partition),
                          .rows = to - from,
                          .by_identity = false,
                          .shards = {base::Shard(static_cast<std::uint8_t>(partition))}});
  return record;
}

Record closing(std::uint64_t epoch) {
  const base::Shard shard(3);
  const Hour noon = hour_of(kNoon);
  return {.owner = owner(epoch), .from = {}, .to = {}, .fresh = {},
          .base = {{.path = base_path(noon, shard), .hour = noon, .shard = shard, .rows = 10, .staged = "staging/x.parquet"}},
          .late = {}, .drop = {"fresh/p3-0.parquet"}};
}

TEST(Manifest, ARecordSurvivesAsJson) {
  Record record = closing(4);
  record.fresh = adding(4, 0, 10).fresh;
  record.late = {{.path = late_path(hour_of(kNoon), base::Shard(3), 9),
                  .hour = hour_of(kNoon),
                  .shard = base::Shard(3),
                  .rows = 1,
                  .staged = ""}};
  record.changes = {{.path = "changes/p3-1.parquet", .partition = base::PartitionId(3), .rows = 2}};
  EXPECT_EQ(parse_record(record_json(record, 7)).value(), record);
}

TEST(Manifest, AStateSurvivesAsACheckpoint) {
  State state;
  ASSERT_TRUE(apply(state, adding(1, 0, 10)));
  auto changing = adding(1, 10, 12);
  changing.changes = {{.path = "changes/p3-1.parquet", .partition = base::PartitionId(3), .rows = 2}};
  ASSERT_TRUE(apply(state, changing));
  ASSERT_TRUE(apply(state, closing(2)));
  state.sequence = 3;
  ASSERT_EQ(state.changes.size(), 1u);
  EXPECT_EQ(parse_checkpoint(checkpoint_json(state)).value(), state);
}

// Whoever keeps something made from a file knows by it that the file was replaced, also past a checkpoint.
TEST(Manifest, AStateKnowsWhichRecordPlacedAFile) {
  State state;
  const Hour noon = hour_of(kNoon);
  state.sequence = 6;
  ASSERT_TRUE(apply(state, closing(1)));
  state.sequence = 7;
  Record beside{.owner = owner(1), .from = {}, .to = {}, .fresh = {}, .base = {}, .late = {}, .drop = {}};
  beside.late = {{.path = late_path(noon, base::Shard(3), 9), .hour = noon, .shard = base::Shard(3), .rows = 1, .staged = ""}};
  ASSERT_TRUE(apply(state, beside));
  state = parse_checkpoint(checkpoint_json(state)).value();
  EXPECT_EQ(state.hours[noon].base[base::Shard(3)].record, 7U);
  EXPECT_EQ(state.hours[noon].late[0].record, 8U);
  ASSERT_TRUE(apply(state, closing(1)));
  EXPECT_EQ(state.hours[noon].base[base::Shard(3)].record, 8U);
}

TEST(Manifest, TextThatIsNotOursIsCorruptAndNeverLeavesTheLake) {
  const std::string good = record_json(closing(1), 1);
  for (const std::string& bad : {std::string(), std::string("[]"), std::string("{}"), good.substr(0, good.size() / 2),
                                 std::string(good).replace(good.find("fresh/p3"), 8, "../../p3"),
                                 std::string(good).replace(good.find("\"shard\":3"), 9, "\"shard\":64"),
                                 std::string(good).replace(good.find("\"partition\":3"), 13, "\"partition\":8"),
                                 std::string(good).replace(good.find("shard-03"), 8, "shard-04")}) {
    EXPECT_EQ(parse_record(bad).error().code, Errc::kCorrupt) << bad;
    EXPECT_EQ(parse_checkpoint(bad).error().code, Errc::kCorrupt) << bad;
  }
}

TEST(Manifest, AnOlderEpochIsFencedPerShard) {
  State state;
  ASSERT_TRUE(apply(state, adding(5, 0, 10)));
  const State before = state;
  EXPECT_EQ(apply(state, adding(4, 10, 20)).error().code, Errc::kFenced);
  EXPECT_EQ(apply(state, closing(4)).error().code, Errc::kFenced);
  EXPECT_EQ(state, before);
  EXPECT_TRUE(apply(state, adding(1, 0, 10, 4))) << "another partition has epochs of its own";
  EXPECT_TRUE(apply(state, adding(6, 10, 20)));
}

TEST(Manifest, TheSameReadingsAreNotAddedTwice) {
  State state;
  ASSERT_TRUE(apply(state, adding(1, 0, 10)));
  EXPECT_EQ(apply(state, adding(1, 0, 10)).error().code, Errc::kFenced);
}

TEST(Manifest, TwoHoldersSeeEachOthersCommits) {
  base::MemoryDisk disk;
  auto first = Manifest::open(disk, "lake").value();
  auto second = Manifest::open(disk, "lake").value();
  ASSERT_TRUE(first.commit(adding(1, 0, 10)));
  ASSERT_TRUE(second.commit(adding(1, 0, 10, 4)));
  ASSERT_TRUE(first.refresh());
  EXPECT_EQ(first.state(), second.state());
  EXPECT_EQ(first.state().sequence, 2u);
  EXPECT_EQ(Manifest::load(disk, "lake").value(), first.state());
}

TEST(Manifest, CheckpointsReplaceOldRecordsAndASleeperBehindThemIsFenced) {
  base::MemoryDisk disk;
  auto sleeper = Manifest::open(disk, "lake").value();
  auto busy = Manifest::open(disk, "lake").value();
  for (std::uint64_t n = 0; n < 3 * kRecordsPerCheckpoint; ++n) ASSERT_TRUE(busy.commit(adding(2, n, n + 1)));
  EXPECT_LT(disk.list("lake/_manifest").value().size(), kRecordsPerCheckpoint + 3);
  EXPECT_EQ(sleeper.commit(adding(1, 0, 10, 4)).error().code, Errc::kFenced);
  EXPECT_EQ(Manifest::load(disk, "lake").value(), busy.state());
}

TEST(Manifest, EveryCrashPointOfACommitLeavesTheOldOrTheNewState) {
  for (std::uint64_t point = 0;; ++point) {
    base::MemoryDisk memory;
    base::FaultyDisk disk(memory);
    auto manifest = Manifest::open(disk, "lake").value();
    ASSERT_TRUE(manifest.commit(adding(1, 0, 10)));
    disk.fail_from(point);
    const auto done = manifest.commit(adding(1, 10, 20));
    memory.forget_unsynced();
    const State found = Manifest::load(memory, "lake").value();
    EXPECT_EQ(found.sequence, done ? 2u : 1u) << point;
    if (done) break;
    ASSERT_LT(point, 20u);
  }
}

TEST(Manifest, ALakeThatIsNotThereIsEmpty) {
  const base::MemoryDisk disk;
  EXPECT_EQ(Manifest::load(disk, "nowhere").value(), State());
}

}  // namespace
}  // namespace meterhub::lake
