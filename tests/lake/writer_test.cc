// Goal: every reading is in the lake exactly once, whatever happened between two steps.
#include <gmock/gmock.h>

#include "lake_fixture.h"

namespace meterhub::lake {
namespace {

using base::Errc;
using base::Offset;
using namespace std::chrono_literals;

class WriterTest : public testing::Test {
 protected:
  std::unique_ptr<Writer> open(base::Disk& disk) { return Writer::open(disk, {.directory = folder_.path()}).value(); }
  const std::string& lake() const { return folder_.path(); }

  Folder folder_;
  base::PosixDisk disk_;
  Hour noon_ = hour_of(kNoon);
};

TEST_F(WriterTest, AppendedRowsAreReadableAtOnceWithAllTheirValues) {
  auto writer = open(disk_);
  auto rows = readings(owner(), 0, 1, kNoon);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(1), rows));
  auto connection = open_readonly(disk_, lake()).value();
  EXPECT_EQ(one(connection, "SELECT concat_ws('|', DateTime, MeterType, FactoryCode, Bought, Remaining, TotalUsed, "
                            "MeterStatus, MeterSoftwareVer, Tenant, Session, Generation, Seq, EnqueuedTime, Late, "
                            "Port, Gateways, BestRssi, BestSnr, Payload IS NULL) FROM readings"),
            "2026-03-01 12:00:00|2|1|1000.000|979.171|20.829|4|v1.0|7|1|0|0|2026-03-01 12:00:01|false|1|"
            "fffe020100000011,fffe020100000012|-13|9.5|true");
  EXPECT_EQ(one(connection, "SELECT DeviceID FROM readings"), rows[0].device);
  EXPECT_EQ(one(connection, "SELECT typeof(Bought) FROM readings"), "DECIMAL(12,3)");
}

TEST_F(WriterTest, AClosedHourIsOneSortedObjectPerShardUnderTheNinePlusEleven) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(500), readings(owner(), 0, 500, kNoon)));
  ASSERT_TRUE(writer->append(owner(), Offset(500), Offset(900), readings(owner(), 500, 400, kNoon)));
  tidy(*writer, owner(), noon_);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "900/900");
  EXPECT_EQ(from_view(lake(), kCountDistinct), "900/900");
  EXPECT_TRUE(writer->state().fresh.empty());
  EXPECT_EQ(from_glob(lake(), "SELECT string_agg(column_name, ',') FROM (DESCRIBE readings)"),
            "DeviceID,DateTime,MeterType,FactoryCode,Bought,Remaining,TotalUsed,MeterStatus,MeterSoftwareVer,Tenant,"
            "Session,Generation,Seq,EnqueuedTime,Late,Port,Gateways,BestRssi,BestSnr,Payload");
  for (const auto& [shard, file] : writer->state().hours.at(noon_).base) {
    EXPECT_TRUE(disk_.exists(lake() + "/" + base_path(noon_, shard)).value());
    auto connection = open_readonly(disk_, lake()).value();
    EXPECT_EQ(one(connection, "SELECT count(*) FROM (SELECT DeviceID, DateTime, lag((DeviceID, DateTime)) OVER () AS before "
                              "FROM read_parquet(" + duck::literal(lake() + "/" + base_path(noon_, shard)) +
                              ")) WHERE (DeviceID, DateTime) < before"),
              "0");
  }
}

TEST_F(WriterTest, WhatTheLakeAlreadyHasIsLeftOut) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(100), readings(owner(), 0, 100, kNoon)));
  ASSERT_TRUE(writer->append(owner(), Offset(50), Offset(150), readings(owner(), 50, 100, kNoon)));
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(150), readings(owner(), 0, 150, kNoon)));
  EXPECT_EQ(from_view(lake(), kCountDistinct), "150/150");
  EXPECT_EQ(writer->state().shards[owner().shards()[0].value].next, Offset(150));
}

