// Completeness through the role: days that are closed, late readings, dead letters, gateways; crashes between.
#include <meterhub/office/office.h>

#include <gtest/gtest.h>

#include <map>
#include <set>

#include <meterhub/base/time_text.h>
#include <meterhub/db/connection.h>

#include "town.h"

namespace meterhub::office {
namespace {

using namespace std::chrono_literals;
using alarm::Rule;
using base::MeterNumber;
using base::Timestamp;
using fleet::Missing;

// Midnight in Shanghai, the default zone.
const Timestamp kMidnight = base::parse_rfc3339("2026-11-20T16:00:00Z")->at;

class OfficeCompletenessTest : public testing::Test {
 protected:
  base::ManualClock clock_{kMidnight - 1h};
  base::ManualExecutor executor_{clock_};
  fleet::test::Town town_{clock_, 4, 1h};
  rules::Rules rules_;
  OfficeOptions options_;
  std::unique_ptr<Office> office_;
  bool database_fails_ = false;
  std::map<std::uint32_t, std::uint32_t> fcnt_;

  OfficeCompletenessTest() {
    options_.directory = (town_.directory / "office").string();
    options_.survey_every = 10s;
    options_.tables_every = 1h;  // each a transaction on a real disk
    options_.snapshot_every = 30min;
    for (const auto name : {log::topics::kStatus, log::topics::kDeadletter, log::topics::kNoise})
      EXPECT_TRUE(town_.log.declare({.name = std::string(name), .partitions = 2}));
    EXPECT_TRUE(town_.store->add_gateway("test", {.id = "gw-a"}));
    EXPECT_TRUE(town_.directory_of_meters.load(*town_.store));
  }
  void start() {
    OfficeWorld world{town_.log, town_.directory_of_meters,      *town_.database, town_.disk, town_.metrics, rules_,
                      executor_, [this] { return clock_.now(); }};
    world.with_changes = [this](db::Connection&, const alarm::Changes&) -> base::Result<void> {
      if (database_fails_) return base::fail(base::Errc::kIo, "disk");
      return {};
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
  log::NewRecord record(std::uint32_t meter, std::uint32_t fcnt, Timestamp at) const {
    auto out = town_.record({.meter = meter, .fcnt = fcnt, .time = at});
    out.properties.gateway = "gw-a";
    return out;
  }
  void put(const log::NewRecord& record) {
    const auto topic = *town_.log.topic(log::topics::kReadings);
    town_.put({topic, base::partition_of(base::shard_of(record.properties.meter), 4)}, record);
  }
  void say(std::uint32_t meter, std::uint32_t steps = 1) { put(record(meter, fcnt_[meter] += steps, clock_.now())); }
  // Meters 1 and 2 send every minute; those that are `losing` are not heard.
  void minutes(int n, const std::set<std::uint32_t>& losing = {}) {
    for (; n > 0; --n) {
      pass(1min);
      for (const std::uint32_t meter : {1u, 2u}) {
        if (losing.contains(meter)) {
          ++fcnt_[meter];
        } else {
          say(meter);
        }
      }
    }
    pass(1s);
  }
  void until(Timestamp time) {
    while (clock_.now() + 1min < time) minutes(1);
  }
  void letter(std::uint32_t meter, std::string reason) {
    auto out = record(meter, ++fcnt_[meter], clock_.now());
    out.properties.reason = std::move(reason);
    town_.put({*town_.log.topic(log::topics::kDeadletter), base::PartitionId(1)}, out);
  }
  fleet::CountFigures today(std::uint32_t meter) { return office_->completeness(MeterNumber(meter)).today; }
  fleet::CountFigures yesterday(std::uint32_t meter) { return office_->completeness(MeterNumber(meter)).yesterday; }

  std::string text(const std::string& sql) {
    auto connection = std::move(*db::Connection::open(town_.directory / "database.sqlite", {.read_only = true}));
    auto row = connection->prepare(sql);
    EXPECT_TRUE(row);
    std::string out;
    while (*row->step()) out += (out.empty() ? "" : ";") + std::string(row->text(0));
    return out;
  }
  std::string rows() {
    return text(
        "SELECT Kind || ' ' || Subject || ' ' || Expected || ' ' || Received || ' ' || Lost || ' ' || Silent FROM "
        "completeness_day ORDER BY Kind, Subject");
  }
  std::size_t incomplete() {
    alarm::Filter filter;
    filter.rules = {Rule::kIncomplete};
    return office_->episodes().list(filter, {}, {}).episodes.size();
  }
};

// An hour of two meters; the first loses four.
constexpr const char* kClosed =
    "building 1 118 114 4 0;district Yuzhong 118 114 4 0;gateway gw-a 118 114 4 0;meter 0000000000000001 59 55 4 0;tenant Chongqing Gas "
    "118 114 4 0";

TEST_F(OfficeCompletenessTest, FiguresOfTodayAreThereWhenAsked) {
  start();
  minutes(10);
  minutes(2, {1});
  minutes(10);
  EXPECT_EQ(today(1).received, 20u);
  EXPECT_EQ(today(1).of(Missing::kLost), 2u);
  EXPECT_EQ(today(2).expected(), 22u);
  EXPECT_EQ(today(3), fleet::CountFigures()) << "never heard";
  EXPECT_EQ(today(99), fleet::CountFigures());
  pass(11s);
  const auto& areas = office_->completeness().areas;
  ASSERT_EQ(areas.size(), 4u);
  for (const auto& area : areas) EXPECT_EQ(area.figures.today.expected(), 44u) << static_cast<int>(area.kind);
}

TEST_F(OfficeCompletenessTest, NothingIsExpectedOfAMeterThatWasExchanged) {
  start();
  minutes(20);
  minutes(30, {1});
  town_.add_meter("", "", "", 1h);
  const auto done = town_.store->exchange_meter("test", {.old_meter = base::Eui64(1), .new_meter = base::Eui64(9)});
  ASSERT_TRUE(done) << done.error().text;
  ASSERT_TRUE(town_.directory_of_meters.load(*town_.store));
  while (clock_.now() + 1min < kMidnight + 122min) minutes(1, {1});
  EXPECT_EQ(rows(),
            "building 1 59 59 0 0;district Yuzhong 59 59 0 0;gateway gw-a 59 59 0 0;tenant Chongqing Gas 59 59 0 0");
  for (const auto& area : office_->completeness().areas) EXPECT_EQ(area.figures.today.of(Missing::kSilent), 0u);
}

TEST_F(OfficeCompletenessTest, ADayIsClosedTwoHoursAfterMidnightAndNotAgain) {
  start();
  minutes(20);
  minutes(4, {1});
  until(kMidnight + 119min);
  EXPECT_EQ(rows(), "");
  until(kMidnight + 122min);
  EXPECT_EQ(rows(), kClosed);
  EXPECT_EQ(text("SELECT DISTINCT Day || ' ' || Tenant || ' ' || Percent FROM completeness_day WHERE Kind = 'tenant'"),
            "2026-11-20 Chongqing Gas 96.6101694915254");
  EXPECT_EQ(text("SELECT District || ' ' || Building FROM completeness_day WHERE Kind IN ('meter', 'building')"),
            "Yuzhong Tower A;Yuzhong Tower A");
  ASSERT_TRUE(town_.database->transact(
      [](db::Connection& connection) { return connection.execute("UPDATE completeness_day SET Lost = 7"); }));
  crash();
  start();
  minutes(5);
  EXPECT_EQ(text("SELECT DISTINCT Lost FROM completeness_day"), "7");
}

TEST_F(OfficeCompletenessTest, ACrashBeforeTheCommitClosesItAfterwards) {
  start();
  minutes(20);
  minutes(4, {1});
  until(kMidnight + 118min);
  database_fails_ = true;
  minutes(5);
  crash();
  EXPECT_EQ(rows(), "");
  start();
  minutes(5);
  EXPECT_EQ(rows(), "") << "it still fails";
  database_fails_ = false;
  minutes(2);
  EXPECT_EQ(rows(), kClosed);
}

TEST_F(OfficeCompletenessTest, WhatComesAfterClosingMovesInTheRowsOnce) {
  start();
  minutes(20);
  const auto lost_at = clock_.now() + 1min;
  const auto lost = fcnt_[1] + 1;
  minutes(4, {1});
  until(kMidnight + 122min);
  ASSERT_EQ(rows(), kClosed);
  auto late = record(1, lost, lost_at);
  late.properties.late = true;
  put(late);
  minutes(1);
  const std::string moved =
      "building 1 118 115 3 0;district Yuzhong 118 115 3 0;gateway gw-a 118 115 3 0;meter 0000000000000001 59 56 3 0;tenant Chongqing "
      "Gas 118 115 3 0";
  EXPECT_EQ(rows(), moved);
  EXPECT_EQ(text("SELECT DISTINCT Late FROM completeness_day"), "1");
  EXPECT_EQ(yesterday(1).received, 56u);
  for (int round = 0; round < 3; ++round) {
    crash();
    start();
    minutes(1);
    EXPECT_EQ(rows(), moved) << round;
  }
}

TEST_F(OfficeCompletenessTest, BelowTheTargetIsAnEpisodeUntilADayReachesIt) {
  start();
  minutes(20);
  minutes(4, {1});
  until(kMidnight + 122min);
  alarm::Filter filter;
  filter.rules = {Rule::kIncomplete};
  auto episodes = office_->episodes().list(filter, {}, {}).episodes;
  ASSERT_EQ(episodes.size(), 3u) << "building, district, tenant";
  std::set<std::string> names;
  for (const auto& episode : episodes) names.insert(episode.subject.name + ": " + episode.detail);
  EXPECT_TRUE(names.contains("Chongqing Gas / Yuzhong / Tower A: 96.61 % of 118: lost 4")) << *names.begin();
  until(kMidnight + 24h + 122min);
  EXPECT_EQ(office_->episodes().list(filter, {}, {}).episodes.size(), 0u);
  EXPECT_EQ(text("SELECT count(DISTINCT Day) FROM completeness_day"), "2");
}

// One meter in a building pulls nobody below the target.
TEST_F(OfficeCompletenessTest, AMeterThatIsHardlyHeardIsAnEpisodeOfItsOwn) {
  start();
  minutes(5);
  minutes(40, {1});
  until(kMidnight + 122min);
  alarm::Filter filter;
  filter.rules = {Rule::kIncomplete};
  filter.kinds = {alarm::SubjectKind::kMeter};
  ASSERT_EQ(office_->episodes().list(filter, {}, {}).episodes.size(), 1u);
  EXPECT_EQ(office_->episodes().list(filter, {}, {}).episodes[0].subject, alarm::Subject::meter(base::Eui64(1)));
  until(kMidnight + 24h + 122min);
  EXPECT_EQ(office_->episodes().list(filter, {}, {}).episodes.size(), 0u);
}

TEST_F(OfficeCompletenessTest, WhileTheGatewayWasNotHeardItIsTheReason) {
  start();
  minutes(20);
  minutes(10, {1, 2});
  minutes(5);
  EXPECT_EQ(today(1).of(Missing::kGatewayDown), 10u);
  EXPECT_EQ(today(1).of(Missing::kLost), 0u);
  minutes(10, {1});
  minutes(5);
  EXPECT_EQ(today(1).of(Missing::kLost), 10u) << "the other one was heard through it";
}

TEST_F(OfficeCompletenessTest, AMeterThatIsSilentAtClosingIsExpected) {
  start();
  minutes(30);
  for (int n = 0; n < 180; ++n) {
    pass(1min);
    say(2);
  }
  EXPECT_EQ(text("SELECT Received || ' ' || Silent FROM completeness_day WHERE Kind = 'meter'"), "30 29");
}

TEST_F(OfficeCompletenessTest, DeadLettersThatNameAMeterCountOnceOverRestarts) {
  options_.snapshot_every = 1min;
  start();
  minutes(5);
  pass(1min);
  letter(1, "counter_reset");
  letter(1, "conflict");       // of a counter that was seen
  letter(1, "job.x.dropped");  // of a reading that is there
  fcnt_[1] -= 2;
  pass(1s);
  EXPECT_EQ(today(1).of(Missing::kRejected), 1u);
  minutes(2);
  EXPECT_EQ(today(1).of(Missing::kRejected), 1u);
  EXPECT_EQ(today(1).of(Missing::kLost), 0u);
  minutes(1, {1});
  minutes(2);  // snapshots are a minute apart
  for (int round = 0; round < 3; ++round) {
    crash();
    start();
    EXPECT_EQ(today(1).of(Missing::kRejected), 1u) << round;
    EXPECT_EQ(today(1).of(Missing::kLost), 1u) << round;
    minutes(1);
  }
}

TEST_F(OfficeCompletenessTest, LettersWithoutAMeterExplainTheirGatewaysLosses) {
  start();
  minutes(5);
  auto nameless = record(1, 0, clock_.now());
  nameless.properties.meter = {};
  nameless.properties.reason = "mic";
  for (int n = 0; n < 3; ++n) town_.put({*town_.log.topic(log::topics::kDeadletter), base::PartitionId(0)}, nameless);
  minutes(4, {1});
  minutes(2);
  EXPECT_EQ(today(1).of(Missing::kLost), 4u);
  pass(11s);
  const auto& areas = office_->completeness().areas;
  ASSERT_EQ(areas[0].kind, fleet::AreaKind::kGateway);
  EXPECT_EQ(areas[0].figures.today.of(Missing::kLost), 1u);
  EXPECT_EQ(areas[0].figures.today.of(Missing::kDecryptFailed), 3u);
}

}  // namespace
}  // namespace meterhub::office
