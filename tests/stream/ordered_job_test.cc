// Jobs with state on the memory log, with a real SQLite file: they end at random points and go
// on, and what they have given out in the end is what a job that never ended gives.
#include <meterhub/stream/job.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <set>

#include <meterhub/base/time_text.h>
#include <meterhub/log/memory.h>

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kPartitions = 3;

constexpr char kQuery[] = R"(
WITH deltas AS (
  SELECT DeviceID, used - LAG(used) OVER (PARTITION BY DeviceID LIMIT DURATION(hour, 1)) AS step
  FROM Input TIMESTAMP BY t
),
packets AS (SELECT DeviceID, t AS sent FROM Input TIMESTAMP BY t)

SELECT DeviceID, SUM(step) AS volume, COUNT(*) AS n, System.Timestamp() AS windowEnd
INTO Trend FROM deltas WHERE step >= 0 GROUP BY DeviceID, TumblingWindow(minute, 5)

SELECT DeviceID, step INTO Spike FROM deltas WHERE step > 8

SELECT a.DeviceID, a.sent INTO Silent FROM packets a LEFT JOIN packets b ON a.DeviceID = b.DeviceID AND DATEDIFF(second, a, b) BETWEEN 1 AND 90
WHERE b.DeviceID IS NULL

SELECT DeviceID, used INTO High FROM Input TIMESTAMP BY t WHERE used > 300
)";

// Everything of one platform but the job, which comes and goes.
class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), clock_(base::parse_rfc3339("2026-01-01T00:00:00Z")->at), executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = kPartitions;
      EXPECT_TRUE(log_.declare(spec));
    }
    auto pattern = (std::filesystem::temp_directory_path() / "meterhub-job-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    database_ = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
  }
  ~World() {
    job_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  void start(std::string sql = kQuery, std::uint64_t version = 1, std::vector<JobReference> references = {}) {
    JobSpec spec;
    spec.name = "trend";
    spec.version = version;
    spec.sql = std::move(sql);
    spec.inputs = {{"Input"}};
    for (const auto* name : {"Trend", "Spike", "Silent", "High"}) spec.outputs.push_back({name, TableOutput{std::string(name) + "_rows"}});
    spec.references = std::move(references);
    spec.checkpoint_pause = 20s;
    JobWorld world{log_, *database_, disk_, metrics_};
    world.complete_until = [this] { return std::optional(clock_.now()); };
    world.memory_most = memory_most;
    auto made = Job::create(world, executor_, std::move(spec), [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    job_ = std::move(*made);
    executor_.run_ready();
  }
  std::uint64_t memory_most = 0;  // of a job that is started from now on
  // As a process that dies: nothing is drained.
  void die() { job_.reset(); }
  const Job& job() const { return *job_; }

  // Some seconds of a few meters, of which one is silent now and then; the same for every world.
  void live(std::mt19937_64& meters) {
    for (int i = 0; i < 6; ++i) {
      const auto meter = meters() % 12;
      used_[meter] += static_cast<double>(meters() % 1000) / 100;
      if (static_cast<std::int64_t>(meter) == clock_.now().time_since_epoch() / 200s % 12) continue;
      append(meter);
      executor_.run_for(std::chrono::milliseconds(meters() % 700));
    }
  }
  void pass(std::chrono::seconds time) { executor_.run_for(time); }
  // Of whoever runs now.
  void take_time(std::chrono::seconds time) { clock_.advance(time); }

  std::vector<std::string> rows(const std::string& output) const {
    std::vector<std::string> out;
    const auto stored = database_->after(output + "_rows", 0, 1'000'000);
    EXPECT_TRUE(stored) << stored.error().text;
    for (const auto& row : stored->rows) {
      std::string text;
      for (const auto& cell : row.cells) text += (text.empty() ? "" : "|") + tables::cell_text(cell);
      out.push_back(text);
    }
    return out;
  }

 private:
  void append(std::uint64_t meter) {
    const auto time = base::rfc3339(clock_.now());
    log::NewRecord record;
    record.key = "meter" + std::to_string(meter);
    record.body = R"({"DeviceID":")" + record.key + R"(","used":)" + std::to_string(used_[meter]) + R"(,"t":")" + time + "\"}";
    record.properties.tenant = base::TenantNumber(static_cast<std::uint32_t>(meter % 2 + 1));
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(log::topics::kReadings), base::PartitionId(static_cast<std::uint32_t>(meter % kPartitions))}, std::move(record)});
    log_.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  }

  std::mt19937_64 random_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::MemoryDisk disk_;
  base::Metrics metrics_;
  std::filesystem::path folder_;
  std::unique_ptr<tables::Database> database_;
  std::map<std::uint64_t, double> used_;
  std::unique_ptr<Job> job_;
};

std::map<std::string, std::vector<std::string>> rows_of(const World& world) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto* name : {"Trend", "Spike", "Silent", "High"}) out[name] = world.rows(name);
  return out;
}

constexpr int kRounds = 250;  // some nine minutes of stream time each hundred

std::map<std::string, std::vector<std::string>> uninterrupted() {
  World world(0);
  std::mt19937_64 meters(7);
  world.start();
  for (int i = 0; i < kRounds; ++i) world.live(meters);
  world.pass(400s);
  return rows_of(world);
}

TEST(OrderedJob, GivesOutWhatIsFinalWhileNothingComes) {
  const auto rows = uninterrupted();
  EXPECT_GT(rows.at("Trend").size(), 20U);
  EXPECT_GT(rows.at("Spike").size(), 20U);
  EXPECT_GT(rows.at("Silent").size(), 3U);
  EXPECT_GT(rows.at("High").size(), 20U);
}