TEST_F(WriterTest, ASleepingOwnerIsFencedAndChangesNothing) {
  auto sleeper = open(disk_);
  ASSERT_TRUE(sleeper->append(owner(1), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  auto newer = open(disk_);
  ASSERT_TRUE(newer->take_over(owner(2)));
  ASSERT_TRUE(newer->append(owner(2), Offset(10), Offset(20), readings(owner(), 10, 10, kNoon)));
  EXPECT_EQ(sleeper->append(owner(1), Offset(10), Offset(20), readings(owner(), 10, 10, kNoon)).error().code, Errc::kFenced);
  ASSERT_TRUE(sleeper->begin(owner(1), noon_, false));
  auto stepped = sleeper->step();
  while (stepped && *stepped) stepped = sleeper->step();
  EXPECT_EQ(stepped.error().code, Errc::kFenced);
  EXPECT_EQ(from_view(lake(), kCountDistinct), "20/20");
  EXPECT_TRUE(check(disk_, lake()).value().clean());
}

// It wakes after its heir has read where to go on, and before the heir wrote anything.
TEST_F(WriterTest, AnOwnerThatWakesBeforeItsHeirWritesIsFencedToo) {
  auto sleeper = open(disk_);
  ASSERT_TRUE(sleeper->append(owner(1), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  auto heir = open(disk_);
  ASSERT_TRUE(heir->take_over(owner(2)));
  EXPECT_EQ(sleeper->append(owner(1), Offset(10), Offset(15), readings(owner(), 10, 5, kNoon)).error().code, Errc::kFenced);
  ASSERT_TRUE(heir->append(owner(2), Offset(10), Offset(20), readings(owner(), 10, 10, kNoon)));
  EXPECT_EQ(from_view(lake(), kCountDistinct), "20/20");
  EXPECT_TRUE(check(disk_, lake()).value().clean());
}

TEST_F(WriterTest, AFewRowsAfterClosingGoBesideAndAreFoldedIn) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(900), readings(owner(), 0, 900, kNoon)));
  tidy(*writer, owner(), noon_);
  ASSERT_TRUE(writer->append(owner(), Offset(900), Offset(903), readings(owner(), 900, 3, kNoon + 1min)));
  tidy(*writer, owner(), noon_);
  EXPECT_FALSE(writer->state().hours.at(noon_).late.empty());
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "903/903");
  EXPECT_EQ(from_view(lake(), kCountDistinct), "903/903");
  tidy(*writer, owner(), noon_, true);
  EXPECT_TRUE(writer->state().hours.at(noon_).late.empty());
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "903/903");
  EXPECT_TRUE(check(disk_, lake()).value().clean());
}

TEST_F(WriterTest, StaleRowsStayOutWhenTheirIdentityIsThere) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  tidy(*writer, owner(), noon_);
  auto stale = readings(owner(), 10, 3, kNoon);
  for (auto& row : stale) row.stale = true;
  stale[0].fcnt = 0;  // seen at offset 0
  stale[0].meter = meter_of(owner(), 0);
  stale[0].device = readings(owner(), 0, 1, kNoon)[0].device;
  stale[0].used = 1;
  ASSERT_TRUE(writer->append(owner(), Offset(10), Offset(13), stale));
  for (const bool tidied : {false, true}) {
    EXPECT_EQ(from_view(lake(), kCountDistinct), "12/12") << tidied;
    EXPECT_EQ(from_view(lake(), "SELECT count(*) FROM readings WHERE TotalUsed = 0.001"), "0") << tidied;
    if (!tidied) tidy(*writer, owner(), noon_);
  }
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "12/12");
}

TEST_F(WriterTest, TheNewestRedoReplacesTheRowOfItsIdentity) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  auto redo = readings(owner(), 4, 1, kNoon + 4s);
  redo[0].redo = true;
  for (const std::uint64_t offset : {10u, 11u}) {
    redo[0].offset = Offset(offset);
    redo[0].used = static_cast<std::int64_t>(offset);
    ASSERT_TRUE(writer->append(owner(), Offset(offset), Offset(offset + 1), redo));
  }
  for (const bool tidied : {false, true}) {
    EXPECT_EQ(from_view(lake(), kCountDistinct), "10/10");
    EXPECT_EQ(from_view(lake(), "SELECT string_agg(TotalUsed::VARCHAR, ',') FROM readings WHERE Seq = 4"), "0.011");
    if (!tidied) tidy(*writer, owner(), noon_);
  }
}

