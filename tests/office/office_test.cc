// The role over a log in memory and a real database: episodes, positions, snapshots, tables; crashes at every turn.
#include <meterhub/office/office.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include <sqlite3.h>

#include <meterhub/base/settings.h>
#include <meterhub/db/connection.h>

#include "snapshots.h"
#include "town.h"

namespace meterhub::office {
namespace {

using namespace std::chrono_literals;
using alarm::Rule;
using base::MeterNumber;
using fleet::test::Said;

rules::Rules rules_of(const std::string& text) {
  base::SettingsTable table;
  rules::declare(table);
  const db::TemporaryDirectory folder;
  const auto path = folder / "rules.toml";
  std::ofstream(path) << text;
  auto loaded = base::Settings::load(table, {path.string(), {}, {}});
  EXPECT_TRUE(loaded) << loaded.error().text;
  return rules::Rules(*loaded);
}

class OfficeTest : public testing::Test {
 protected:
  base::ManualClock clock_;
  base::ManualExecutor executor_{clock_};
  fleet::test::Town town_{clock_};
  rules::Rules rules_;
  OfficeOptions options_;
  std::unique_ptr<Office> office_;
  std::vector<alarm::Notice> told_;  // by transactions that were committed
  std::vector<alarm::Notice> pending_;
  bool database_fails_ = false;

  OfficeTest() {
    options_.directory = (town_.directory / "office").string();
    for (const auto name : {log::topics::kStatus, log::topics::kDeadletter, log::topics::kNoise})
      EXPECT_TRUE(town_.log.declare({.name = std::string(name), .partitions = 2}));
  }

  void start() {
    OfficeWorld world{town_.log, town_.directory_of_meters,      *town_.database, town_.disk, town_.metrics, rules_,
                      executor_, [this] { return clock_.now(); }};
    world.with_changes = [this](db::Connection&, const alarm::Changes& changes) -> base::Result<void> {
      if (database_fails_) return base::fail(base::Errc::kIo, "disk");
      pending_ = changes.notices;
      return {};
    };
    world.changed = [this](const alarm::Changes&) {
      told_.insert(told_.end(), pending_.begin(), pending_.end());
      pending_.clear();
    };
    auto office = Office::start(executor_, world, options_);
    ASSERT_TRUE(office) << office.error().text;
    office_ = std::move(*office);
    pass(1s);
  }
  void crash() {
    office_.reset();
    executor_.run_ready();
  }
  void pass(std::chrono::nanoseconds time) { executor_.run_for(time); }