TEST(OrderedJob, EndsAnywhereAndRepeatsNothing) {
  const auto expected = uninterrupted();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    World world(seed);
    std::mt19937_64 meters(7);
    std::mt19937_64 deaths(seed);
    world.start();
    for (int i = 0; i < kRounds; ++i) {
      world.live(meters);
      if (deaths() % 9 != 0) continue;
      world.die();
      world.start();
    }
    world.pass(400s);
    const auto rows = rows_of(world);
    for (const auto& [output, lines] : expected) EXPECT_EQ(rows.at(output), lines) << "seed " << seed << ", output " << output;
    if (testing::Test::HasFailure()) return;
  }
}

TEST(OrderedJob, TellsWhatItKeepsAndHowFarItIs) {
  World world(0);
  std::mt19937_64 meters(7);
  world.start();
  for (int i = 0; i < 50; ++i) world.live(meters);
  const auto status = world.job().status();
  EXPECT_GT(status.counters.events, 100U);
  ASSERT_TRUE(status.watermark);
  EXPECT_TRUE(status.checkpointed);
  ASSERT_EQ(status.state.size(), 3U);  // LAG, which two statements share, a window, a join
  for (const auto& one : status.state) EXPECT_GT(one.keys, 0U) << one.step << ' ' << one.what;
  EXPECT_EQ(status.missed, 0U);
}

TEST(OrderedJob, MeetsReferenceDataAsItBecomes) {
  World world(0);
  std::mt19937_64 meters(7);
  std::uint64_t version = 1;
  std::string district = "North";
  world.start("SELECT i.DeviceID, m.District AS DeviceDistrict INTO High FROM Input i TIMESTAMP BY t JOIN Meters m ON i.DeviceID = m.DeviceID", 1,
              {{"Meters",
                [&](const auto& give) {
                  for (int meter = 0; meter < 12; ++meter)
                    give(R"({"DeviceID":"meter)" + std::to_string(meter) + R"(","District":")" + district + "\"}");
                  return base::Result<void>();
                },
                [&] { return version; }}});
  for (int i = 0; i < 20; ++i) world.live(meters);
  const auto before = world.rows("High");
  EXPECT_GT(before.size(), 20U);
  EXPECT_THAT(before, testing::Each(testing::EndsWith("North")));
  district = "South";  // not told yet
  for (int i = 0; i < 20; ++i) world.live(meters);
  ++version;
  world.pass(6s);
  const auto told = world.rows("High").size();
  for (int i = 0; i < 20; ++i) world.live(meters);
  const auto rows = world.rows("High");
  ASSERT_GT(rows.size(), told);
  EXPECT_THAT(std::vector(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(told)), testing::Each(testing::EndsWith("North")));
  EXPECT_THAT(std::vector(rows.begin() + static_cast<std::ptrdiff_t>(told), rows.end()), testing::Each(testing::EndsWith("South")));
}

// A million meters take seconds, and a registry that is being filled changes all the time.
TEST(OrderedJob, SpendsATwentiethOfItsTimeOnReferenceData) {
  World world(0);
  std::uint64_t version = 1;
  int reads = 0;
  world.start("SELECT i.DeviceID INTO High FROM Input i TIMESTAMP BY t JOIN Meters m ON i.DeviceID = m.DeviceID", 1,
              {{"Meters",
                [&](const auto& give) {
                  ++reads;
                  world.take_time(10s);
                  give(R"({"DeviceID":"meter1"})");
                  return base::Result<void>();
                },
                [&] { return ++version; }}});
  EXPECT_EQ(reads, 1);
  world.pass(190s);
  EXPECT_EQ(reads, 1);
  world.pass(20s);
  EXPECT_EQ(reads, 2);
}

TEST(OrderedJob, StandsStillBeyondItsMemoryAndGoesOnWithMore) {
  const auto expected = uninterrupted();
  World world(0);
  std::mt19937_64 meters(7);
  world.memory_most = 1;
  world.start();
  for (int i = 0; i < kRounds / 5; ++i) world.live(meters);
  EXPECT_THAT(world.job().status().last_error, testing::HasSubstr("stream.job_memory"));
  EXPECT_LT(world.rows("Trend").size(), expected.at("Trend").size());
  world.die();
  world.memory_most = 1 << 30;
  world.start();
  for (int i = kRounds / 5; i < kRounds; ++i) world.live(meters);
  world.pass(400s);
  EXPECT_EQ(world.job().status().last_error, "");
  // Rows without state come in the order in which batches were read.
  for (const auto& [output, lines] : expected) EXPECT_THAT(world.rows(output), testing::UnorderedElementsAreArray(lines)) << output;
}

// Another text takes over: what the old one gave out stands, and nothing comes twice.
TEST(OrderedJob, ChangesWithoutGapOrRepeat) {
  const auto expected = uninterrupted();
  World world(0);
  std::mt19937_64 meters(7);
  world.start();
  for (int i = 0; i < kRounds; ++i) {
    world.live(meters);
    if (i != kRounds / 2) continue;
    world.pass(45s);
    world.die();
    world.start(std::string(kQuery) + "-- the second version", 2);
  }
  world.pass(400s);
  const auto trend = world.rows("Trend");
  std::set<std::string> once(trend.begin(), trend.end());
  EXPECT_EQ(once.size(), trend.size());
  EXPECT_GE(trend.size(), expected.at("Trend").size() - 12);
}

}  // namespace
}  // namespace meterhub::stream