TEST_F(WriterTest, ARedoChangesTheValuesAndNothingElse) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  tidy(*writer, owner(), noon_);
  auto redo = readings(owner(), 4, 1, kNoon + 4s);
  redo[0].redo = redo[0].late = true;
  redo[0].reason = "replay";
  redo[0].redone = kNoon + 5h;
  redo[0].offset = Offset(10);
  redo[0].used = 20'830;
  redo[0].tenant = base::TenantNumber(8);  // the meter was sold meanwhile
  redo[0].gateways = "fffe020100000099";   // another gateway's copy, which came later
  redo[0].best_rssi = -99;
  redo[0].best_snr.reset();
  redo[0].enqueued += 3s;
  redo[0].time += 3s;
  ASSERT_TRUE(writer->append(owner(), Offset(10), Offset(11), redo));
  for (const bool tidied : {false, true}) {
    EXPECT_EQ(from_view(lake(), kCountDistinct), "10/10");
    EXPECT_EQ(
        from_view(lake(),
                  "SELECT concat_ws('|', DateTime, TotalUsed, Tenant, EnqueuedTime, Late, Gateways, BestRssi, BestSnr) "
                  "FROM readings WHERE Seq = 4"),
        "2026-03-01 12:00:04|20.830|7|2026-03-01 12:00:05|false|fffe020100000011,fffe020100000012|-13|9.5");
    EXPECT_EQ(
        from_view(
            lake(),
            "SELECT string_agg(concat_ws('|', ChangedTime, Reason, Seq, DateTime, OldTotalUsed, NewTotalUsed, OldBought, "
            "NewBought, NewPayload IS NULL), ';') FROM changes"),
        "2026-03-01 17:00:00|replay|4|2026-03-01 12:00:04|20.829|20.830|1000.000|1000.000|true");
    if (!tidied) tidy(*writer, owner(), noon_);
  }
}

TEST_F(WriterTest, ARedoOfEqualValuesOrOfNoneChangesNothing) {
  auto writer = open(disk_);
  auto rows = readings(owner(), 0, 10, kNoon);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), rows));
  for (std::uint64_t i = 0; i < 10; ++i) rows[i].redo = true, rows[i].offset = Offset(10 + i);
  auto& undecoded = rows[3];
  undecoded.type = undecoded.code = undecoded.status = std::nullopt;
  undecoded.bought = undecoded.left = undecoded.used = std::nullopt;
  undecoded.version.reset();
  undecoded.payload = "AgE";
  ASSERT_TRUE(writer->append(owner(), Offset(10), Offset(20), rows));
  EXPECT_EQ(writer->state().fresh.size(), 1u) << "nothing to write";
  EXPECT_EQ(writer->state().shards[owner().shards()[0].value].next, Offset(20));
  EXPECT_EQ(from_view(lake(), "SELECT count(*) FROM changes"), "0");
  EXPECT_EQ(from_view(lake(), "SELECT count(*) FROM readings WHERE TotalUsed = 20.829"), "10");
}

TEST_F(WriterTest, ManySmallFilesOfChangesBecomeOne) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(1), readings(owner(), 0, 1, kNoon)));
  for (std::uint64_t n = 1; n <= 70; ++n) {
    auto redo = readings(owner(), 0, 1, kNoon);
    redo[0].redo = true;
    redo[0].offset = Offset(n);
    redo[0].used = static_cast<std::int64_t>(n);
    ASSERT_TRUE(writer->append(owner(), Offset(n), Offset(n + 1), redo));
    ASSERT_TRUE(writer->sweep());
    ASSERT_LE(writer->state().changes.size(), 32u);
  }
  ASSERT_TRUE(writer->sweep());
  EXPECT_EQ(disk_.list(lake() + "/changes").value().size(), writer->state().changes.size());
  EXPECT_EQ(from_view(lake(), "SELECT concat_ws('|', count(*), count(DISTINCT NewTotalUsed), max(OldTotalUsed)) FROM changes"), "70|70|20.829");
  EXPECT_TRUE(check(disk_, lake()).value().clean());
}