  std::uint32_t fcnt_ = 0;
  void say(Said said) {
    said.fcnt = ++fcnt_;
    town_.say(said);
  }
  std::vector<alarm::Episode> open(std::vector<Rule> rules = {}) {
    alarm::Filter filter;
    filter.rules = std::move(rules);
    return office_->episodes().list(filter, {}, {}).episodes;
  }
  std::int64_t number(const std::string& sql) {
    auto connection = std::move(*db::Connection::open(town_.directory / "database.sqlite", {.read_only = true}));
    return connection->query_integer(sql).value().value_or(-1);
  }
};

TEST_F(OfficeTest, ATroubleIsOneEpisodeAndOneMessage) {
  start();
  for (int n = 0; n < 10; ++n) {
    say({.meter = 1, .left = 4'000});
    pass(30s);
  }
  const auto episodes = open({Rule::kLowBalance});
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_EQ(episodes[0].subject, alarm::Subject::meter(base::Eui64(1)));
  EXPECT_EQ(episodes[0].count, 10u);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].event, alarm::Event::kRaised);
  EXPECT_EQ(number("SELECT count(*) FROM episodes WHERE rule = 'low_balance'"), 1);
}

TEST_F(OfficeTest, MendedItClears) {
  start();
  say({.meter = 1, .left = 4'000});
  pass(1s);
  ASSERT_EQ(open({Rule::kLowBalance}).size(), 1u);
  const auto policy = alarm::default_policy(Rule::kLowBalance);
  say({.meter = 1, .left = 400'000});
  pass(1s);
  for (auto left = policy.clear_after; left >= 0s; left -= 30s) {
    say({.meter = 1, .left = 400'000});
    pass(30s);
  }
  EXPECT_TRUE(open({Rule::kLowBalance}).empty());
  EXPECT_EQ(told_.back().event, alarm::Event::kCleared);
}

// Readings waited for longer than the longest flap window: their time is what counts.
TEST_F(OfficeTest, ATroubleThatCameBackBeforeAnOutageIsTheSameEpisode) {
  options_.look_back = 72h;
  start();
  say({.meter = 1, .left = 4'000});
  pass(1s);
  for (auto left = alarm::default_policy(Rule::kLowBalance).clear_after; left >= 0s; left -= 30s) {
    say({.meter = 1, .left = 400'000});
    pass(30s);
  }
  pass(2s);
  ASSERT_TRUE(open({Rule::kLowBalance}).empty());
  crash();
  say({.meter = 1, .left = 4'000});
  clock_.advance(options_.policies.longest_flap_window() + 6h);
  start();
  const auto episodes = open({Rule::kLowBalance});
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_EQ(episodes[0].reopened, 1u);
}

TEST_F(OfficeTest, SilenceIsToldOnceAndEndsWithTheNextPacket) {
  start();
  say({.meter = 1});
  say({.meter = 2});
  pass(50s);
  say({.meter = 2});
  pass(50s);  // the town's limit is a minute
  say({.meter = 2});
  const auto policy = alarm::default_policy(Rule::kSilentMeter);
  pass(policy.raise_after + 2s);
  ASSERT_EQ(open({Rule::kSilentMeter}).size() >= 1, true);
  EXPECT_EQ(open({Rule::kSilentMeter})[0].subject, alarm::Subject::meter(base::Eui64(1)));
  say({.meter = 1});
  pass(policy.clear_after + 2s);
  for (const auto& episode : open({Rule::kSilentMeter}))
    EXPECT_NE(episode.subject, alarm::Subject::meter(base::Eui64(1)));
}

TEST_F(OfficeTest, EpisodesThatAreOverGoInTheEnd) {
  options_.episodes_kept = std::chrono::days(2);
  start();
  say({.meter = 1, .left = 4'000});
  say({.meter = 2, .left = 4'000});
  pass(1s);
  say({.meter = 1, .left = 400'000});
  pass(20s);
  const auto low = "SELECT count(*) FROM episodes WHERE rule = 'low_balance'";
  ASSERT_EQ(number(low), 2);
  ASSERT_EQ(number("SELECT count(*) FROM episodes WHERE state = 'cleared'"), 1);
  crash();
  clock_.advance(std::chrono::days(3));
  start();
  pass(30s);
  EXPECT_EQ(number(low), 1);
  EXPECT_EQ(number("SELECT count(*) FROM episodes WHERE state = 'cleared'"), 0) << "the other one stands";
  EXPECT_EQ(number("SELECT count(*) FROM episode_history WHERE episode NOT IN (SELECT id FROM episodes)"), 0);
}

// The registry states no limit, the tenant's is long, the model's short: as the fleet judges it.
TEST_F(OfficeTest, SilenceIsOfTheModelsLimitWhereTheRegistryStatesNone) {
  rules_ = rules_of("[rules]\nsilence_meter = \"30m\"\n[rules.model.v1]\nsilence_meter = \"1m\"\n");
  registry::MeterSpec spec;
  spec.eui = base::Eui64(9);
  ASSERT_TRUE(town_.store->add_meter("test", spec));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  start();
  say({.meter = 9});
  pass(55s);
  EXPECT_TRUE(open({Rule::kSilentMeter}).empty());
  pass(35s + alarm::default_policy(Rule::kSilentMeter).raise_after);
  const auto episodes = open({Rule::kSilentMeter});
  ASSERT_EQ(episodes.size(), 1u);
  EXPECT_EQ(episodes[0].subject, alarm::Subject::meter(base::Eui64(9)));
}

TEST_F(OfficeTest, NobodyMissesAMeterThatWasExchanged) {
  start();
  say({.meter = 1});
  say({.meter = 2});
  pass(90s);
  ASSERT_EQ(open({Rule::kSilentMeter}).size(), 2u);
  registry::MeterSpec spec;
  spec.eui = base::Eui64(9);
  ASSERT_TRUE(town_.store->add_meter("test", spec));
  const auto done = town_.store->exchange_meter("test", {.old_meter = base::Eui64(1), .new_meter = base::Eui64(9)});
  ASSERT_TRUE(done) << done.error().text;
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  pass(10s + alarm::default_policy(Rule::kSilentMeter).clear_after);
  ASSERT_EQ(open({Rule::kSilentMeter}).size(), 1u);
  EXPECT_EQ(open({Rule::kSilentMeter})[0].subject, alarm::Subject::meter(base::Eui64(2)));
}

// While the platform stood still nobody could be heard.
TEST_F(OfficeTest, AfterAStandstillNobodyIsSilentAtOnce) {
  start();
  say({.meter = 1});
  pass(10s);
  crash();
  clock_.advance(1h);
  start();
  pass(20s);
  EXPECT_TRUE(open({Rule::kSilentMeter}).empty());
  pass(2min + alarm::default_policy(Rule::kSilentMeter).raise_after);
  EXPECT_EQ(open({Rule::kSilentMeter}).size(), 1u) << "it was not heard since either";
}

TEST_F(OfficeTest, ACrashTellsNothingTwiceAndForgetsNothing) {
  start();
  for (std::uint32_t meter = 1; meter <= 4; ++meter) say({.meter = meter, .left = 4'000});
  pass(1s);
  ASSERT_EQ(told_.size(), 4u);
  for (int round = 0; round < 5; ++round) {
    crash();
    start();
    EXPECT_EQ(open({Rule::kLowBalance}).size(), 4u);
    EXPECT_EQ(told_.size(), 4u) << round;
    say({.meter = 1, .left = 4'000});
    pass(1s);
  }
  EXPECT_EQ(told_.size(), 4u);
}

// A gateway that stores brings packets late: older than the newest time at which their meter was found silent.
TEST_F(OfficeTest, SilenceEndsWithAPacketThatWasLongOnItsWay) {
  options_.survey_every = 1s;
  start();
  say({.meter = 1});
  pass(90s);
  ASSERT_EQ(open({Rule::kSilentMeter}).size(), 1u);
  say({.meter = 1, .time = clock_.now() - 10s});
  pass(1s);
  EXPECT_TRUE(open({Rule::kSilentMeter}).empty());
  EXPECT_EQ(told_.back().event, alarm::Event::kCleared);
}

// Two gateways, two clocks: a meter's readings are in the order of their counters.
TEST_F(OfficeTest, ATroubleEndsWithAReadingByASlowerClock) {
  start();
  say({.meter = 1, .left = 4'000});
  pass(1s);
  ASSERT_EQ(open({Rule::kLowBalance}).size(), 1u);
  say({.meter = 1, .left = 400'000, .time = clock_.now() - 5s});
  pass(1s);
  EXPECT_TRUE(open({Rule::kLowBalance}).empty());
}

TEST_F(OfficeTest, ALateReadingSaysNothingOfNow) {
  start();
  const auto before = clock_.now();
  pass(30s);
  say({.meter = 1, .left = 4'000});
  auto late = Said{.meter = 1, .left = 400'000, .time = before};
  late.fcnt = 0;
  town_.say(late);
  pass(1s);
  ASSERT_EQ(open({Rule::kLowBalance}).size(), 1u);
  EXPECT_EQ(open({Rule::kLowBalance})[0].count, 1u);
}

// The packet that ended it came after the last snapshot and before the crash, or while nobody looked.
TEST_F(OfficeTest, SilenceThatEndedBehindACrashIsOver) {
  options_.snapshot_every = 1h;
  start();
  say({.meter = 1});
  pass(90s);
  ASSERT_EQ(open({Rule::kSilentMeter}).size(), 1u);
  crash();
  say({.meter = 1});
  start();
  EXPECT_TRUE(open({Rule::kSilentMeter}).empty());
  EXPECT_EQ(told_.back().event, alarm::Event::kCleared);
}

TEST_F(OfficeTest, WithoutASnapshotATroubleStillEnds) {
  options_.look_back = 1min;
  start();
  for (const std::uint32_t meter : {1u, 2u}) say({.meter = meter, .left = 4'000});
  pass(10min);
  ASSERT_EQ(open({Rule::kLowBalance, Rule::kSilentMeter}).size(), 4u);
  crash();
  std::filesystem::remove_all(options_.directory);
  say({.meter = 2});
  start();
  EXPECT_EQ(open({Rule::kLowBalance, Rule::kSilentMeter}).size(), 2u) << "of the one that was not heard";
  say({.meter = 1});
  pass(1s);
  EXPECT_TRUE(open({Rule::kLowBalance, Rule::kSilentMeter}).empty());
  EXPECT_EQ(told_.size(), 8u);
}

TEST_F(OfficeTest, WhatCouldNotBeWrittenIsWrittenLaterAndToldOnce) {
  start();
  database_fails_ = true;
  say({.meter = 1, .left = 4'000});
  pass(5s);
  EXPECT_TRUE(told_.empty());
  for (int n = 0; n < 3; ++n) say({.meter = 2, .left = 4'000});  // waits in the log
  pass(5s);
  database_fails_ = false;
  pass(5s);
  EXPECT_EQ(told_.size(), 2u);
  EXPECT_EQ(number("SELECT count(*) FROM episodes"), 2);
}

TEST_F(OfficeTest, ACrashBeforeTheCommitTellsItAfterwards) {
  start();
  database_fails_ = true;
  say({.meter = 1, .left = 4'000});
  pass(2s);
  crash();
  database_fails_ = false;
  start();
  pass(1s);
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(open().size(), 1u);
}

TEST_F(OfficeTest, ASnapshotSparesTheReadingsBeforeIt) {
  options_.look_back = 1min;  // without one, gas used would be lost
  start();
  std::int64_t used = 1'000;
  for (int n = 0; n < 200; ++n) {
    say({.meter = 1, .left = 50'000, .used = used += 5});
    pass(30s);
  }
  const auto today = office_->days(base::TenantNumber(1)).number_of(clock_.now());
  const auto before = office_->fleet().watch(MeterNumber(1));
  crash();
  start();
  EXPECT_EQ(office_->fleet().watch(MeterNumber(1)).used_on(today), before.used_on(today));
  EXPECT_EQ(office_->fleet().watch(MeterNumber(1)), before);
}

TEST_F(OfficeTest, ADamagedSnapshotIsLeftOut) {
  start();
  say({.meter = 1});
  pass(70s);
  const auto partition = base::partition_of(base::shard_of(MeterNumber(1)), 4);
  const auto path = snapshot_path(options_.directory, partition);
  auto bytes = town_.disk.read(path).value();
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(town_.disk.write(path, bytes));
  crash();
  start();
  EXPECT_NE(office_->fleet().last(MeterNumber(1)), nullptr) << "read from the log instead";
}

TEST_F(OfficeTest, PositionsOfAnotherLogSayNothing) {
  ASSERT_TRUE(town_.database->transact([](db::Connection& connection) {
    return connection.execute(
        "INSERT INTO positions(reader, log, partition, next_offset) SELECT 'office', 'readings', value, 1000 "
        "FROM json_each('[0,1,2,3]')");
  }));
  start();
  say({.meter = 1, .left = 4'000});
  pass(1s);
  EXPECT_EQ(open().size(), 1u);
}

TEST_F(OfficeTest, TablesHoldMetersBuildingsAndDistricts) {
  options_.survey_every = 1s;
  options_.tables_every = 5s;
  start();
  say({.meter = 1, .left = 4'000, .used = 12'345});
  say({.meter = 6});
  pass(10s);
  EXPECT_EQ(number("SELECT count(*) FROM meter_latest"), 8);
  EXPECT_EQ(
      number("SELECT count(*) FROM meter_latest WHERE DeviceID = '0000000000000001' AND State = 'low' AND Building = "
             "'Tower A' AND Remaining = 4.0 AND TotalUsed = 12.345 AND MeterStatus = 4 AND Gateways = 2"),
      1);
  EXPECT_EQ(number("SELECT Low FROM building_status WHERE Building = 'Tower A'"), 1);
  EXPECT_EQ(number("SELECT OpenAlarms FROM building_status WHERE Building = 'Tower A'"), 1);
  EXPECT_EQ(number("SELECT Online * 10 + Meters FROM district_status WHERE District = 'Yuzhong'"), 18);
  ASSERT_TRUE(town_.store->remove_meter("test", base::Eui64(1)));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  pass(10s);
  EXPECT_EQ(number("SELECT count(*) FROM meter_latest"), 7);
  EXPECT_EQ(number("SELECT Low FROM building_status WHERE Building = 'Tower A'"), 0);
  EXPECT_TRUE(open().empty()) << "a meter that is gone has no trouble";
}

TEST_F(OfficeTest, ATroubleGoesWithItsMeterToAnotherTenant) {
  options_.survey_every = 1s;
  options_.tables_every = 1s;
  start();
  for (const auto meter : {1u, 2u}) say({.meter = meter, .left = 4'000});
  pass(3s);
  ASSERT_EQ(open({Rule::kLowBalance}).size(), 2u);
  ASSERT_TRUE(town_.store->add_tenant("test", "Wuhan Gas"));
  for (const auto meter : {1u, 2u}) {
    registry::MeterSpec moved;
    moved.eui = base::Eui64(meter);
    moved.tenant = "Wuhan Gas";
    moved.district = "Hankou";
    moved.building = "Tower W";
    ASSERT_TRUE(town_.store->update_meter("test", moved));
  }
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  say({.meter = 1, .left = 4'000});
  pass(1s);
  const auto tenant = town_.directory_of_meters.meter(base::Eui64(1))->tenant;
  std::vector<std::string> told;
  for (const auto& notice : told_) {
    if (notice.subject == alarm::Subject::meter(base::Eui64(1)))
      told.push_back(std::string(alarm::name(notice.event)) + (notice.tenant == tenant ? " there" : " here"));
  }
  EXPECT_EQ(told, (std::vector<std::string>{"raised here", "cleared here", "raised there"}));
  // The other has said nothing since: a survey ends what its former tenant has of it.
  pass(5s);
  for (const auto& episode : open({Rule::kLowBalance})) EXPECT_EQ(episode.tenant, tenant) << episode.subject.text();
  EXPECT_EQ(number("SELECT OpenAlarms FROM building_status WHERE Building = 'Tower A'"), 0);
}

TEST_F(OfficeTest, AMeterThatWentWhileNobodyLookedIsNotInTheTable) {
  options_.survey_every = 1s;
  options_.tables_every = 5s;
  start();
  pass(10s);
  ASSERT_EQ(number("SELECT count(*) FROM meter_latest"), 8);
  crash();
  ASSERT_TRUE(town_.store->remove_meter("test", base::Eui64(1)));
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  start();
  pass(10s);
  EXPECT_EQ(number("SELECT count(*) FROM meter_latest"), 7);
}

TEST_F(OfficeTest, RowsThatCouldNotBeWrittenAreWrittenLater) {
  options_.survey_every = 1s;
  options_.tables_every = 5s;
  start();
  pass(10s);
  auto other = std::move(*db::Connection::open(town_.directory / "database.sqlite", {}));
  say({.meter = 1});
  pass(4s);
  ASSERT_TRUE(other->execute("ALTER TABLE meter_latest RENAME TO hidden"));
  pass(10s);
  ASSERT_TRUE(other->execute("ALTER TABLE hidden RENAME TO meter_latest"));
  pass(10s);
  EXPECT_EQ(number("SELECT count(*) FROM meter_latest WHERE State = 'online'"), 1);
}

TEST_F(OfficeTest, WhatPeopleDoIsOnDiskWhenTheyHearOfIt) {
  start();
  say({.meter = 1, .left = 4'000});
  pass(1s);
  std::optional<alarm::Outcome> outcome;
  office_->act([&](alarm::Episodes& episodes) { return episodes.acknowledge({}, {"li.na", clock_.now()}); },
               [&](base::Result<alarm::Outcome> done) { outcome = std::move(*done); });
  EXPECT_FALSE(outcome);
  pass(1s);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->done, 1u);
  crash();
  start();
  EXPECT_EQ(open().front().acknowledged_by, "li.na");
  std::optional<base::Errc> refused;
  office_->act([&](alarm::Episodes& episodes) { return episodes.acknowledge({}, {"", clock_.now()}); },
               [&](base::Result<alarm::Outcome> done) { refused = done.error().code; });
  EXPECT_EQ(refused, base::Errc::kInvalidArgument);
}

TEST_F(OfficeTest, ACleanEndWritesAllOfIt) {
  start();
  say({.meter = 1, .left = 4'000, .used = 7});
  bool done = false;
  office_->drain([&] { done = true; });
  pass(5s);
  EXPECT_TRUE(done);
  EXPECT_EQ(number("SELECT count(*) FROM episodes"), 1);
  fleet::FleetState again(100);
  const auto positions = load_snapshots(town_.disk, options_.directory, 4, again);
  EXPECT_EQ(again.last(MeterNumber(1))->used, 7);
  for (const auto& position : positions) EXPECT_TRUE(position);
}

}  // namespace
}  // namespace meterhub::office
