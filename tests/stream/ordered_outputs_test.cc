// Where the rows of a job with state lie when it ends at a bad moment: files, above all.
#include <meterhub/stream/job.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include <meterhub/base/commit_point.h>
#include <meterhub/base/time_text.h>
#include <meterhub/log/memory.h>

namespace meterhub::stream {
namespace {

using namespace std::chrono_literals;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr char kQuery[] = "SELECT a INTO AtOnce FROM Src SELECT a, LAG(a) OVER (LIMIT DURATION(hour, 1)) AS b INTO InTurn FROM Src";

// Calls a function at a commit point, the first time.
class At final : public base::CommitPointWatch {
 public:
  At(std::string name, std::function<void()> task) : name_(std::move(name)), task_(std::move(task)) { base::commit_point_watch = this; }
  ~At() override { base::commit_point_watch = nullptr; }
  void reached(std::string_view name) override {
    if (name == name_ && task_) std::exchange(task_, nullptr)();
  }

 private:
  const std::string name_;
  std::function<void()> task_;
};

class OrderedOutputs : public testing::Test {
 protected:
  OrderedOutputs() : clock_(base::parse_rfc3339("2026-01-01T00:00:00Z")->at), executor_(clock_), log_(clock_) {
    for (const auto name : {log::topics::kReadings, log::topics::kStatus, log::topics::kDeadletter}) {
      log::TopicSpec spec;
      spec.name = name;
      spec.partitions = 2;
      EXPECT_TRUE(log_.declare(spec));
    }
    auto pattern = (std::filesystem::temp_directory_path() / "meterhub-outputs-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    database_ = std::move(*tables::Database::open(folder_ / "database.sqlite", clock_));
  }
  ~OrderedOutputs() override {
    job_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  JobSpec spec() const {
    JobSpec out;
    out.name = "mine";
    out.sql = kQuery;
    out.inputs = {{"Src"}};
    out.outputs = {{"AtOnce", BlobOutput{"at-once"}}, {"InTurn", BlobOutput{"in-turn"}}};
    return out;
  }
  JobWorld world() {
    JobWorld out{log_, *database_, disk_, metrics_};
    out.complete_until = [this] { return std::optional(clock_.now()); };
    return out;
  }
  void start(const JobSpec& spec) {
    auto made = Job::create(world(), executor_, spec, [](const base::Error& error) { FAIL() << error.text; });
    ASSERT_TRUE(made) << made.error().text;
    job_ = std::move(*made);
  }
  void append(int a, std::string_view topic = log::topics::kReadings, const std::string& more = {}) {
    log::Transaction transaction;
    transaction.appends.push_back({{*log_.topic(topic), base::PartitionId(1)}, log::NewRecord{"key", {}, {}, "{\"a\":" + std::to_string(a) + ",\"more\":\"" + more + "\"}"}});
    log_.transact(std::move(transaction), executor_, [](auto result) { EXPECT_TRUE(result); });
  }
  std::vector<std::string> lines(const std::string& folder) const {
    std::vector<std::string> out;
    const auto files = disk_.list(folder);
    EXPECT_TRUE(files) << folder;
    for (const auto& entry : *files) {
      std::string line;
      for (const char c : disk_.read(base::join_path(folder, entry.name)).value_or("")) {
        if (c != '\n') line += c;
        else out.push_back(std::exchange(line, {}));
      }
    }
    return out;
  }
  std::size_t staged(const std::string& folder) const { return disk_.list(folder + "/staging")->size(); }

  base::ManualClock clock_;
  base::ManualExecutor executor_;
  log::MemoryLog log_;
  base::MemoryDisk disk_;
  base::Metrics metrics_;
  std::filesystem::path folder_;
  std::unique_ptr<tables::Database> database_;
  std::unique_ptr<Job> job_;
};

// A file is named by the first record of its batch, and a batch that is read again holds what came meanwhile.
TEST_F(OrderedOutputs, FilesStandWhenTheirBatchIsReadAgainAndHasGrown) {
  start(spec());
  for (int a = 1; a <= 2; ++a) append(a);
  executor_.run_for(100ms);
  ASSERT_THAT(lines("at-once"), SizeIs(2));
  job_.reset();
  append(3);
  start(spec());
  executor_.run_for(100ms);
  EXPECT_THAT(lines("at-once"), UnorderedElementsAre(R"({"a":1})", R"({"a":2})", R"({"a":3})"));
  executor_.run_for(10s);
  EXPECT_THAT(lines("in-turn"), SizeIs(3));
}

TEST_F(OrderedOutputs, FilesAreInTheirPlaceWhenTheJobIsStoppedInACommit) {
  start(spec());
  executor_.run_ready();
  bool ended = false;
  append(1);
  const At stop("job.outputs_before_offset", [&] { job_->drain([&] { ended = true; }); });
  executor_.run_for(10s);
  ASSERT_TRUE(ended);
  EXPECT_THAT(lines("at-once"), SizeIs(1));
  EXPECT_EQ(staged("at-once"), 0U);
}

// A file a batch: what comes within the linger is one.
TEST_F(OrderedOutputs, FilesHoldWhatCameWhileTheJobLingered) {
  auto lingers = spec();
  lingers.linger = 10s;
  start(lingers);
  executor_.run_ready();
  for (int a = 0; a < 300; ++a) {
    append(a);
    executor_.run_for(100ms);
  }
  executor_.run_for(30s);
  EXPECT_THAT(lines("at-once"), SizeIs(300));
  // Partition 0 is silent: its time passes all the same.
  EXPECT_THAT(lines("in-turn"), SizeIs(300));
  for (const auto* folder : {"at-once", "in-turn"}) EXPECT_LE(disk_.list(folder)->size(), 8U) << folder;
}

TEST_F(OrderedOutputs, FullBatchesAreNotWaitedFor) {
  auto lingers = spec();
  lingers.linger = 1h;
  for (int a = 0; a < 300; ++a) append(a, log::topics::kReadings, std::string(16 * 1024, 'x'));
  start(lingers);
  executor_.run_for(10s);
  EXPECT_THAT(lines("at-once"), SizeIs(300));
}

// A process died between commit and rename, and the job is removed before it runs again.
TEST_F(OrderedOutputs, CommittedFilesOfAJobThatDoesNotRunComeToTheirPlace) {
  start(spec());
  append(1);
  append(2);
  executor_.run_for(10s);
  job_.reset();
  for (const std::string folder : {"at-once", "in-turn"}) {
    const log::TopicPartition anchor{*log_.topic(log::topics::kReadings), base::PartitionId(0)};
    const auto name = folder == "at-once" ? "output/AtOnce/1" : "output/InTurn/32768";
    const auto note = *log_.state("job.mine", anchor, name);
    ASSERT_TRUE(note) << name;
    const auto placed = folder + "/" + note->substr(0, note->rfind('.'));
    ASSERT_TRUE(disk_.rename(placed, folder + "/staging/" + *note)) << placed;
    ASSERT_THAT(lines(folder), SizeIs(0)) << folder;
  }
  const auto settled = settle_outputs(world(), spec(), clock_);
  ASSERT_TRUE(settled) << settled.error().text;
  EXPECT_THAT(lines("at-once"), SizeIs(2));
  EXPECT_THAT(lines("in-turn"), SizeIs(2));
}

// Rows at once are known by partition and offset, which two logs share.
TEST_F(OrderedOutputs, TwoLogsWriteIntoOneOutput) {
  auto both = spec();
  both.inputs = {{"Src"}, {"Second", std::string(log::topics::kStatus)}};
  both.sql = std::string(kQuery) + " SELECT a INTO AtOnce FROM Second SELECT a INTO Stored FROM Src SELECT a INTO Stored FROM Second";
  both.outputs.push_back({"Stored", TableOutput{"stored"}});
  start(both);
  executor_.run_ready();
  append(1);
  append(2);
  executor_.run_for(100ms);
  append(11, log::topics::kStatus);
  append(12, log::topics::kStatus);
  executor_.run_for(10s);
  EXPECT_THAT(lines("at-once"), SizeIs(4));
  EXPECT_THAT(database_->after("stored", 0, 100)->rows, SizeIs(4));
}

// Numbers of a second log's partitions are long and begin alike: a new owner of one leaves the others' files alone.
TEST_F(OrderedOutputs, ANewOwnerLeavesTheFilesOfOtherPartitionsAlone) {
  auto both = spec();
  both.inputs = {{"Src"}, {"Second", std::string(log::topics::kStatus)}};
  both.sql = "SELECT a INTO AtOnce FROM Second SELECT a, LAG(a) OVER (LIMIT DURATION(hour, 1)) AS b INTO InTurn FROM Src";
  start(both);
  executor_.run_ready();
  append(1, log::topics::kStatus);
  executor_.run_for(100ms);
  ASSERT_THAT(lines("at-once"), SizeIs(1));
  job_.reset();
  const auto part = (log_.topic(log::topics::kStatus)->value + 1U) << 16U | 1U;
  const auto note = *log_.state("job.mine", {*log_.topic(log::topics::kReadings), base::PartitionId(0)}, "output/AtOnce/" + std::to_string(part));
  ASSERT_TRUE(note);
  ASSERT_TRUE(disk_.rename("at-once/" + note->substr(0, note->rfind('.')), "at-once/staging/" + *note));
  start(both);
  executor_.run_for(100ms);
  EXPECT_THAT(lines("at-once"), SizeIs(1));
}

}  // namespace
}  // namespace meterhub::stream
