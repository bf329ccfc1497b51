// The case study's two queries as a job, on the memory log, with a real SQLite file.
#include <meterhub/stream/job.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <meterhub/base/time_text.h>
#include <meterhub/log/memory.h>

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string query(const char* name) {
  std::ifstream file(std::string(METERHUB_SOURCE_DIR) + "/queries/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

std::string document(int number, const char* left) {
  return R"({"originData":{"gw":null,"mote":null,"app":{"moteeui":"ffffffffffffff)" + std::to_string(number) +
         R"(","dir":"up"}},"userData":{"type":2,"code":1,"bought":1000.0,"left":)" + left +
         R"(,"used":20.829,"status":4,"version":"v1.0","time":"2016-12-21T03:24:34Z"}})";
}

class JobRole : public testing::Test {
 protected:
  JobRole() : clock_(base::parse_rfc3339("2016-12-21T03:24:36Z")->at), executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    auto pattern = (std::filesystem::temp_directory_path() / "meterhub-job-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    database_ = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
  }
  ~JobRole() override {
    job_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  JobSpec spec() const {
    JobSpec out;
    out.name = "case-study";
    out.sql = query("01-raw-archive.sql") + ";\n" + query("02-low-balance-alert.sql");
    out.inputs = {{"EventHubInput"}};
    out.outputs = {{"BlobOutput", BlobOutput{"blob"}}, {"SQLOutput", TableOutput{std::string(tables::kAlertsTable)}}};
    return out;
  }
  void start(JobSpec spec) {
    auto made = Job::create({log_, *database_, disk_, metrics_}, executor_, std::move(spec),
                            [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    job_ = std::move(*made);
    executor_.run_ready();
  }
  static JobSpec to_log(std::string sql) {
    JobSpec out;
    out.name = "case-study";
    out.sql = std::move(sql);
    out.inputs = {{"EventHubInput"}};
    out.outputs = {{"Feed", LogOutput{}}, {"BlobOutput", BlobOutput{"blob"}}};
    return out;
  }
  // Ends as a platform that drains it.
  void stop() {
    bool drained = false;
    job_->drain([&] { drained = true; });
    executor_.run_ready();
    EXPECT_TRUE(drained);
    job_.reset();
  }
  std::vector<log::NewRecord> feed() {
    std::vector<log::NewRecord> out;
    auto cursor = *log_.open({*log_.topic(log_of("case-study", "Feed")), base::PartitionId(1)}, log::Earliest{});
    const auto batch = *cursor->next(1 << 20);
    for (const auto& record : batch.records)
      out.push_back({std::string(record.key), record.properties, {}, std::string(record.body)});
    return out;
  }
  void append(std::string body, bool stale = false, base::TenantNumber tenant = base::TenantNumber(7),
              std::string redo = {}) {
    log::NewRecord record;
    record.body = std::move(body);
    record.properties.tenant = tenant;
    record.properties.stale = stale;
    record.properties.redo = !redo.empty();
    record.properties.reason = std::move(redo);
    record.properties.origin = {"telemetry", base::PartitionId(0), base::Offset(0), 0, clock_.now()};
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(log::topics::kReadings), base::PartitionId(1)}, std::move(record)});
    log_.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  }
  std::vector<std::string> blob_lines() {
    std::vector<std::string> out;
    const auto entries = disk_.list("blob");
    if (!entries) return out;
    for (const auto& entry : *entries) {
      if (entry.directory) continue;
      std::istringstream file(*disk_.read("blob/" + entry.name));
      for (std::string line; std::getline(file, line);) out.push_back(line);
    }
    return out;
  }
  std::vector<std::string> alerts() {
    std::vector<std::string> out;
    const auto stored = database_->last(tables::kAlertsTable, 1000);
    EXPECT_TRUE(stored);
    for (const auto& row : stored->rows) {
      std::string text;
      for (const auto& cell : row.cells) text += (text.empty() ? "" : "|") + tables::cell_text(cell);
      out.push_back(text);
    }
    return out;
  }

  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::MemoryDisk disk_;
  base::Metrics metrics_;
  std::filesystem::path folder_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<Job> job_;
};

