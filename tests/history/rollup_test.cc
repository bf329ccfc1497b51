// Goal: the tables hold what consumption says of all readings of the lake's closed hours, at any moment between two
// hours, whatever comes late and in whatever order hours are closed, and whenever the process ends.
#include <algorithm>

#include <meterhub/base/commit_point.h>

#include <meterhub/history/meter_usage.h>

#include "rollup_fixture.h"

namespace meterhub::history {
namespace {

const RollupOptions kAtOnce{.lake = {}, .late_pause = 0s, .share = 1.0};

// Sends at its own pace; loses packets, begins again, passes its capacity, is silent for hours.
std::vector<consumption::Reading> sent(std::mt19937_64& random, base::Timestamp start, bool wrong_clocks) {
  const auto draw = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
  const std::array paces{30, 60, 240, 600, 3'600, 14'000};
  const auto pace = paces[static_cast<std::size_t>(draw(6))];
  std::vector<consumption::Reading> out;
  consumption::Litres counter = draw(6) == 0 ? (1LL << 32) - 300 : draw(1'000'000);
  std::uint32_t fcnt = 0, session = 1, generation = 0;
  auto at = start + std::chrono::seconds(draw(3'000));
  const auto end = start + 10h;
  while (at < end && out.size() < 300) {
    counter = (counter + draw(20)) % (1LL << 32);
    if (draw(400) == 0) counter = draw(3);
    if (draw(300) == 0) ++generation, fcnt = 0;
    if (draw(300) == 0) ++session, generation = 0, fcnt = 0;
    consumption::Reading one{.meter = {},
                             .session = base::SessionNumber(session),
                             .generation = base::Generation(generation),
                             .fcnt = ++fcnt,
                             .at = at,
                             .counter = counter};
    if (wrong_clocks && draw(25) == 0)
      one.at += std::chrono::seconds(draw(2) == 0 ? draw(300) - 150 : draw(30'000) - 15'000);
    if (one.at >= start && draw(20) != 0) out.push_back(one);
    at += std::chrono::seconds(pace + (draw(60) == 0 ? draw(9'000) : draw(pace / 3)));
    if (draw(200) == 0) at = std::chrono::ceil<std::chrono::hours>(at);  // to the microsecond: counts before
  }
  return out;
}

struct Delivery {
  const TownMeter* meter;
  consumption::Reading reading;
  base::Timestamp comes;
};

class RandomTown : public RollupTest {
 protected:
  std::vector<Delivery> deliveries(std::mt19937_64& random, std::size_t meters, bool wrong_clocks) {
    std::vector<Delivery> out;
    for (std::size_t i = 0; i < std::min(meters, town_.size()); ++i) {
      for (const auto& reading : sent(random, kStart, wrong_clocks)) {
        const bool late = random() % 12 == 0;
        out.push_back({&town_[i], reading, reading.at + std::chrono::minutes(late ? random() % 600 : 0)});
      }
    }
    std::ranges::stable_sort(out, {}, &Delivery::comes);
    return out;
  }
  // Delivers in portions; in between hours are closed, folded and rolled up at random.
  void live_through(std::mt19937_64& random, std::vector<Delivery> all, bool compare_often) {
    std::size_t at = 0;
    while (at < all.size()) {
      const auto many = std::min<std::size_t>(all.size() - at, 1 + random() % (all.size() / 3 + 1));
      std::vector<lake::Reading> rows;
      for (std::size_t i = at; i < at + many; ++i) rows.push_back(row(*all[i].meter, all[i].reading));
      at += many;
      append(std::move(rows));
      for (const auto hour : fresh_hours()) {
        if (random() % 3 != 0) close(hour, random() % 4 == 0);
      }
      if (random() % 3 == 0) start(kAtOnce);
      executor_.run_for(61s);
      if (compare_often && fresh_hours().empty()) expect_same();
    }
    for (const auto hour : fresh_hours()) close(hour);
    if (random() % 2 == 0) {
      for (const auto hour : lake::untidy_hours(writer_->state(), owner_)) close(hour, true);
    }
    executor_.run_for(61s);
    EXPECT_EQ(rollup_->status().problem, "");
    EXPECT_EQ(rollup_->status().waiting, 0U);
    expect_same();
  }
};

TEST_F(RandomTown, HasTheSumsThatBruteForceFinds) {
  std::mt19937_64 random(31);
  start(kAtOnce);
  live_through(random, deliveries(random, 12, false), true);
}

class RandomTowns : public RandomTown, public testing::WithParamInterface<int> {};
TEST_P(RandomTowns, WithWrongClocksHaveTheSumsThatBruteForceFinds) {
  std::mt19937_64 random(static_cast<std::uint64_t>(GetParam()));
  start(kAtOnce);
  live_through(random, deliveries(random, 8, true), false);
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomTowns, testing::Range(1, 5));

// Everything is there before the first roll-up: a platform of before, or a database that was lost.
TEST_F(RandomTown, ALakeThatWasNeverRolledUpIsRolledUpFromItsBegin) {
  std::mt19937_64 random(7);
  std::vector<lake::Reading> rows;
  for (const auto& one : deliveries(random, 12, true)) rows.push_back(row(*one.meter, one.reading));
  append(std::move(rows));
  for (const auto hour : fresh_hours()) close(hour);
  start(kAtOnce);
  executor_.run_for(61s);
  expect_same();
  const auto hours = metrics_.total("meterhub_history_rollup_hours_total");
  stop();
  start(kAtOnce);
  executor_.run_for(61s);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), hours) << "a restart computes nothing again";
  expect_same();
}

// Half of the hours are open still.
TEST_F(RandomTown, AMetersFiguresComeFromAllThatCanBeRead) {
  std::mt19937_64 random(41);
  const auto all = deliveries(random, 8, false);
  std::vector<lake::Reading> rows;
  std::map<std::uint64_t, std::vector<consumption::Reading>> readings;
  for (const auto& one : all) {
    rows.push_back(row(*one.meter, one.reading));
    auto& own = readings[one.meter->eui.value].emplace_back(one.reading);
    own.meter = one.meter->number;
  }
  append(std::move(rows));
  for (const auto hour : fresh_hours()) {
    if (random() % 2 == 0) close(hour);
  }
  for (const auto& [eui, its] : readings) {
    const auto tenant = std::ranges::find(town_, base::Eui64(eui), &TownMeter::eui)->tenant;
    for (const auto by : {consumption::Period::kFiveMinutes, consumption::Period::kHour, consumption::Period::kDay}) {
      const MeterUsageQuery query{.eui = base::Eui64(eui),
                                  .by = by,
                                  .from = kStart + std::chrono::minutes(random() % 400),
                                  .to = kStart + 7h + std::chrono::minutes(random() % 200)};
      const auto found = meter_usage(disk_, lake(), town().directory(), query);
      ASSERT_TRUE(found) << found.error().text;
      const auto expected = consumption::figures(consumption::hourly_steps(its, {.capacity = kCapacity}),
                                                 town().zone(tenant).edges(by, query.from, query.to));
      ASSERT_EQ(found->size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ((*found)[i].used, expected[i].used) << base::rfc3339(expected[i].begin);
        EXPECT_EQ((*found)[i].estimated, expected[i].estimated);
        EXPECT_EQ((*found)[i].from, expected[i].from);
        EXPECT_EQ((*found)[i].to, expected[i].to);
      }
    }
  }
}

struct Killed {};
class KillAt final : public base::CommitPointWatch {
 public:
  explicit KillAt(int n) : left_(n) { base::commit_point_watch.store(this); }
  ~KillAt() override { base::commit_point_watch.store(nullptr); }
  void reached(std::string_view name) override {
    if (name.starts_with("rollup.") && left_-- == 0) throw Killed();
  }

 private:
  int left_;
};

TEST_F(RandomTown, AKillAtAnyMomentLosesNothingAndCountsNothingTwice) {
  std::mt19937_64 random(5);
  auto all = deliveries(random, 6, false);
  const auto half = all.size() / 2;
  int kills = 0;
  for (int n = 0; n < 12; ++n) {
    const auto from = half * static_cast<std::size_t>(n) / 12, to = half * static_cast<std::size_t>(n + 1) / 12;
    std::vector<lake::Reading> rows;
    for (auto i = from; i < to; ++i) {
      rows.push_back(row(*all[i].meter, all[i].reading));
      rows.push_back(row(*all[i + half].meter, all[i + half].reading));
    }
    append(std::move(rows));
    for (const auto hour : fresh_hours()) close(hour);
    try {
      const KillAt kill(n);
      start(kAtOnce);
      executor_.run_for(61s);
    } catch (const Killed&) {
      ++kills;
      rollup_.reset();
      database_.reset();
      open_database();
    }
  }
  EXPECT_GT(kills, 8);
  start(kAtOnce);
  executor_.run_for(61s);
  expect_same();
}

// In SQL alone, where every step is measured and every clock right.
TEST_F(RollupTest, FiveMinutesAreWhatPlainSqlAddsUp) {
  std::vector<lake::Reading> rows;
  for (int i = 0; i < 700; ++i) {
    for (std::size_t m = 0; m < 8; ++m) {
      rows.push_back(row(town_[m], {.meter = {},
                                    .session = base::SessionNumber(1),
                                    .generation = {},
                                    .fcnt = static_cast<std::uint32_t>(i),
                                    .at = kStart + 30s * i,
                                    .counter = 1'000 + i * static_cast<int>(m)}));
    }
  }
  append(std::move(rows));
  for (const auto hour : fresh_hours()) close(hour);
  start(kAtOnce);
  executor_.run_for(61s);
  expect_same();
  auto connection = duck::Database::open({.external_access = true}).value().connect().value();
  auto sums = connection.query(
      "SELECT bucket, sum(used)::BIGINT FROM (SELECT (epoch_us(DateTime) - 1) // 300000000 * 300000000 AS bucket, "
      "((TotalUsed - lag(TotalUsed) OVER (PARTITION BY DeviceID ORDER BY Seq)) * 1000)::BIGINT AS used FROM read_parquet(" +
      duck::literal(lake() + "/readings/**") + ", hive_partitioning = false)) WHERE used IS NOT NULL GROUP BY bucket");
  ASSERT_TRUE(sums) << sums.error().text;
  std::map<std::int64_t, std::int64_t> expected, found;
  while (const auto chunk = sums->next()) {
    for (std::size_t i = 0; i < chunk->rows(); ++i)
      expected[chunk->values<std::int64_t>(0)[i]] = chunk->values<std::int64_t>(1)[i];
  }
  for (const auto& [key, values] : stored()) {
    if (key.period == UsagePeriod::kFiveMinutes && values.meters > 0)
      found[key.begin.time_since_epoch().count()] += values.used;
  }
  EXPECT_EQ(found, expected);
}

class OneMeter : public RollupTest {
 protected:
  void say(std::uint32_t fcnt, base::Timestamp at, consumption::Litres counter) {
    rows_.push_back(row(town_[0], {.meter = {},
                                   .session = base::SessionNumber(1),
                                   .generation = {},
                                   .fcnt = fcnt,
                                   .at = at,
                                   .counter = counter}));
  }
  void place() {
    append(std::exchange(rows_, {}));
    for (const auto hour : fresh_hours()) close(hour);
  }
  std::string told(const std::string& sql) {
    auto plain = *db::Connection::open(folder_.path() + "/database.sqlite", {.read_only = true});
    auto row = *plain->prepare(sql);
    std::string out;
    while (*row.step()) {
      for (int i = 0; i < row.columns(); ++i) out += (i > 0 ? " " : "") + std::string(row.text(i));
      out += '\n';
    }
    return out;
  }
  std::vector<lake::Reading> rows_;
};

TEST_F(OneMeter, PeakFlowIsTheHighestFiveMinutesOfHourAndDay) {
  // Midnight in Shanghai is between the two hours.
  const auto shanghai = std::ranges::find(town_, "East", &TownMeter::tenant);
  std::swap(town_[0], *shanghai);
  say(1, kStart + 1s, 0);
  say(2, kStart + 4min, 10);
  say(3, kStart + 8min, 90);
  say(4, kStart + 12min, 92);
  say(5, kStart + 62min, 93);
  place();
  start(kAtOnce);
  EXPECT_EQ(told("SELECT period, begin_time, peak_m3h, peak_time FROM peak_flow ORDER BY period DESC, begin_us"),
            "hour 2026-03-28T15:00:00Z 0.960 2026-03-28T15:05:00Z\n"
            "hour 2026-03-28T16:00:00Z 0.012 2026-03-28T16:00:00Z\n"
            "day 2026-03-27T16:00:00Z 0.960 2026-03-28T15:05:00Z\n"
            "day 2026-03-28T16:00:00Z 0.012 2026-03-28T16:00:00Z\n");
}

TEST_F(OneMeter, LateReadingsMakeAGuessExact) {
  say(1, kStart + 1min, 0);
  say(40, kStart + 3h, 300);
  place();
  start(kAtOnce);
  const std::string of_hours =
      "SELECT used_m3, estimated_m3, meters, packets FROM usage_trend WHERE period = 'hour' ORDER BY begin_us";
  EXPECT_EQ(told(of_hours), "0.098 0.098 1 1\n0.101 0.101 1 0\n0.101 0.101 1 1\n");
  say(30, kStart + 2h, 290);
  place();
  executor_.run_for(61s);
  EXPECT_EQ(told(of_hours), "0.143 0.143 1 1\n0.147 0.147 1 1\n0.010 0.000 1 1\n");
  expect_same();
}

// A profile had the wrong scale for an hour; what it said is replayed.
TEST_F(OneMeter, ValuesThatAReplayMendedAreCountedAnew) {
  say(1, kStart + 1min, 0);
  say(2, kStart + 59min, 1'000);
  say(3, kStart + 61min, 120);
  say(4, kStart + 119min, 240);
  place();
  start(kAtOnce);
  const std::string of_hours =
      "SELECT used_m3, estimated_m3, meters, packets FROM usage_trend WHERE period = 'hour' ORDER BY begin_us";
  const auto wrong = told(of_hours);
  say(2, kStart + 59min, 100);
  rows_.back().redo = true;
  place();
  executor_.run_for(61s);
  EXPECT_NE(told(of_hours), wrong);
  EXPECT_EQ(told(of_hours), "0.100 0.000 1 2\n0.140 0.000 1 2\n");
  expect_same();
}

// Row groups of a file are what is read at once: a meter's rows may lie in two of them.
TEST_F(OneMeter, AnHourOfManyRowsIsTakenInRanges) {
  const auto shard = base::shard_of(town_[0].number);
  const auto other =
      std::find_if(town_.begin() + 1, town_.end(), [&](const auto& m) { return base::shard_of(m.number) == shard; });
  ASSERT_NE(other, town_.end());
  std::vector<lake::Reading> rows;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    for (const auto* meter : {&town_[0], &*other}) {
      rows.push_back(row(*meter, {.meter = {},
                                  .session = base::SessionNumber(1),
                                  .generation = {},
                                  .fcnt = i,
                                  .at = kStart + 1h + 36ms * i,
                                  .counter = i / 10}));
    }
  }
  say(200'000, kStart + 3h, 20'000);
  rows.push_back(std::exchange(rows_, {}).front());
  append(std::move(rows));
  for (const auto hour : fresh_hours()) close(hour);
  start({.lake = {}, .late_pause = 0s, .share = 1.0, .rows_at_once = 1'000});
  expect_same();
}

TEST_F(OneMeter, LateReadingsAreGathered) {
  say(1, kStart + 1min, 0);
  say(2, kStart + 5min, 5);
  place();
  start({.lake = {}, .late_pause = 1h, .share = 1.0});
  say(3, kStart + 9min, 9);
  place();
  executor_.run_for(10min);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 1U);
  executor_.run_for(1h);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 2U);
  expect_same();
}

TEST_F(OneMeter, FoldingChangesNothingAndASecondPlaceIsNotTakenAfterwards) {
  own_ = std::make_unique<Town>();
  for (std::uint32_t i = 0; i < 60; ++i) say(i, kStart + i * 50s, i);
  place();
  say(100, kStart + 3'100s, 100);
  place();
  start(kAtOnce);
  expect_same();
  ASSERT_TRUE(town().store().put_place("test", town_[0].tenant, "Elsewhere", "new", {}, {}, {}, {}));
  ASSERT_TRUE(town().store().update_meter("test", Town::spec_of(town_[0].eui, town_[0].tenant, "Elsewhere", "new")));
  ASSERT_TRUE(town().directory().load(town().store()));
  close(lake::hour_of(kStart), true);
  executor_.run_for(61s);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 2U);
  expect_same();
  say(200, kStart + 90min, 120);
  place();
  executor_.run_for(61s);
  EXPECT_EQ(told("SELECT district, sum(packets) FROM usage_trend WHERE period = 'hour' GROUP BY 1 ORDER BY 1"),
            "Elsewhere 1\nNorth 61\n");
}

// A second goes by in every transaction.
class Slow final : public base::CommitPointWatch {
 public:
  explicit Slow(base::ManualClock& clock) : clock_(clock) { base::commit_point_watch.store(this); }
  ~Slow() override { base::commit_point_watch.store(nullptr); }
  void reached(std::string_view name) override {
    if (name == "rollup.written_before_commit") clock_.advance(1s);
  }

 private:
  base::ManualClock& clock_;
};

TEST_F(OneMeter, AQuarterOfTheTimeIsTakenAtMost) {
  for (std::uint32_t i = 0; i < 3; ++i) say(i, kStart + i * 1h + 1min, i);
  place();
  const Slow slow(clock_);
  start({.lake = {}, .late_pause = 0s});
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 1U);
  executor_.run_for(2'900ms);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 1U);
  executor_.run_for(200ms);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_hours_total"), 2U);
}

TEST_F(OneMeter, AnHourIsNotTakenBeforeItIsClosedNorAfterItsTime) {
  say(1, kStart + 1min, 0);
  say(2, kStart + 70min, 5);
  append(std::exchange(rows_, {}));
  close(lake::hour_of(kStart));
  clock_.set_wall(kStart + 75min);
  start(kAtOnce);
  EXPECT_EQ(rollup_->status().computed_to, kStart + 1h);
  place();
  executor_.run_for(61s);
  EXPECT_EQ(rollup_->status().computed_to, kStart + 2h);
  // After the time in which an hour may change the lake alone knows better.
  clock_.set_wall(kStart + std::chrono::days(64));
  executor_.run_for(61s);
  say(3, kStart + 100min, 50);
  place();
  executor_.run_for(61s);
  EXPECT_EQ(metrics_.total("meterhub_history_rollup_too_late_total"), 1U);
  EXPECT_EQ(told("SELECT period, sum(used_m3) FROM usage_trend GROUP BY 1 ORDER BY 1"), "day 0.005\nhour 0.005\n");
}

TEST_F(OneMeter, AnUnknownMeterCountsForTheTenantThatItsReadingsName) {
  own_ = std::make_unique<Town>();
  for (std::uint32_t i = 0; i < 4; ++i) say(i, kStart + 1s + i * 50s, i * 10);
  ASSERT_TRUE(town().store().remove_meter("test", town_[0].eui));
  ASSERT_TRUE(town().directory().load(town().store()));
  place();
  start(kAtOnce);
  EXPECT_EQ(told("SELECT tenant, district, used_m3 FROM usage_trend WHERE period = 'hour'"), "7  0.030\n");
}

TEST_F(OneMeter, AFileThatCannotBeReadIsTriedAgainAndHoldsUpNothingElse) {
  for (std::uint32_t i = 0; i < 4; ++i) say(i, kStart + i * 50s, i * 10);
  for (std::uint32_t i = 10; i < 14; ++i) say(i, kStart + 1h + i * 50s, i * 10);
  place();
  const auto shard = base::shard_of(town_[0].number);
  const auto file = lake() + "/" + lake::base_path(lake::hour_of(kStart), shard);
  ASSERT_TRUE(disk_.rename(file, file + ".away"));
  start(kAtOnce);
  EXPECT_NE(rollup_->status().problem, "");
  EXPECT_LE(rollup_->status().computed_to, kStart);
  ASSERT_TRUE(disk_.rename(file + ".away", file));
  executor_.run_for(130s);
  EXPECT_EQ(rollup_->status().problem, "");
  EXPECT_EQ(rollup_->status().computed_to, kStart + 2h);
  expect_same();
}

}  // namespace
}  // namespace meterhub::history