// What could not be decoded has its payload; then a profile for it is there. Twice in one block, and once more after
// it.
TEST_F(WriterTest, WhatCouldNotBeDecodedGetsItsValuesOnce) {
  auto writer = open(disk_);
  auto rows = readings(owner(), 0, 1, kNoon);
  const auto good = rows[0];
  rows[0].used.reset(), rows[0].left.reset(), rows[0].bought.reset(), rows[0].type.reset(), rows[0].code.reset();
  rows[0].status.reset(), rows[0].version.reset(), rows[0].payload = "AgE";
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(1), rows));
  for (std::uint64_t from : {1u, 3u}) {
    std::vector<Reading> redo(2, good);
    for (std::uint64_t i = 0; i < 2; ++i) redo[i].redo = true, redo[i].offset = Offset(from + i);
    ASSERT_TRUE(writer->append(owner(), Offset(from), Offset(from + 2), redo));
  }
  EXPECT_EQ(
      from_view(lake(),
                "SELECT string_agg(concat_ws('|', OldPayload, OldTotalUsed IS NULL, NewTotalUsed), ';') FROM changes"),
      "AgE|true|20.829");
  tidy(*writer, owner(), noon_);
  EXPECT_EQ(from_glob(lake(), "SELECT string_agg(concat_ws('|', TotalUsed, Payload IS NULL), ';') FROM readings"),
            "20.829|true");
}

// A gateway without a clock that held its packets back gives them the time at which they came at last.
TEST_F(WriterTest, ACopyWithAnotherTimeIsPlacedInTheHourOfItsReading) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  tidy(*writer, owner(), noon_);
  auto late = readings(owner(), 0, 4, kNoon + std::chrono::days(9));
  for (std::uint64_t i = 0; i < late.size(); ++i) late[i].offset = Offset(10 + i);
  late[0].stale = true;  // copies of the readings 0 and 1
  late[1].redo = true;
  late[1].used = 77;
  late[2].fcnt = late[3].fcnt = 1'000;  // two copies, hours apart, of a reading that nobody has
  late[3].meter = late[2].meter;
  late[3].device = late[2].device;
  late[3].time += 3h;
  late[2].stale = late[3].stale = true;
  ASSERT_TRUE(writer->append(owner(), Offset(10), Offset(13), std::span(late).first(3)));
  for (const auto hour : untidy_hours(writer->state(), owner())) tidy(*writer, owner(), hour, true);
  ASSERT_TRUE(writer->append(owner(), Offset(13), Offset(14), std::span(late).last(1)));
  EXPECT_EQ(from_view(lake(), kCountDistinct), "11/11");
  for (const auto hour : untidy_hours(writer->state(), owner())) tidy(*writer, owner(), hour, true);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "11/11");
  EXPECT_EQ(from_glob(lake(), "SELECT concat_ws('|', DateTime, TotalUsed) FROM readings WHERE Seq = 0"), "2026-03-01 12:00:00|20.829");
  EXPECT_EQ(from_glob(lake(), "SELECT concat_ws('|', DateTime, TotalUsed) FROM readings WHERE Seq = 1"), "2026-03-01 12:00:01|0.077");
}

TEST_F(WriterTest, HoursAreSplitAndOnlyTheDueOneCloses) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(7'200), readings(owner(), 0, 7'200, kNoon)));
  EXPECT_TRUE(due_hours(writer->state(), owner(), kNoon + 69min).empty());
  EXPECT_THAT(due_hours(writer->state(), owner(), kNoon + 70min), testing::ElementsAre(noon_));
  EXPECT_THAT(due_hours(writer->state(), owner(1, 4), kNoon + 70min), testing::IsEmpty());
  tidy(*writer, owner(), noon_);
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "3600/3600");
  EXPECT_EQ(from_view(lake(), kCountDistinct), "7200/7200");
}

TEST_F(WriterTest, CompactionByHandClosesEverythingForEveryPartition) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(5, 3), Offset(0), Offset(400), readings(owner(5, 3), 0, 400, kNoon)));
  ASSERT_TRUE(writer->append(owner(9, 4), Offset(0), Offset(400), readings(owner(9, 4), 0, 400, kNoon + 30min)));
  ASSERT_TRUE(compact(disk_, {.directory = lake()}));
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "800/800");
  EXPECT_TRUE(check(disk_, lake()).value().clean());
  ASSERT_TRUE(writer->append(owner(5, 3), Offset(400), Offset(800), readings(owner(5, 3), 400, 400, kNoon)))
      << "the owner goes on afterwards";
  ASSERT_TRUE(compact(disk_, {.directory = lake()}));
  EXPECT_EQ(from_glob(lake(), kCountDistinct), "1200/1200");
}