TEST_F(JobRole, ArchivesEveryReadingAndAlertsOnLowBalances) {
  start(spec());
  append(document(10, "979.171"));
  append(document(11, "4.999"));
  append(document(12, "5.0"));
  append(document(13, "-0.001"));
  executor_.run_for(100ms);
  EXPECT_THAT(alerts(), ElementsAre("ffffffffffffff13|2016-12-21T03:24:34Z|2|1|1000|-0.001|20.829|4|v1.0",
                                    "ffffffffffffff11|2016-12-21T03:24:34Z|2|1|1000|4.999|20.829|4|v1.0"));
  const auto lines = blob_lines();
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(
      lines[0],
      R"({"DeviceID":"ffffffffffffff10","DateTime":"2016-12-21T03:24:34Z","MeterType":2,"FactoryCode":1,"Bought":1000.0,"Remaining":979.171,"TotalUsed":20.829,"MeterStatus":4,"MeterSoftwareVer":"v1.0"})");
}

// Rows are told apart by partition and offset; those of a second log would be taken for stored ones and left out.
TEST_F(JobRole, RefusesASecondInput) {
  auto two = spec();
  two.inputs.push_back({"Letters", std::string(log::topics::kDeadletter)});
  const auto made =
      Job::create({log_, *database_, disk_, metrics_}, executor_, std::move(two), [](const base::Error&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, base::Errc::kNotImplemented);
}

TEST_F(JobRole, RowsGoIntoALogOfTheirOwnEachOnceAndCarryTheReadingsProperties) {
  start(to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput WHERE userData.[left] < 5.0"));
  for (int i = 10; i < 20; ++i) append(document(i, i % 2 == 0 ? "1.5" : "9.0"));
  executor_.run_for(100ms);
  job_.reset();
  executor_.run_for(30s);
  start(to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput WHERE userData.[left] < 5.0"));
  append(document(30, "2.5"));
  executor_.run_for(100ms);
  const auto records = feed();
  ASSERT_THAT(records, SizeIs(6));
  EXPECT_EQ(records.front().body, R"({"Remaining":1.5})");
  EXPECT_EQ(records.back().body, R"({"Remaining":2.5})");
  EXPECT_EQ(records.front().properties.tenant, base::TenantNumber(7));
  EXPECT_EQ(records.front().properties.origin.log, "telemetry");
}

TEST_F(JobRole, SeesALetterDrivenAgainAndNoReplay) {
  start(to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput"));
  append(document(10, "1.0"), false, base::TenantNumber(7), "replay");
  append(document(10, "2.0"), false, base::TenantNumber(7), "bad_length");
  executor_.run_for(100ms);
  ASSERT_THAT(feed(), SizeIs(1));
  EXPECT_EQ(feed().front().body, R"({"Remaining":2.0})");
}

TEST_F(JobRole, AnotherJobReadsTheLog) {
  start(to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput"));
  JobSpec second;
  second.name = "second";
  second.sql = "SELECT Remaining * 2 AS Twice INTO BlobOutput FROM Feed WHERE Remaining > 2.0";
  second.inputs = {{"Feed", log_of("case-study", "Feed")}};
  second.outputs = {{"BlobOutput", BlobOutput{"blob"}}};
  const auto made = Job::create({log_, *database_, disk_, metrics_}, executor_, second,
                                [](const base::Error& error) { FAIL() << error.text; });
  ASSERT_TRUE(made) << made.error().text;
  for (const char* left : {"1.0", "2.5", "3.5"}) append(document(10, left));
  executor_.run_for(100ms);
  EXPECT_THAT(blob_lines(), ElementsAre(R"({"Twice":5.0})", R"({"Twice":7.0})"));
}

// Neither gap nor repeat, though the second version has other outputs and one time more to keep.
TEST_F(JobRole, AChangedJobGoesOnWhereItsOldVersionStopped) {
  start(to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput"));
  for (int i = 0; i < 20; ++i) append(document(10, "1.0"));
  executor_.run_for(100ms);
  stop();
  for (int i = 0; i < 20; ++i) append(document(10, "2.0"));
  auto changed = to_log(
      "SELECT userData.[left] AS Other INTO Feed FROM EventHubInput; "
      "SELECT userData.[left] AS l INTO BlobOutput FROM EventHubInput TIMESTAMP BY userData.time");
  changed.version = 2;
  changed.policy.late_arrival = sql::kTicksPerDay;
  start(changed);
  executor_.run_for(100ms);
  const auto records = feed();
  ASSERT_THAT(records, SizeIs(40));
  EXPECT_EQ(records[19].body, R"({"Remaining":1.0})");
  EXPECT_EQ(records[20].body, R"({"Other":2.0})");
  EXPECT_THAT(blob_lines(), SizeIs(20));
  EXPECT_EQ(job_->status().version, 2U);
}

TEST_F(JobRole, BeginsAtItsStartAndKeepsThatWhereNothingWasRead) {
  append(document(10, "1.0"));
  executor_.run_for(1s);
  auto from_now = to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput");
  from_now.starts = clock_.now();
  start(from_now);
  executor_.run_for(100ms);
  EXPECT_THAT(feed(), IsEmpty());
  stop();
  append(document(10, "2.0"));
  executor_.run_for(30s);
  start(from_now);
  executor_.run_for(100ms);
  ASSERT_THAT(feed(), SizeIs(1));
  EXPECT_EQ(feed().front().body, R"({"Remaining":2.0})");
}

TEST_F(JobRole, ANameTakenAgainSharesNothingWithTheJobBefore) {
  start(spec());
  for (int i = 10; i < 20; ++i) append(document(i, "1.0"));
  executor_.run_for(100ms);
  stop();
  auto again = spec();
  again.incarnation = 2;
  again.outputs.front().sink = BlobOutput{"blob-2"};
  start(again);
  executor_.run_for(100ms);
  EXPECT_EQ(job_->status().group, "job.case-study#2");
  EXPECT_THAT(alerts(), SizeIs(20));
}

TEST_F(JobRole, SeesItsTenantsReadingsOnly) {
  auto mine = to_log("SELECT userData.[left] AS Remaining INTO Feed FROM EventHubInput");
  mine.tenant = base::TenantNumber(7);
  start(mine);
  append(document(10, "1.0"));
  append(document(10, "2.0"), false, base::TenantNumber(8));
  executor_.run_for(100ms);
  ASSERT_THAT(feed(), SizeIs(1));
  EXPECT_EQ(feed().front().body, R"({"Remaining":1.0})");
}

TEST_F(JobRole, SaysWhatItDoesAndWhatWentWrong) {
  start(spec());
  append(document(10, "1.0"));
  append("not json");
  executor_.run_for(100ms);
  const auto status = job_->status();
  EXPECT_EQ(status.counters.events, 2U);
  EXPECT_THAT(status.last_dropped, HasSubstr("undecodable at 1/1"));
  EXPECT_EQ(status.read_to, clock_.now() - 100ms);
  ASSERT_THAT(status.outputs, SizeIs(2));
  EXPECT_EQ(status.outputs[0].name, "BlobOutput");
  EXPECT_EQ(status.outputs[0].kind, "blob");
  EXPECT_EQ(status.outputs[0].rows, 1U);
}

// The rows were committed and the process ended before the file had its name; the next version does not even have
// that output.
TEST_F(JobRole, CommittedFilesOfAnOldVersionComeToTheirPlace) {
  start(spec());
  append(document(10, "1.0"));
  executor_.run_for(100ms);
  stop();
  ASSERT_THAT(blob_lines(), SizeIs(1));
  const log::TopicPartition read{*log_.topic(log::topics::kReadings), base::PartitionId(1)};
  const auto staged = *log_.state("job.case-study", read, "output/BlobOutput");
  ASSERT_TRUE(staged);
  ASSERT_TRUE(disk_.rename("blob/" + disk_.list("blob")->front().name, "blob/staging/" + *staged));
  ASSERT_THAT(blob_lines(), IsEmpty());
  const auto settled = settle_outputs({log_, *database_, disk_, metrics_}, spec(), clock_);
  ASSERT_TRUE(settled) << settled.error().text;
  EXPECT_THAT(blob_lines(), SizeIs(1));
}

TEST_F(JobRole, AlertRowsCarryTheMetersTenant) {
  start(spec());
  append(document(11, "1.0"));
  executor_.run_for(100ms);
  EXPECT_EQ(database_->last(tables::kAlertsTable, 1, base::TenantNumber(7))->rows.size(), 1u);
  EXPECT_EQ(database_->last(tables::kAlertsTable, 1, base::TenantNumber(8))->rows.size(), 0u);
}

// Most batches have no alert: a commit of the database for each would cost more than reading them.
TEST_F(JobRole, ABatchWithoutARowLeavesTheDatabaseAlone) {
  start(spec());
  const auto output = *database_->declare({"case-study", "SQLOutput", std::string(tables::kAlertsTable),
                                           tables::alert_columns(), TableOutput{}.retention});
  const auto progress = [&](std::string body) {
    append(std::move(body));
    executor_.run_for(100ms);
    return *database_->progress(output, 1);
  };
  EXPECT_EQ(progress(document(10, "1000.0")), std::nullopt);
  EXPECT_EQ(progress(document(11, "4.999")), 2);
  EXPECT_EQ(progress(document(12, "5.0")), 2);
  EXPECT_THAT(blob_lines(), SizeIs(3)) << "all were read";
  EXPECT_EQ(progress(document(13, "1.0")), 4);
}

TEST_F(JobRole, ARestartRepeatsNoRowWhereverItStopped) {
  start(spec());
  for (int i = 10; i < 40; ++i) append(document(i, "1.0"));
  executor_.run_ready();
  job_.reset();
  executor_.run_for(30s);
  for (int i = 40; i < 60; ++i) append(document(i, "1.0"));
  start(spec());
  executor_.run_for(100ms);
  EXPECT_THAT(alerts(), SizeIs(50));
  EXPECT_THAT(blob_lines(), SizeIs(50));
}

// The rows are in the table and the file is there, but the offset was not committed: the
// group's progress is thrown away, and the job reads everything again.
TEST_F(JobRole, ABatchThatIsRepeatedAfterACrashChangesNothing) {
  start(spec());
  for (int i = 10; i < 40; ++i) append(document(i, "1.0"));
  executor_.run_for(100ms);
  job_.reset();
  executor_.run_for(30s);
  log::MemoryLog again(clock_);
  for (const auto name : {log::topics::kReadings, log::topics::kDeadletter}) {
    log::TopicSpec topic;
    topic.name = name;
    topic.partitions = 2;
    ASSERT_TRUE(again.declare(topic));
  }
  log::Transaction transaction;
  for (int i = 10; i < 60; ++i) {
    log::NewRecord record;
    record.body = document(i, "1.0");
    transaction.appends.push_back({{*again.topic(log::topics::kReadings), base::PartitionId(1)}, std::move(record)});
  }
  again.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  const auto job = Job::create({again, *database_, disk_, metrics_}, executor_, spec(),
                               [](const base::Error& error) { FAIL() << error.text; });
  ASSERT_TRUE(job) << job.error().text;
  executor_.run_for(100ms);
  EXPECT_THAT(alerts(), SizeIs(50));
  EXPECT_THAT(blob_lines(), SizeIs(50));
}

// The first owner sleeps longer than its session and wakes with the whole backlog before it
// hears that it is an owner no more; its batch is longer than those of its heir.
TEST_F(JobRole, AnOwnerThatWakesTooLateLeavesNoFile) {
  base::ManualExecutor sleeper(clock_);
  const auto fatal = [](const base::Error& error) { FAIL() << error.text; };
  auto first = std::move(*Job::create({log_, *database_, disk_, metrics_}, sleeper, spec(), fatal));
  sleeper.run_ready();
  append(document(10, "1.0"));
  sleeper.run_for(10ms);
  start(spec());
  executor_.run_for(30s);
  for (int i = 11; i < 14; ++i) {
    append(document(i, "1.0"));
    executor_.run_for(1s);
  }
  sleeper.run_ready();
  EXPECT_THAT(blob_lines(), SizeIs(4));
  EXPECT_THAT(alerts(), SizeIs(4));
  first.reset();
}

TEST_F(JobRole, SkipsStaleReadingsAndPutsUnreadableOnesAside) {
  start(spec());
  append(document(10, "1.0"), true);
  append("not json");
  append(document(11, "1.0"));
  executor_.run_for(100ms);
  EXPECT_THAT(alerts(), SizeIs(1));
  auto cursor = *log_.open({*log_.topic(log::topics::kDeadletter), base::PartitionId(1)}, log::Earliest{});
  const auto letters = *cursor->next(1 << 20);
  ASSERT_THAT(letters.records, SizeIs(1));
  EXPECT_EQ(letters.records[0].properties.reason, "job.case-study.undecodable");
}

TEST_F(JobRole, SaysWhereAScriptDoesNotCompile) {
  auto wrong = spec();
  wrong.sql = "SELECT a INTO BlobOutput FROM EventHubInput WHERE";
  const auto made = Job::create({log_, *database_, disk_, metrics_}, executor_, wrong, [](const base::Error&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, base::Errc::kInvalidArgument);
  EXPECT_THAT(made.error().text, HasSubstr("case-study:1:"));
}

TEST_F(JobRole, NamesWhatThisEngineDoesNotRun) {
  auto windowed = spec();
  windowed.sql = "SELECT udf.ours(userData) AS n INTO BlobOutput FROM EventHubInput";
  const auto made = Job::create({log_, *database_, disk_, metrics_}, executor_, windowed, [](const base::Error&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, base::Errc::kNotImplemented);
  EXPECT_THAT(made.error().text, HasSubstr("udf"));
}

}  // namespace
}  // namespace meterhub::stream