TEST_F(WriterTest, SweepRemovesFreshFilesOnlyAfterQueriesHadTime) {
  auto writer = open(disk_);
  ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(10), readings(owner(), 0, 10, kNoon)));
  tidy(*writer, owner(), noon_);
  ASSERT_TRUE(writer->sweep());
  EXPECT_EQ(disk_.list(lake() + "/fresh").value().size(), 1u);
  ASSERT_TRUE(writer->sweep());
  EXPECT_TRUE(disk_.list(lake() + "/fresh").value().empty());
}

// One life: append twice, close, append late ones and old ones, close again, fold.
base::Result<void> live(base::Disk& disk, const std::string& directory, std::uint64_t epoch) {
  auto writer = MH_TRY(Writer::open(disk, {.directory = directory}));
  const Owner who = owner(epoch);
  const Hour noon = hour_of(kNoon);
  MH_TRY_VOID(writer->take_over(who));
  for (const auto& [from, to] : {std::pair{0, 40}, {40, 80}, {80, 82}, {82, 85}}) {
    auto rows = readings(who, static_cast<std::uint64_t>(from), static_cast<std::size_t>(to - from), kNoon, 1);
    if (from == 82) {
      rows[0].stale = rows[1].redo = rows[2].redo = true;
      rows[2].fcnt = 7;  // is there, and said less
      rows[2].used = 21'000;
    }
    MH_TRY_VOID(
        writer->append(who, Offset(static_cast<std::uint64_t>(from)), Offset(static_cast<std::uint64_t>(to)), rows));
    if (from == 0) continue;
    MH_TRY_VOID(writer->begin(who, noon, from == 82));
    while (MH_TRY(writer->step())) continue;
  }
  MH_TRY_VOID(writer->sweep());
  return writer->sweep();
}

TEST_F(WriterTest, EveryCrashPointRecoversToEachReadingOnce) {
  std::uint64_t point = 0;
  for (bool survived = false; !survived; ++point) {
    Folder folder;
    base::PosixDisk posix;
    base::FaultyDisk disk(posix);
    disk.fail_from(point);
    survived = live(disk, folder.path(), 1).has_value();
    // Whoever looks now sees no reading twice.
    if (posix.exists(folder.path() + "/_manifest").value()) {
      EXPECT_EQ(from_view(folder.path(), "SELECT count(*) - count(DISTINCT (DeviceID, Session, Generation, Seq)) FROM readings"), "0")
          << "after crash at change " << point;
    }
    // The next owner goes through the same log again.
    ASSERT_TRUE(live(posix, folder.path(), 2)) << point;
    EXPECT_EQ(from_view(folder.path(), kCountDistinct), "84/84") << point;
    EXPECT_EQ(from_view(folder.path(),
                        "SELECT string_agg(concat_ws('|', Seq, OldTotalUsed, NewTotalUsed), ';') FROM changes"),
              "7|20.829|21.000")
        << point;
    EXPECT_EQ(from_glob(folder.path(), kCountDistinct), "84/84") << point;
    const auto report = check(posix, folder.path()).value();
    EXPECT_TRUE(report.clean()) << point << ": " << (report.problems.empty() ? "" : report.problems[0]);
    EXPECT_TRUE(posix.list(folder.path() + "/fresh").value().empty()) << point;
    EXPECT_TRUE(posix.list(folder.path() + "/staging").value().empty()) << point;
    EXPECT_EQ(posix.list(folder.path() + "/changes").value().size(), 1u) << point;
  }
  EXPECT_GT(point, 50u) << "the life has that many changes of the disk";
}

TEST_F(WriterTest, AFailureThatPassesIsTriedAgainWithoutLossOrRepeat) {
  base::FaultyDisk faulty(disk_);
  auto writer = open(faulty);
  const auto rows = readings(owner(), 0, 20, kNoon);
  for (std::uint64_t n = 0; n < 30; ++n) {
    faulty.fail_once(n);
    const auto first = writer->append(owner(), Offset(0), Offset(20), rows);
    faulty.heal();
    ASSERT_TRUE(writer->append(owner(), Offset(0), Offset(20), rows)) << n;
    if (first) break;
  }
  EXPECT_EQ(from_view(lake(), kCountDistinct), "20/20");
}

}  // namespace
}  // namespace meterhub::lake
